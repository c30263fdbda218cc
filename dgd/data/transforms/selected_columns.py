"""Some columns of a matrix, in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd.data.buffers import Buffers
from dgd.data.csr import Csr
from dgd.data.dataset import Dataset
from dgd.data.mixed import Cells, Mixed
from dgd.data.rows import Footprint, RowsOfRows
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class SelectedColumns(RowsOfRows):
    """Columns of other rows, which are read whole."""

    columns: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """As many columns as were chosen."""
        return self.rows.shape[0], len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.rows.dtype

    @property
    def footprint(self) -> Footprint:
        """That of the array, and the chosen columns."""
        whole = self.rows.footprint
        if whole.kinds is not None:
            kinds = whole.kinds.with_columns(self.columns)
            return replace(whole, decoded=whole.decoded + kinds.chunk_bytes(self.longest, self.dtype), kinds=kinds)
        if whole.non_zeros is not None:
            copied = whole.non_zeros.most * (self.dtype.itemsize + 2 * whole.non_zeros.index_bytes + 9)
            return replace(whole, decoded=whole.decoded + copied, non_zeros=replace(whole.non_zeros, exact=False))
        cells = self.longest * len(self.columns)
        return replace(whole, decoded=whole.decoded + cells * self.dtype.itemsize)

    @property
    def fingerprint(self) -> str:
        """That of the array, with the columns."""
        return f"{self.rows.fingerprint}{list(self.columns)}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Cells, int]:
        """The chosen columns of the rows from start to stop."""
        block, bytes_read = self.rows.read(start, stop, self.inside(buffers))
        if isinstance(block, Csr | Mixed):
            return block.with_columns(np.array(self.columns)), bytes_read
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
