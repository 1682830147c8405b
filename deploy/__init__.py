"""What ships the service and runs it."""
