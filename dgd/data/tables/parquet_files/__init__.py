"""Parquet: read in place by row groups, or streamed into a dataset."""
