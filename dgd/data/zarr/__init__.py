"""Zarr stores, read and written; the only folder that imports zarr and numcodecs.

locations  path, URL, store → a source           sources    keys → bytes: a local folder, any zarr store
zip_source  keys → bytes: a zip file             layout     an array's format, as data
documents  metadata documents as JSON            crc32c     checksums, in all threads at once
format3, format2  zarr.json, .zarray → a layout  metadata   either of the two, checked
codecs     the decoders, an allow-list           shards     a shard → its inner chunks
filters    what numcodecs undo                   listing    what is at a location
around_shards  codecs around them, undone        chunk_values  bytes → the values of a chunk
zarr_rows  bytes → rows, strictly                group      a zarr group → a dataset
read_ahead  requests and hints before a read     commit_marker  marks a dataset as complete
folders    what may be replaced                links      those that lead out of a store
array_writer  blocks → one zarr array            dataset_writer  blocks → a dataset
info       what `dgd info` says                  advice     its warnings, each with a fix
row_writer  chunks of results → a zarr array     event_loop  where stores that answer asynchronously run
outputs    where is written: a folder or a URL   coordinates  of rows, found and written again
connections  those of fsspec, in that loop       remote_files  single files behind URLs, brought here
id_writer, stored_ids  columns beside the rows   interrupted  what an ingest before has written
table/     a table by its columns, texts as codes with levels

dgd decodes chunks itself, into memory that each thread uses again for every chunk. Measured in one run on two threads
with chunks of 4 MiB: zarr-python's codec pipeline and the Rust pipeline `zarrs` were slower than this; tensorstore read
at 0.29, 0.59 and 0.76 of the speed of a bare loop for uncompressed, lz4 and zstd chunks.
"""
