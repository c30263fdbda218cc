"""Many fits in the passes of one: paths of penalties and cross-validation."""
