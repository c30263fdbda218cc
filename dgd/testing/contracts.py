"""The contracts, as functions that raise where one is broken."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.design.columns import Codes, Column, ColumnKind, Table, missing_cells
from dgd.data.kinds import Kinds
from dgd.data.mixed import Mixed
from dgd.data.rows import Rows
from dgd.errors import DataError, DgdError
from dgd.losses import LOSSES
from dgd.passes.executor import Executor, InlineExecutor
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.row_sums import RowSums, Sums
from dgd.testing.rows import MemoryChunks


class ContractError(AssertionError):
    """A contract is broken; the message says which."""


def _expect(kept: object, contract: str) -> None:
    if not kept:
        raise ContractError(contract)


def check_rows(rows: Rows, expected: Array) -> None:
    """Raise ContractError unless the rows keep the contract of `Rows` and hold the expected values, to the bit.

    check_rows(MyRows(...), array)
    """
    bounds = rows.bounds
    _expect(rows.shape == expected.shape, f"shape is {rows.shape}, expected {expected.shape}")
    _expect(rows.dtype == expected.dtype, f"dtype is {rows.dtype}, expected {expected.dtype}")
    _expect(bounds[0] == 0 and bounds[-1] == len(expected), f"bounds go from {bounds[0]} to {bounds[-1]}")
    _expect((np.diff(bounds) > 0).all(), "bounds do not rise")
    _expect(isinstance(rows.fingerprint, str) and rows.fingerprint == rows.fingerprint, "the fingerprint changes")
    footprint = rows.footprint
    _expect(min(footprint.encoded, footprint.decoded, footprint.per_pass) >= 0, f"a negative part in {footprint}")
    copy: Rows = pickle.loads(pickle.dumps(rows))
    m, chunks = len(expected), list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    ranges = [*chunks, (0, 1), (m - 1, m), (0, m), (m // 3, m // 3 + 1), (m // 2, m), *reversed(chunks)]
    buffers = Buffers()
    for start, stop in ranges:
        for reader, memory in ((rows, buffers), (rows, Buffers()), (copy, buffers)):
            (found, n_bytes), part = reader.read(start, stop, memory), expected[start:stop]
            of_kinds = Kinds.of(found, np.array([0, len(found)])).alike if isinstance(found, Mixed) else None
            _expect(of_kinds == (footprint.kinds and footprint.kinds.alike), "the rows are not of the kinds declared")
            found = found if isinstance(found, np.ndarray) else found.toarray()
            # Codes have no dtype of numbers: rows say which one is meant.
            found = found if of_kinds is None else found.astype(rows.dtype, copy=False)
            same = (found.shape, found.dtype, found.tobytes()) == (part.shape, part.dtype, part.tobytes())
            _expect(same, f"rows {start} to {stop} are not those expected")
            _expect(n_bytes >= 0, f"{n_bytes} bytes read")


def check_table(table: Table, expected: Mapping[str, Sequence[Any]]) -> None:
    """Raise ContractError unless a table keeps the contract of `dgd.data.design.columns.Table` and holds these values.

    check_table(MyTable(...), {"a": [1.5, None], "carrier": ["AA", "DL"]})        None is a missing cell
    """
    rows = len(next(iter(expected.values())))
    bounds = table.bounds
    _expect(list(table.kinds) == list(expected), f"the columns are {list(table.kinds)}, expected {list(expected)}")
    _expect(bounds[0] == 0 and bounds[-1] == rows, f"bounds go from {bounds[0]} to {bounds[-1]}, of {rows} rows")
    _expect((np.diff(bounds) > 0).all(), "bounds do not rise")
    _expect(table.index <= expected.keys(), f"the index {set(table.index)} is no column")
    names = list(expected)
    _expect(table.fingerprint(names) == table.fingerprint(names), "the fingerprint changes")
    footprint = table.footprint(names)
    _expect(min(footprint.encoded, footprint.decoded, footprint.per_pass) >= 0, f"a negative part in {footprint}")
    copy: Table = pickle.loads(pickle.dumps(table))
    ranges = [*zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True), (0, rows), (rows // 3, rows // 3 + 1)]
    for reader in (table, copy):
        for start, stop in ranges:
            for chosen in (names, names[::-1][:1]):
                found, n_bytes = reader.read(chosen, start, stop, Buffers())
                _expect(set(found) == set(chosen), f"columns {list(found)} were read, expected {chosen}")
                _expect(n_bytes >= 0, f"{n_bytes} bytes read")
                for name in chosen:
                    values = _plain_values(found[name], table.kinds[name])
                    same = values == list(expected[name][start:stop])
                    _expect(same, f"rows {start} to {stop} of column {name!r} are not those expected")


def _plain_values(column: Column, kind: ColumnKind) -> list[Any]:
    """The values of a column, None for a missing cell."""
    if isinstance(column, Codes):
        _expect(kind.name == "category", f"a column of {kind.name} is read as codes")
        levels = [*column.levels, None]
        _expect(len(set(levels)) == len(levels), "a level is there twice")
        return [levels[code] for code in column.codes.tolist()]
    _expect(kind.name != "category" or column.dtype.kind in "biuf", f"a category is read as {column.dtype}")
    _expect(not kind.is_number or column.dtype == kind.dtype, f"{column.dtype} was read, and {kind.dtype} is declared")
    missing = missing_cells(column)
    return [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]


def check_executor(executor: Executor) -> None:
    """Raise ContractError unless sums equal those of `InlineExecutor` to the bit and errors arrive as they are.

    check_executor(MyExecutor(...))        # leaves it open
    """
    rng = np.random.default_rng(0)
    chunk_sum = RowSums(LOSSES["squared"](), 0.5, rng.normal(size=2), (LossAndGradient(), ColumnMoments()))
    for n_chunks in (1, 2, 3, 8, 37):
        dataset = _dataset(rng.normal(size=(3 * n_chunks, 2)), n_chunks)
        for _ in range(2):
            found, expected = executor.sweep(dataset, chunk_sum), InlineExecutor().sweep(dataset, chunk_sum)
            _expect(_bits(found.value) == _bits(expected.value), f"the sum over {n_chunks} chunks differs in its bits")
            _expect(found.bytes_read == expected.bytes_read, f"{found.bytes_read} bytes read of {expected.bytes_read}")
        resources = executor.resources(dataset)
        _expect(min(resources.processes, resources.threads, resources.tasks) >= 1, f"nothing to run on: {resources}")
    try:
        executor.sweep(_dataset(rng.normal(size=(24, 2)), 8), _Failing(5))
    except DgdError as error:
        _expect(type(error) is DataError and error.chunk == 5, f"another error arrived: {error!r}")
    else:
        raise ContractError("the error of a chunk was swallowed")


@dataclass(frozen=True)
class _Failing:
    chunk: int

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Sums:
        if chunk.index == self.chunk:
            raise DataError("a chunk that is refused", chunk=chunk.index)
        return Sums(0.0, ())


def _dataset(X: NDArray[np.float64], n_chunks: int) -> Dataset:
    bounds = np.arange(n_chunks + 1) * (len(X) // n_chunks)
    return Dataset(X=MemoryChunks("X", X, bounds), y=MemoryChunks("y", X.sum(axis=1), bounds))


def _bits(sums: Sums) -> bytes:
    loss, moments = sums.parts
    numbers = (loss.loss, sums.weight, moments.weight)
    return np.concatenate([numbers, loss.gradient, moments.mean, moments.squares]).tobytes()
