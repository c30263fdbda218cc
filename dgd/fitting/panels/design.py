"""X, read for all targets: its R factor and the products of its orthonormal columns, and these columns themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.folds import Folds
from dgd.data.rows import Footprint, ReadAtOnce, as_made
from dgd.data.transforms.missing import check_counts
from dgd.fitting.panels.basis import BasisProducts, Factored, all_rows, factored, fold_of_rows, start_of
from dgd.fitting.panels.basis_rows import BasisRows, HeldBasis, ReadBasis
from dgd.fitting.panels.held_out import HeldOut, held_out
from dgd.passes.blas import single_threaded_blas
from dgd.passes.executor import Executor
from dgd.passes.sums.r_factor import RFactor, RFactorSum


@dataclass(frozen=True, eq=False)
class HeldRows(ReadAtOnce):
    """Rows of an array in memory, in the chunks of the array that they were read from."""

    name: str
    array: Array
    bounds: NDArray[np.int64] = field(repr=False)

    lies_in_memory = True
    fingerprint = "held"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.array.dtype

    @property
    def footprint(self) -> Footprint:
        """The array itself."""
        return Footprint(0, 0, 0, exact=True, held=self.array.nbytes)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """A view."""
        return self.array[start:stop], 0


@dataclass(frozen=True, eq=False)
class _Part:
    """The R factor of some chunks, and their rows where they are kept."""

    factor: RFactor
    weighted: int
    """Rows with a weight above 0."""
    rows: tuple[tuple[int, Array, Array | None], ...] = ()

    def __add__(self, other: Self) -> Self:
        return type(self)(self.factor + other.factor, self.weighted + other.weighted, self.rows + other.rows)


@dataclass(frozen=True)
class _DesignSum:
    """The chunk sum of a `_Part`."""

    keeps: bool

    def __call__(self, chunk: Chunk, buffers: Buffers) -> _Part:
        y = np.broadcast_to(np.zeros(1), (len(chunk.X), 1))
        factor = RFactorSum()(replace(chunk, y=y), buffers)
        weighted = len(chunk.X) if chunk.weight is None else int(np.count_nonzero(chunk.weight))
        if not self.keeps:
            return _Part(factor, weighted)
        X, weight = all_rows(chunk)
        return _Part(factor, weighted, ((chunk.start, np.array(X), weight),))


@dataclass(frozen=True, eq=False)
class Design:
    """What all targets share."""

    factored: Factored
    folds: tuple[HeldOut, ...]
    rows: BasisRows
    bytes_read: int
    rows_left_out: int


def read_design(
    executor: Executor,
    dataset: Dataset,
    *,
    keeps: bool,
    folds: Folds | None,
    fit_intercept: bool,
    penalised: bool,
) -> Design:
    """Read X once, or twice where it does not stay in memory. keeps: whether it does.

    Raises DataError where no row counts, and what reading raises.
    """
    result = executor.sweep(dataset, _DesignSum(keeps))
    factor, weighted = result.value.factor, result.value.weighted
    check_counts(factor.weight, result.left_out, dataset.feature_names)
    with single_threaded_blas():
        start = start_of(factor, fit_intercept=fit_intercept)
    bytes_read = result.bytes_read
    held = _held(dataset, result.value.rows) if keeps else dataset
    left_out = 0 if result.left_out is None else result.left_out.rows
    del result
    again = executor.sweep(held, BasisProducts(start.basis, folds))
    with single_threaded_blas():
        found = factored(start, again.value, factor.rows, weighted, fit_intercept=fit_intercept, penalised=penalised)
        apart = held_out(found)
        if keeps:
            return Design(found, apart, _basis_rows(held, found, folds), bytes_read, left_out)
    return Design(found, apart, ReadBasis(dataset, found.basis, folds), bytes_read + again.bytes_read, left_out)


def _held(dataset: Dataset, rows: Iterable[tuple[int, Array, Array | None]]) -> Dataset:
    """The dataset in memory; rows that were left out have weight 0."""
    parts = list(rows)
    X = np.concatenate([part for _, part, _ in parts])
    weighted = any(weight is not None for _, _, weight in parts)
    weight = (
        np.concatenate([np.ones(len(part)) if own is None else own for _, part, own in parts]) if weighted else None
    )
    return replace(
        dataset,
        X=HeldRows(dataset.X.name, X, dataset.bounds),
        weight=None if weight is None else HeldRows("weight", weight, dataset.bounds),
        missing="error",
        grid=None,
    )


def _basis_rows(held: Dataset, found: Factored, folds: Folds | None) -> HeldBasis:
    basis = np.empty((held.shape[0], 1 + found.basis.rank))
    of_rows = None if folds is None else np.empty(held.shape[0], np.uint16)
    for index in range(held.n_chunks):
        chunk = held.read(index)
        _, basis[slice(*chunk.rows)] = found.basis.of(chunk)
        if folds is not None and of_rows is not None:
            of_rows[slice(*chunk.rows)] = fold_of_rows(folds, index, chunk.start, len(chunk.X))
    return HeldBasis(basis, of_rows)
