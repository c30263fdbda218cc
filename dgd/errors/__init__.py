"""Every exception dgd raises on purpose.

A message says what, where (array, chunk, rows), what was found, what was expected, and the way out.

    DgdError
    ├── ConfigurationError        an argument is wrong, or two do not go together  (also a ValueError)
    │   ├── PlanError             the job cannot fit: both numbers, and what to change
    │   └── OutputInUseError      another writer is at work at the path
    ├── DataError                 the data are missing, damaged or not what a linear model can use
    │   ├── DatasetNotFoundError  nothing is there  (also a FileNotFoundError)
    │   ├── IncompleteDatasetError    a write was interrupted before its commit marker
    │   ├── MetadataError         a metadata document is torn, edited or contradicts itself
    │   ├── UnsupportedFormatError    a dtype or codec dgd does not decode
    │   ├── SchemaError           rank, length, dtype or names do not fit together  (also a ValueError)
    │   ├── MissingChunkError     a chunk the metadata promises is not there
    │   ├── CorruptChunkError     a chunk's bytes are not what was written
    │   ├── DatasetChangedError   a chunk is not the one that was written, or read before
    │   ├── ReadError             the store failed while a chunk was read
    │   ├── ValueRangeError       a value no linear model can use: NaN, infinity, a negative weight  (a ValueError)
    │   └── IngestError           a table has a cell that is not a number
    ├── ModelError                a saved model is missing, damaged or does not fit the data
    ├── CheckpointError           a checkpoint is missing, damaged, or of other data, another problem, another version
    ├── WriteError                what dgd writes cannot be written: a full disk, no permission  (also an OSError)
    └── ClusterLostError          the cluster is gone, or keeps losing the same piece of work
"""

from __future__ import annotations

from copy import copy
from typing import Any, Self

from dgd.errors.words import visible, without_secrets


class DgdError(Exception):
    """Base of every exception of dgd.

    Its message is one line in which control characters are escaped; URLs have lost users, passwords and queries.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(visible(without_secrets(str(message))))


class ConfigurationError(DgdError, ValueError):
    """An argument is wrong, or two arguments do not go together."""


class PlanError(ConfigurationError):
    """The job does not fit in memory: `needed` and `available` are bytes of one process."""

    def __init__(self, message: str, *, needed: int = 0, available: int = 0) -> None:
        super().__init__(message)
        self.needed = needed
        self.available = available


class OutputInUseError(ConfigurationError):
    """Another writer is at work at the path, or has taken it over."""


class DataError(DgdError):
    """The data are missing, damaged, or not what a linear model can use.

    `array` names the array, `chunk` its chunk (index along the rows, or the store's key) and `rows` the
    half-open range of rows concerned, each None where it does not apply. `worker` is the address of the Dask worker
    that read it, None for this process.
    """

    worker: str | None = None
    elsewhere: bool = False
    """Whether another machine may well succeed: the store did not answer this one, or it does not see the data."""

    def __init__(
        self,
        message: str,
        *,
        array: str | None = None,
        chunk: int | str | None = None,
        rows: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.array = array
        self.chunk = chunk
        self.rows = rows

    def on(self, worker: str) -> Self:
        """The error, met by a worker."""
        error = copy(self)
        error.args = (f"{self} (read by worker {worker})",)
        error.worker = worker
        return error


class DatasetNotFoundError(DataError, FileNotFoundError):
    """Nothing is at the path, or the group has no array of that name."""


class IncompleteDatasetError(DataError):
    """The dataset was never committed: its writer was interrupted."""


class MetadataError(DataError):
    """A metadata document is torn, was edited, or contradicts itself."""


class UnsupportedFormatError(DataError):
    """The array has a dtype, codec or layout that dgd does not decode."""


class SchemaError(DataError, ValueError):
    """Rank, length, dtype or names of the arrays do not fit together."""


class MissingChunkError(DataError):
    """A chunk the metadata promises is not in the store."""


class CorruptChunkError(DataError):
    """A chunk's bytes are not what was written."""


class DatasetChangedError(DataError):
    """A chunk is whole, and is not the one that was written, or that was read before or elsewhere."""


class ReadError(DataError):
    """The store failed while a chunk was being read."""


class ValueRangeError(DataError, ValueError):
    """A value no linear model can use: NaN, infinity, a negative weight. `row` and `column` place it."""

    def __init__(
        self,
        message: str,
        *,
        array: str | None = None,
        chunk: int | str | None = None,
        rows: tuple[int, int] | None = None,
        row: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, array=array, chunk=chunk, rows=rows)
        self.row = row
        self.column = column


class IngestError(DataError):
    """A table has a cell or column that is not a number. `file`, `column` and `row` (from 1) place it."""

    def __init__(
        self, message: str, *, file: str | None = None, column: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(message)
        self.file = file
        self.column = column
        self.row = row


class ModelError(DgdError):
    """A saved model is missing or damaged, or the data are not those it was made for."""


class CheckpointError(DgdError):
    """A checkpoint is missing or damaged, or the data, the problem or the version are no longer those of its fit."""


class WriteError(DgdError, OSError):
    """A dataset, predictions or a model cannot be written: the disk is full or read-only, or the system forbids it.

    `path` is what was to be written; `errno` is the system's number, None if it gave none.
    """

    def __init__(self, message: str, *, path: str | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker's error comes to the driver with its number, which OSError does not pickle."""
        return _write_error, (str(self), self.path, self.errno)


def _write_error(message: str, path: str | None, errno: int | None) -> WriteError:
    return WriteError(message, path=path, errno=errno)


class ClusterLostError(DgdError):
    """The cluster is gone, or loses every worker that takes a certain piece of work.

    `result`: that of a fit after its last whole pass; None before the first one, and elsewhere.
    """

    result: Any = None
