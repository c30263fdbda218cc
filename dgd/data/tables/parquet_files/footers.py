"""Footers of Parquet files: columns, row groups and statistics, read once and remembered."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from dgd.errors import DatasetNotFoundError, ReadError

FOOTER_END = 8
"""Bytes at the end of a file: the length of its footer, and PAR1."""
REMEMBERED = 4096
"""Files whose footers a process keeps."""


@dataclass(frozen=True)
class Footer:
    """What the end of a file says: its columns, row groups, and where their bytes lie; the digest is of all that."""

    metadata: pq.FileMetaData
    digest: str

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self.metadata.schema.to_arrow_schema()

    def column_index(self, name: str) -> int | None:
        """The number of a plain column, None if there is none of that name, or it is nested."""
        leaves = {self.metadata.schema.column(j).path: j for j in range(self.metadata.num_columns)}
        return leaves.get(name)

    def may_be_missing(self, name: str) -> bool:
        """Whether a cell may be null, as far as the statistics say."""
        j = self.column_index(name)
        if j is None:
            return True
        for g in range(self.metadata.num_row_groups):
            found = self.metadata.row_group(g).column(j).statistics
            if found is None or not found.has_null_count or found.null_count:
                return True
        return False


def footer_of(path: str) -> Footer:
    """The footer of a file, read once as long as the file has the same size and time of change."""
    try:
        status = os.stat(path)
        return _footer(path, status.st_size, status.st_mtime_ns)
    except FileNotFoundError as error:
        raise DatasetNotFoundError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error


@lru_cache(maxsize=REMEMBERED)
def _footer(path: str, size: int, changed: int) -> Footer:
    metadata = pq.read_metadata(path)
    with open(path, "rb") as file:
        file.seek(-FOOTER_END, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-FOOTER_END - length, os.SEEK_END)
        digest = hashlib.sha256(size.to_bytes(8, "little") + file.read()).hexdigest()
    return Footer(metadata, digest)


def unreadable(path: str, error: Exception) -> ReadError:
    """The error for a file that is no Parquet, or damaged."""
    return ReadError(
        f"{path}: cannot be read as Parquet: {error}. If it is damaged or incomplete, fetch or write it again"
    )
