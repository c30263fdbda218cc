"""A design matrix that stays on disk while scikit-learn selects rows of it.

    design = ZarrDesign("train.zarr")
    cross_val_score(Ridge(), design, design.y(), cv=ChunkKFold(5))

scikit-learn's splitters ask X for its length and for some of its rows. Both are answered without reading anything:
`design[rows]` is another design, with the row numbers in memory (8 bytes a row) and the values where they were.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, Self, Unpack

import numpy as np

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.data.rows import Rows
from dgd.data.transforms.selected_rows import Selection, select
from dgd.errors import ConfigurationError
from dgd.errors.words import visible


class ZarrDesign:
    """X (m × n) as scikit-learn may slice it, read chunk by chunk by dgd's estimators alone.

    data, y, weight, reading: anything `dgd.open_dataset` takes; a target need not be there. Rows may be selected by
    slices, integer arrays and boolean masks, in any order; they are read in the order they are stored, each chunk once
    a pass, and predictions come back in the order that was asked for.
    """

    ndim = 2

    def __init__(self, data: Any, y: Any = None, *, weight: Any = None, **reading: Unpack[ReadingOptions]) -> None:
        given = isinstance(data, Dataset) and y is None and weight is None and not reading
        self._whole: Dataset = data if given else _opened(data, y, weight, Reading.of("ZarrDesign", reading))
        self._index: Integers | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        m, n = self._whole.shape
        return (m if self._index is None else len(self._index)), n

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        return self._whole.dtype

    @property
    def bounds(self) -> Integers:
        """The row chunks: chunk k is rows bounds[k] to bounds[k + 1]. Rows out of order have none."""
        if self.order is not None:
            raise ConfigurationError("these rows are not in the order they are stored, and so in no chunks; sort them")
        return self.dataset.bounds

    @property
    def order(self) -> Integers | None:
        """Where each row of `dataset` stands in this design; None where the order is the same."""
        if self._index is None or bool((np.diff(self._index) >= 0).all()):
            return None
        return np.argsort(self._index, kind="stable")

    @property
    def dataset(self) -> Dataset:
        """The rows as dgd reads them, ascending."""
        if self._index is None:
            return self._whole
        if not len(self._index):
            raise ConfigurationError("no row is selected: there is nothing to fit or to predict")
        return select(self._whole, Selection.of_rows(np.sort(self._index), self._whole.bounds))

    def y(self) -> Array:
        """The target, read into memory: one number a row, for splitters and scorers."""
        dataset = self.dataset
        if dataset.y is None:
            raise ConfigurationError(f"{dataset.source} has no target; name its array: `ZarrDesign(..., y='...')`")
        return in_order(read_whole(dataset.y), self.order)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Self:
        """Some rows, as another design."""
        if isinstance(key, tuple):
            if len(key) != 2 or not (key[1] is Ellipsis or key[1] == slice(None)):
                raise ConfigurationError(f"a design is sliced by rows alone, got {key!r}; select columns in the store")
            key = key[0]
        chosen = object.__new__(type(self))
        chosen._whole = self._whole
        places = _places(key, len(self))
        chosen._index = places if self._index is None else self._index[places]
        return chosen

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError(
            f"{self!r} is lazy and is not loaded into memory for you: fit it with an estimator of `dgd.estimators`, or "
            f"load it yourself with `zarr.open(...)['X'][:]` if it fits"
        )

    def __repr__(self) -> str:
        rows, n = self.shape
        return f"ZarrDesign({visible(self._whole.source)}: {rows:,} rows × {n:,} columns)"


def _opened(data: Any, y: Any, weight: Any, reading: Reading) -> Dataset:
    """With the target where there is one."""
    try:
        return open_data(data, y, weight, need_target=True, reading=reading)
    except (ConfigurationError, FileNotFoundError):
        if y is not None or weight is not None or isinstance(data, Dataset):
            raise
        return open_data(data, None, None, need_target=False, reading=reading)


def _places(key: Any, length: int) -> Integers:
    """A slice, mask or integer array as row numbers from 0."""
    if isinstance(key, slice):
        return np.arange(length, dtype=np.int64)[key]
    places = np.asarray(key)
    if places.ndim != 1:
        raise TypeError(f"select rows of a design by a slice, or by one dimension of integers or bools, got {key!r}")
    if places.dtype == bool:
        if len(places) != length:
            raise IndexError(f"the mask has {len(places)} entries, and the design {length} rows")
        return np.flatnonzero(places).astype(np.int64)
    if len(places) and places.dtype.kind not in "iu":
        places = np.array([operator.index(place) for place in places])
    places = places.astype(np.int64)
    if len(places) and not (-length <= places.min() and places.max() < length):
        raise IndexError(f"rows {places.min()} to {places.max()} of a design of {length} rows")
    return np.where(places < 0, places + length, places)


def chunks_of(rows: Rows) -> Iterator[Array]:
    """The rows of each chunk; an array is valid until the next one."""
    buffers = Buffers()
    for start, stop in zip(rows.bounds[:-1], rows.bounds[1:], strict=True):
        yield rows.read(int(start), int(stop), buffers)[0]


def read_whole(rows: Rows) -> Array:
    """All rows in memory, read chunk by chunk."""
    found = np.empty(rows.shape, rows.dtype)
    for start, part in zip(rows.bounds[:-1], chunks_of(rows), strict=True):
        found[start : start + len(part)] = part
    return found


def in_order(values: Array, order: Integers | None) -> Array:
    """Values of the rows as they are stored, in the design's order."""
    if order is None:
        return values
    placed = np.empty_like(values)
    placed[order] = values
    return placed
