"""The parts that go into the container images: how each one starts, and its health check."""
