"""How a machine without containers sets up and starts the service, with a small local model where none is named."""
