"""What is fitted, read a chunk at a time.

rows        the protocol: an array of which these rows, please        dataset  X, y, weight and offset that fit together
opening     what a caller gives, as a dataset                         reading  how: names, missing cells, times
arrays/     NumPy, SciPy, pandas, xarray, HDF5 as rows                zarr/    stores: reading, writing, what they mean
tables/     CSV, Parquet and Arrow                                    dask_rows/   arrays and DataFrames of Dask
transforms/ rows made of other rows                                     heard    who is told how reading gets on
"""
