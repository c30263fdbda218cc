"""A dataset of HDF5 as rows, read through h5py a few chunks at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.memory_rows import MEMORY_CHUNK_BYTES
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint, ReadAtOnce, check_dtype, regular_bounds
from dgd.errors import ReadError, UnsupportedFormatError

MEANINGFUL = ("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned", "units", "valid_range")
"""Attributes that change what the numbers mean; through h5py they are not applied."""


@dataclass(frozen=True, eq=False)
class Hdf5Rows(ReadAtOnce):
    """The rows of an open `h5py.Dataset`. Its row chunks are whole HDF5 chunks of about 4 MiB together.

    In another process the file is opened there by its name.
    """

    name: str
    dataset: Any

    def __post_init__(self) -> None:
        check_dtype(self.name, self.dtype)
        attributes = self.dataset.attrs
        found = [key for key in MEANINGFUL if key in attributes and not _says_nothing(key, attributes[key])]
        if found:
            raise UnsupportedFormatError(
                f"array {self.name!r}, HDF5 dataset {self.dataset.name}: its attribute {found[0]!r} changes what the "
                f"numbers mean; open the file with xarray, which applies it, and give the variable's array (`.data`)",
                array=self.name,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the names of array, file and dataset."""
        return _opened, (self.name, type(self.dataset.file), self.dataset.file.filename, self.dataset.name)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dataset's shape. Raises ReadError where its file was closed."""
        if not self.dataset:
            raise ReadError(
                f"array {self.name!r}: its HDF5 file is closed; keep it open while it is read", array=self.name
            )
        return tuple(int(n) for n in self.dataset.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        dtype: np.dtype[Any] = self.dataset.dtype
        return dtype

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Whole chunks, as many as 4 MiB hold."""
        together = (self.dataset.chunks or (1,))[0]
        rows = MEMORY_CHUNK_BYTES // (8 * max(1, math.prod(self.shape[1:])))
        return regular_bounds((*self.shape, 0)[0], max(1, rows // together) * together)

    @property
    def footprint(self) -> Footprint:
        """The rows that are read, and the chunks that HDF5 keeps: 1 MiB, or one chunk."""
        rows = int(np.diff(self.bounds).max(initial=1))
        decoded = rows * math.prod(self.shape[1:]) * self.dtype.itemsize
        chunk = math.prod(self.dataset.chunks or (1,)) * self.dtype.itemsize
        stored = int(self.dataset.id.get_storage_size())
        return Footprint(
            encoded=max(2**20, 2 * chunk), decoded=decoded, per_pass=stored, exact=True, path="HDF5, read through h5py"
        )

    @property
    def fingerprint(self) -> str:
        """File, dataset, shape and dtype; the values are not hashed."""
        return f"hdf5:{self.dataset.file.filename}:{self.dataset.name}:{self.shape}:{self.dtype.str}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, in a buffer; h5py lets one thread read at a time."""
        block = buffers.take("rows", (stop - start, *self.shape[1:]), self.dtype)
        try:
            self.dataset.read_direct(block, np.s_[start:stop])
        except (OSError, ValueError) as error:
            raise ReadError(
                f"array {self.name!r}: rows {start} to {stop - 1} of the HDF5 dataset {self.dataset.name} cannot be "
                f"read: {error}; check the file (`h5ls`, `h5check`)",
                array=self.name,
                rows=(start, stop),
            ) from error
        return block, block.nbytes


def _says_nothing(key: str, value: Any) -> bool:
    """Whether an attribute leaves the numbers as they are: a fill value of NaN, units that are no time."""
    if key == "units":
        text = value.decode() if isinstance(value, bytes) else str(value)
        return " since " not in text
    return key == "_FillValue" and np.asarray(value).dtype.kind == "f" and bool(np.isnan(value).all())


def _opened(name: str, kind: Any, file: str, dataset: str) -> Hdf5Rows:
    return Hdf5Rows(name, kind(file, "r")[dataset])
