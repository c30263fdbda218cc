"""When a fit ends, and what can be said of where it ended."""
