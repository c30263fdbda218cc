"""What is summed over the rows of a chunk."""
