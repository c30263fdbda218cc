"""CSV: its dialect, and its rows as Arrow's batches, in blocks that are parsed on all cores."""
