"""What the container images hold of this folder: how each starts, and how its health is checked."""
