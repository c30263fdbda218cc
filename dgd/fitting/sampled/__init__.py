"""A fit that begins at the minimum over a sample of the rows: how many of them, the start, and whether it is taken."""
