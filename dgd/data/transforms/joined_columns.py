"""Columns of several arrays side by side as one matrix: a matrix, some of its columns, and vectors beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Integers
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.csr import Csr, NonZeros, is_sparse, side_by_side
from dgd.data.dataset import Dataset
from dgd.data.kinds import Kind, Kinds
from dgd.data.kinds import together as kinds_together
from dgd.data.mixed import Cells, Mixed
from dgd.data.reading import Reading
from dgd.data.rows import READABLE_KINDS, Footprint, Rows, as_made, together
from dgd.data.transforms.meaning import DecodedRows
from dgd.data.transforms.selected_columns import SelectedColumns, select_columns
from dgd.errors import SchemaError

COLUMN = re.compile(r"\[\d+\]$")
"""At the end of the name of a column of an array that has several."""


@dataclass(frozen=True, eq=False)
class JoinedColumns:
    """The columns of several arrays, by the row chunks of the first matrix among them."""

    name: str
    parts: tuple[Rows, ...]
    places: tuple[tuple[int, ...], ...]
    """Where the columns of each array stand."""
    bounds: NDArray[np.int64] = field(init=False, repr=False)
    dtype: np.dtype[Any] = field(init=False)

    lies_in_memory = False

    def __post_init__(self) -> None:
        matrix = next((part for part in self.parts if len(part.shape) == 2), self.parts[0])
        object.__setattr__(self, "bounds", matrix.bounds)
        object.__setattr__(self, "dtype", np.result_type(*(part.dtype for part in self.parts)))

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The columns of all arrays."""
        return self.parts[0].shape[0], sum(map(_width, self.parts))

    @property
    def is_sparse(self) -> bool:
        """Whether one of the arrays is: the others are then read as sparse columns, too."""
        return any(map(is_sparse, self.parts))

    @cached_property
    def kinds(self) -> Kinds | None:
        """Those of all arrays, where one of them has several; each of the others is one more."""
        each = [part.footprint for part in self.parts]
        if all(one.kinds is None for one in each):
            return None
        found = [
            one.kinds or Kinds((Kind(_width(part), _width(part) * part.dtype.itemsize, non_zeros=one.non_zeros),))
            for part, one in zip(self.parts, each, strict=True)
        ]
        return kinds_together(found).with_columns(self._order.tolist())

    @cached_property
    def _order(self) -> Integers:
        """Which of the arrays' columns, one array after the other, stands where."""
        return np.argsort(np.concatenate([np.array(places, np.int64) for places in self.places]))

    @property
    def asks_ahead(self) -> bool:
        """Whether one of the arrays does."""
        return any(part.asks_ahead for part in self.parts)

    @property
    def footprint(self) -> Footprint:
        """What each array takes, its rows where its chunks are others, and the joined block."""
        each = [part.footprint for part in self.parts]
        longest = int(np.diff(self.bounds).max(initial=0))
        if self.kinds is not None:
            whole, copied = together(each), self.kinds.chunk_bytes(longest, self.dtype)
            return replace(whole, decoded=whole.decoded + 2 * copied, kinds=self.kinds)
        if self.is_sparse:
            return self._sparse_footprint(each, longest)
        gathered = sum(_width(part) * part.dtype.itemsize for part in self.parts if part.bounds is not self.bounds)
        whole = together(each)
        return replace(whole, decoded=whole.decoded + longest * (gathered + self.shape[1] * self.dtype.itemsize))

    def _sparse_footprint(self, each: list[Footprint], longest: int) -> Footprint:
        """The same, with what is stored: of dense columns all cells at most."""
        dense = sum(_width(part) for part, one in zip(self.parts, each, strict=True) if one.non_zeros is None)
        count, most = dense * self.shape[0], dense * longest
        found = [one.non_zeros for one in each if one.non_zeros is not None]
        stored = NonZeros(
            count + sum(one.count for one in found), most + sum(one.most for one in found), exact=not dense
        )
        # Each part as sparse columns, all side by side, and those in their order.
        joining = 3 * stored.chunk_bytes(longest, self.dtype)
        whole = together(each)
        return replace(whole, decoded=whole.decoded + joining, non_zeros=stored)

    @property
    def fingerprint(self) -> str:
        """Those of the arrays."""
        return "|".join(f"{part.fingerprint}{places}" for part, places in zip(self.parts, self.places, strict=True))

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the rows of each array; whether more should be asked for."""
        more = [part.ahead(start, stop, buffers.within(f"part {k}")) for k, part in enumerate(self.parts)]
        return any(more)

    def _each(self, change: Callable[[Rows], Rows]) -> JoinedColumns:
        return replace(self, parts=tuple(change(part) for part in self.parts))

    def reading_ahead(self, chunks: int) -> JoinedColumns:
        """The same columns, whose arrays ask for so many chunks at most."""
        return self._each(lambda part: part.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> JoinedColumns:
        """The same columns, each stored chunk of which may take so many seconds to read."""
        return self._each(lambda part: part.waiting_at_most(seconds))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """Those of the arrays."""
        return tuple(held for part in self.parts for held in part.stored(start, stop))

    def _read_sparse(self, start: int, stop: int, buffers: Buffers) -> tuple[Csr, int]:
        found: list[Csr] = []
        bytes_read = 0
        for k, part in enumerate(self.parts):
            rows, n_bytes = part.read(start, stop, buffers.within(f"part {k}"))
            found.append(rows if isinstance(rows, Csr) else Csr.of_array(rows.reshape(stop - start, -1)))
            bytes_read += n_bytes
        return side_by_side(found, self.dtype).with_columns(self._order), bytes_read

    def _read_mixed(self, start: int, stop: int, buffers: Buffers) -> tuple[Mixed, int]:
        found: list[Any] = []
        bytes_read = 0
        for k, part in enumerate(self.parts):
            rows, n_bytes = part.read(start, stop, buffers.within(f"part {k}"))
            found += rows.parts if isinstance(rows, Mixed) else [rows if rows.ndim == 2 else rows[:, None]]
            bytes_read += n_bytes
        return Mixed(tuple(found)).with_columns(self._order), bytes_read

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Cells, int]:
        """The rows from start to stop, the arrays' columns side by side."""
        if self.kinds is not None:
            return self._read_mixed(start, stop, buffers)
        if self.is_sparse:
            return self._read_sparse(start, stop, buffers)
        joined = buffers.take("joined", (stop - start, self.shape[1]), self.dtype)
        bytes_read = 0
        for k, (part, places) in enumerate(zip(self.parts, self.places, strict=True)):
            rows, n_bytes = part.read(start, stop, buffers.within(f"part {k}"))
            joined[:, _slice(places)] = rows.reshape(stop - start, -1)
            bytes_read += n_bytes
        return joined, bytes_read


def _width(rows: Rows) -> int:
    return rows.shape[1] if len(rows.shape) == 2 else 1


def _slice(places: tuple[int, ...]) -> Any:
    """The same columns, as a slice where they follow one another."""
    after_another = places == tuple(range(places[0], places[0] + len(places)))
    return slice(places[0], places[0] + len(places)) if after_another else list(places)


def with_features(
    dataset: Dataset,
    reading: Reading,
    known: tuple[str, ...] | None,
    there: Callable[[str], bool],
    beside: Callable[[str], Rows | None],
) -> Dataset:
    """The dataset with the columns that are asked for, or that a model knows and some of which lie beside X.

    there, beside: whether there is an array of a name, and the array.
    """
    features = reading.features
    if features is None and known is not None:
        features = columns_of_model(known, dataset, reading.X, there)
    return dataset if features is None else choose_columns(dataset, features, reading.X, beside)


def choose_columns(
    dataset: Dataset, features: tuple[str, ...], matrix: str, beside: Callable[[str], Rows | None]
) -> Dataset:
    """The dataset with these columns: X whole by its name, columns of X by theirs, and arrays beside X.

    beside: finds an array by its name, None if there is none. Raises SchemaError for a name that is nothing of these,
    and for an array that has other rows or no numbers.
    """
    names = dataset.feature_names or tuple(f"{matrix}[{j}]" for j in range(dataset.shape[1]))
    place = {name: j for j, name in enumerate(names)}
    found = {name: beside(name) for name in features if name != matrix and name not in place}
    if matrix not in features and not any(rows is not None for rows in found.values()):
        return select_columns(dataset, features)
    own: list[int] = []
    columns: list[str] = []
    parts: list[tuple[Rows, tuple[int, ...]]] = []
    of_X: list[int] = []
    for name in features:
        if name == matrix or name in place:
            chosen = list(range(len(names))) if name == matrix else [place[name]]
            of_X += range(len(columns), len(columns) + len(chosen))
            own, new = own + chosen, [names[j] for j in chosen]
        else:
            rows = _checked(name, found[name], dataset, names)
            new = [name] if len(rows.shape) == 1 else [f"{name}[{j}]" for j in range(rows.shape[1])]
            parts.append((rows, tuple(range(len(columns), len(columns) + len(new)))))
        columns += new
    if own:
        whole = own == list(range(len(names)))
        parts.insert(0, (dataset.X if whole else SelectedColumns(dataset.X, tuple(own)), tuple(of_X)))
    X = JoinedColumns(matrix, tuple(rows for rows, _ in parts), tuple(places for _, places in parts))
    return replace(dataset, X=X, feature_names=tuple(columns))


def _checked(name: str, rows: Rows | None, dataset: Dataset, names: tuple[str, ...]) -> Rows:
    X = dataset.X
    if rows is None:
        raise SchemaError(
            f"{X.name!r} has no column {name!r}, and there is no array of that name beside it; it has "
            f"{', '.join(names[:12])}{', …' * (len(names) > 12)}",
            array=name,
        )
    if len(rows.shape) not in (1, 2) or rows.shape[0] != X.shape[0]:
        raise SchemaError(
            f"array {name!r} has shape {rows.shape}, and {X.name!r} has {X.shape[0]:,} rows; a feature beside it must "
            f"have one value, or one row of values, for each",
            array=name,
        )
    of_categories = isinstance(rows, DecodedRows) and bool(rows.meaning.table)
    if of_categories or rows.dtype.kind not in READABLE_KINDS:
        raise no_feature(name)
    return rows


def no_feature(name: str) -> SchemaError:
    """The error for an array of texts or categories among the features."""
    return SchemaError(
        f"array {name!r} holds texts or categories, expected numbers: a feature of classes is a column of 0 and 1 for "
        f"each, which dgd does not make of it; write these as a matrix beside it and name that (with pandas "
        f"`adata.obsm['batch'] = pandas.get_dummies(adata.obs['batch']).to_numpy('float32')`, then 'obsm/batch'), or "
        f"leave it out",
        array=name,
    )


def columns_of_model(
    known: tuple[str, ...], dataset: Dataset, matrix: str, there: Callable[[str], bool]
) -> tuple[str, ...] | None:
    """The features by which a model's columns are chosen, where some of them lie beside X; None where they do not."""
    own = set(dataset.feature_names or (f"{matrix}[{j}]" for j in range(dataset.shape[1])))
    if own >= set(known):
        return None
    features = tuple(dict.fromkeys(name if name in own else COLUMN.sub("", name) for name in known))
    return features if all(name in own or there(name) for name in features) else None
