"""The core: what a turn is. Depends on no web framework, model library or metrics library."""
