"""The room that knows prometheus_client and structlog."""
