"""HTTP in, JSON and Server-Sent Events out. The only room that uses Flask."""
