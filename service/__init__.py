"""A chat service for people: imports nothing, since monkey-patching has to come first."""

__version__ = "0.1.0"
