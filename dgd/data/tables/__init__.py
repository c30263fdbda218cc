"""Tables in files, CSV and Parquet: read where they lie, or written as a dataset; by pyarrow (the extra `ingest`).

which    files  which a path names           brought, temporary  standard input and URLs, as local files
         columns  which are used, as what     refusals  errors that name them all, and the cell
         partitions  those in folders' names  opening  a file → a table
text/    dialect  how it is written, guessed  csv, text_files  a text file as a table
         csv_blocks  cut for all processors
parquet_files/
         parquet, footers  a file as a table  in_place, parquet_rows, parquet_table, parquet_columns  as rows of a pass
         as_parquet  a text file, parsed once
         one_column  a column by itself, of any file
out      ingest  files → a dataset            batches, ahead  float arrays, checked while others are written
         restart  what was interrupted        inspection/  what stands in the way; written/  predictions as tables
         coded/  text and times, written by their columns
"""
