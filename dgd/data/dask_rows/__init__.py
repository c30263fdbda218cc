"""Arrays and DataFrames of Dask as rows: the only place of data/ that knows Dask."""
