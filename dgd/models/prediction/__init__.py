"""Predictions: of what, in which columns, and where they go."""
