"""Zarr: the only folder that imports it.

source     keys → bytes: a local folder, or any zarr store        codecs    the decoders, an allow-list
metadata   zarr.json / .zarray → a checked format                 rows      bytes → rows, strictly
seal       the commit marker                                      group     a zarr group → a dataset
writer     blocks → a dataset                                     describe  what `dgd info` says
predictions  chunks → a zarr array of predictions
"""

from __future__ import annotations

from dgd.storage.group import Group, is_location, open_array, open_group, source_of
from dgd.storage.writer import DatasetWriter

__all__ = ["DatasetWriter", "Group", "is_location", "open_array", "open_group", "source_of"]
