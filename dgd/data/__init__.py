"""What is fitted, read a chunk at a time."""
