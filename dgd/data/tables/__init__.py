"""Tables in files, CSV and Parquet, written as a dataset; streamed by pyarrow (the extra `ingest`).

ingest   the function; from files to a dataset      columns  which columns are used, and what is refused
batches  a table's batches as float arrays          csv, parquet  one file each
files    which files a path names                   partitions    columns that stand in folders' names
"""
