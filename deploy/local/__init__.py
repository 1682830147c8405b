"""Sets up and starts the service without containers, with a small local model if none is configured."""
