"""Ships and runs the service."""


class CannotStart(Exception):
    """One sentence for the person at the terminal."""
