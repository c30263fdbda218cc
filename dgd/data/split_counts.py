"""How many rows are in each part of a split; of a table nothing but its footers and the key is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgd.data.opening import open_beside, open_data
from dgd.data.reading import Reading
from dgd.data.split import Split
from dgd.data.split_part import Part, key_bits
from dgd.data.tables.files import parquet_paths, table_files


def rows_of(data: Any, splits: Sequence[Split], reading: Reading) -> list[int]:
    """The number of rows in each of several parts by the same key."""
    by = splits[0].by
    key = None if by is None else open_beside(data, "split", by, reading, None)
    rows = _rows(data, reading) if key is None else key.shape[0]
    bounds = np.array([0, rows], np.int64)
    bits = [None if key is None else key_bits(split, key) for split in splits]
    return [int(Part.of(split, bounds, each).bounds[-1]) for split, each in zip(splits, bits, strict=True)]


def _rows(data: Any, reading: Reading) -> int:
    paths = parquet_paths(data)
    if paths is None:
        return open_data(data, None, None, need_target=False, reading=reading).shape[0]
    from dgd.data.tables.parquet_files.footers import footer_of

    files = table_files([os.path.abspath(os.path.expanduser(path)) for path in paths])
    return sum(int(footer_of(file.path).metadata.num_rows) for file in files)
