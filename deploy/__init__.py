"""What ships the service and runs it."""


class CannotStart(Exception):
    """One sentence for the person at the terminal."""
