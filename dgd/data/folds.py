"""Folds of a cross-validation: which fold a row is in, known by whoever reads it.

    by rows     fold(i) = (i + h(⌊i/K⌋)) mod K       h: a 64-bit hash of a number and the seed
    by chunks   the k-th chunk in the order of h(chunk) is in fold k mod K
    by groups   the largest group goes to the smallest fold, and so on; K groups are K folds, in their order

A row's fold depends on its number, K and the seed alone: the same on any machine, however the rows are chunked. Of any
K consecutive rows from a multiple of K on, each is in another fold, so that folds are of one size, to a row.

h is the output function of splitmix64: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.hashing import hashed
from dgd.data.transforms.missing import some_rows
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_integer
from dgd.errors.words import shown


@dataclass(frozen=True, eq=False)
class Folds:
    """K folds of the rows of a dataset.

    by: "rows" or "chunks". given: the fold of each row instead, (m,); it is sent to each worker, a byte a row.
    """

    count: int
    by: str = "rows"
    seed: int = 0
    chunks: int = 0
    """Of the dataset, where folds are made of them."""
    given: Array | None = None

    def of(self, chunk: Chunk) -> Integers:
        """The fold of each row of a chunk, from 0."""
        if self.given is None and self.by == "chunks":
            return np.full(len(chunk.X), self._of_chunks[chunk.index], np.int64)
        rows = np.arange(*chunk.rows) if chunk.numbers is None else chunk.numbers
        if self.given is not None:
            return self.given[rows].astype(np.int64)
        block = rows // self.count
        shift = hashed(np.arange(block[0], block[-1] + 1), self.seed) if len(rows) else np.zeros(0, np.uint64)
        found: Integers = (rows + (shift % np.uint64(self.count)).astype(np.int64)[block - block[:1]]) % self.count
        return found

    def order(self, chunk: Chunk) -> tuple[Integers | None, Integers]:
        """The rows of a chunk fold by fold, in their order within each, and where each fold begins and the last ends.

        None for the order that they have, where all are in one fold.
        """
        if self.given is None and self.by != "chunks" and chunk.numbers is None and len(chunk.X) > self.count:
            return self._order_of_all(chunk.start, len(chunk.X))
        folds = self.of(chunk)
        bounds = np.concatenate(([0], np.cumsum(np.bincount(folds, minlength=self.count)))).astype(np.int64)
        if np.count_nonzero(np.diff(bounds)) <= 1:
            return None, bounds
        return np.argsort(folds.astype(np.uint16), kind="stable").astype(np.int64), bounds

    def _order_of_all(self, start: int, rows: int) -> tuple[Integers, Integers]:
        """The same without sorting: of any K rows from a multiple of K on, each is in another fold."""
        K = self.count
        blocks = np.arange(start // K, -(-(start + rows) // K))
        shift = (hashed(blocks, self.seed) % np.uint64(K)).astype(np.int64)
        places: list[Integers] = []
        for fold in range(K):
            place = fold - shift
            place += K * (place < 0)
            place += blocks * K - start
            places.append(place[int(place[0] < 0) : len(place) - int(place[-1] >= rows)])
        return np.concatenate(places), np.cumsum([0, *map(len, places)])

    def sorted(self, chunk: Chunk, buffers: Buffers | None = None) -> tuple[Chunk, Integers]:
        """The chunk with its rows in that order, copied to buffers, and where each fold begins and the last ends."""
        order, bounds = self.order(chunk)
        return chunk if order is None else _ordered(chunk, order, buffers or Buffers()), bounds

    @cached_property
    def _of_chunks(self) -> Integers:
        found = np.empty(self.chunks, np.int64)
        order = np.argsort(hashed(np.arange(self.chunks), self.seed), kind="stable")
        found[order] = np.arange(self.chunks) % self.count
        return found


def make_folds(call: str, dataset: Dataset, folds: Any = 5, by: Any = "rows", seed: Any = 0) -> Folds:
    """The folds that a call asks for. `call`: its name, as an error quotes it.

    folds: their number, 2 or more. by: "rows", "chunks", or an array with the group of each row: rows of a group are in
    one fold.
    """
    rows = dataset.shape[0]
    count = checked_integer(f"{call}(folds", folds, least=2)
    if count > min(rows, np.iinfo(np.uint16).max):
        raise ConfigurationError(f"`{call}(folds={count})` must be at most the number of rows: {rows}")
    number = checked_integer(f"{call}(seed", seed, least=0)
    if isinstance(by, str):
        if by not in ("rows", "chunks"):
            raise ConfigurationError(f"`{call}(by=...)` must be 'rows', 'chunks' or an array, got {shown(by)}")
        if by == "chunks" and count > dataset.n_chunks:
            raise ConfigurationError(
                f"`{call}(by='chunks', folds={count})` needs as many chunks, and there are {dataset.n_chunks}; take "
                f"fewer folds, or by='rows'"
            )
        return Folds(count, by, number, dataset.n_chunks if by == "chunks" else 0)
    groups = np.asarray(by)
    if groups.shape != (rows,) or groups.dtype.kind not in "biufUS":
        raise ConfigurationError(
            f"`{call}(by=...)` must be the group of each of {rows} rows, got an array of {groups.dtype} and shape "
            f"{groups.shape}"
        )
    return Folds(count, "groups", number, given=_of_groups(call, groups, count))


def _of_groups(call: str, groups: Array, count: int) -> Array:
    labels, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(labels) < count:
        raise ConfigurationError(
            f"`{call}(folds={count}, by=...)` needs as many groups, and the array has {len(labels)}; take fewer folds"
        )
    fold = np.arange(len(labels))
    if len(labels) > count:
        rows = np.zeros(count, np.int64)
        for label in np.argsort(-sizes, kind="stable"):
            fold[label] = int(rows.argmin())
            rows[fold[label]] += sizes[label]
    return fold[of_row].astype(np.uint8 if count <= 256 else np.uint16)


def _ordered(chunk: Chunk, order: Integers, buffers: Buffers) -> Chunk:
    numbers = chunk.start + order if chunk.numbers is None else chunk.numbers[order]
    taken: dict[str, Any] = {
        name: some_rows(values, order, buffers, f"{name} by fold") for name, values in chunk.arrays.items()
    }
    return replace(chunk, numbers=numbers, **taken)
