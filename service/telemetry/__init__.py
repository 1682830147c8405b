"""Metrics and logs. The only room that uses prometheus_client and structlog."""
