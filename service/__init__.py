"""The chat service. Imports nothing, because monkey-patching has to happen first."""

__version__ = "0.1.0"
