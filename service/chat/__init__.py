"""The core: what a turn is. Knows no web framework, no model library, no metrics library."""
