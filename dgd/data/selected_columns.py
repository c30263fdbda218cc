"""Some columns of a matrix, in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.dataset import Dataset
from dgd.data.rows import Footprint, Rows
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class SelectedColumns:
    """Columns of other rows, which are read whole."""

    rows: Rows
    columns: tuple[int, ...]

    @property
    def name(self) -> str:
        """The array's name."""
        return self.rows.name

    @property
    def shape(self) -> tuple[int, ...]:
        """As many columns as were chosen."""
        return self.rows.shape[0], len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.rows.dtype

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The array's row chunks."""
        return self.rows.bounds

    @property
    def lies_in_memory(self) -> bool:
        """Columns are copied at each read."""
        return False

    @property
    def asks_ahead(self) -> bool:
        """Whether the array does."""
        return self.rows.asks_ahead

    @property
    def footprint(self) -> Footprint:
        """That of the array, and the chosen columns."""
        whole = self.rows.footprint
        cells = int(np.diff(self.bounds).max(initial=0)) * len(self.columns)
        return replace(whole, decoded=whole.decoded + cells * self.dtype.itemsize)

    @property
    def fingerprint(self) -> str:
        """That of the array, with the columns."""
        return f"{self.rows.fingerprint}{list(self.columns)}"

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the rows; whether more should be asked for."""
        return self.rows.ahead(start, stop, buffers.within("whole"))

    def reading_ahead(self, chunks: int) -> SelectedColumns:
        """The same rows, asking for so many chunks at most."""
        return replace(self, rows=self.rows.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> SelectedColumns:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        return replace(self, rows=self.rows.waiting_at_most(seconds))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The array's."""
        return self.rows.stored(start, stop)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The chosen columns of the rows from start to stop."""
        block, bytes_read = self.rows.read(start, stop, buffers.within("whole"))
        chosen = buffers.take("chosen", (stop - start, len(self.columns)), self.dtype)
        np.take(block, self.columns, axis=1, out=chosen, mode="clip")
        return chosen, bytes_read


def select_columns(dataset: Dataset, features: tuple[str, ...]) -> Dataset:
    """The dataset with the columns of these names, in this order. Raises SchemaError for one that is not there."""
    names = dataset.feature_names
    if names is None:
        raise SchemaError(
            f"the columns of {dataset.X.name!r} have no names to choose features by; leave out `features`, or select "
            f"the columns before",
            array=dataset.X.name,
        )
    place = {name: j for j, name in enumerate(names)}
    for name in features:
        if name not in place:
            raise SchemaError(
                f"{dataset.X.name!r} has no column {name!r}, it has {', '.join(names[:12])}{', …' * (len(names) > 12)}",
                array=dataset.X.name,
            )
    if features == names:
        return dataset
    chosen = SelectedColumns(dataset.X, tuple(place[name] for name in features))
    return replace(dataset, X=chosen, feature_names=features)
