"""Zarr stores, read and written; the only folder that imports zarr and numcodecs.

locations  path, URL, store → a source           sources    keys → bytes: a local folder, any zarr store
zip_source  keys → bytes: a zip file             layout     an array's format, as data
documents  metadata documents as JSON            crc32c     checksums, in all threads at once
format3, format2  zarr.json, .zarray → a layout  metadata   whichever of the two is there, checked
codecs     the decoders, an allow-list           shards     a shard → its inner chunks
zarr_rows  bytes → rows, strictly                group      a zarr group → a dataset
read_ahead  requests and hints before a read     commit_marker  what tells a whole dataset from an interrupted one
folders    what may be replaced, what is on disk
array_writer  blocks → one zarr array            dataset_writer  blocks → a dataset
info       what `dgd info` says                  advice     what is unfavourable, with its fix
predictions  chunks → a zarr array of predictions
"""
