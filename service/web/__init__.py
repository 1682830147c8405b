"""The room that knows Flask: HTTP in, JSON and Server-Sent Events out."""
