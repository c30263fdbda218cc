"""Zarr: the only folder that imports it.

locations  path, URL, store → a source           source     keys → bytes: a local folder, any zarr store
zips       keys → bytes: a zip file              layout     an array's format, as data
documents  metadata documents as JSON            crc32c     checksums, in all threads at once
zarr3, zarr2  zarr.json, .zarray → a layout      metadata   whichever of the two is there, checked
codecs     the decoders, an allow-list           shards     a shard → its inner chunks
rows       bytes → rows, strictly                group      a zarr group → a dataset
seal       the commit marker                     folders    what may be replaced, and what is on disk
writer     blocks → a dataset                    columns    blocks → one zarr array, chunk by chunk
describe   what `dgd info` says                  findings   what is unfavourable, with its fix
predictions  chunks → a zarr array of predictions
"""

from __future__ import annotations

from dgd.storage.group import Group, open_array, open_group
from dgd.storage.locations import is_location, source_of
from dgd.storage.writer import DatasetWriter

__all__ = ["DatasetWriter", "Group", "is_location", "open_array", "open_group", "source_of"]
