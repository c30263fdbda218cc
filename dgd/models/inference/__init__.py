"""Standard errors, tests and intervals of a model, as values."""
