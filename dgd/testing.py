"""Fakes and contracts, for whoever writes a dataset, an executor or a store for dgd, or tests code that uses them:
    MemoryChunks       arrays in memory as rows, in any chunks; counts reads
    CountingRows       counts the reads of any rows
    CountingExecutor   counts sweeps, folds among them, and the chunks they read
    FlakyExecutor      fails a certain sweep
    FaultySource       stored bytes that are not what was written; counts requests
    check_rows         whether rows keep the contract of `dgd.rows.Rows`
    check_executor     whether an executor keeps the contract of `dgd.executor.Executor`

A fake that is sent to another process is a copy, whose counts stay there.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgd.buffers import Buffers
from dgd.dataset import Chunk, Dataset
from dgd.errors import DataError, DgdError
from dgd.executor import Executor, Fold, Folded, InlineExecutor, Resources, S, Summand, Swept, V
from dgd.kernels import GradientSum, Partial
from dgd.losses import LOSSES
from dgd.rows import Array, MemoryRows, Rows

if TYPE_CHECKING:
    from dgd.storage.source import Bytes, Source

Fault = Callable[[bytes], bytes | None]
"""What happens to a stored value; None: it is gone."""


@dataclass(frozen=True, eq=False)
class MemoryChunks(MemoryRows):
    """The rows of an array in memory, in chunks of your choice.

    rows = MemoryChunks("X", np.ones((10, 2)), [0, 4, 8, 10])
    dgd.fit(dgd.Dataset(X=rows, y=MemoryChunks("y", np.ones(10), [0, 10])), max_iter=1)
    rows.reads                                    # [(0, 4), (4, 8), (8, 10)], in the order of reading
    """

    chunk_bounds: Sequence[int] | NDArray[np.int64] = ()
    reads: list[tuple[int, int]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "bounds", np.asarray(self.chunk_bounds, dtype=np.int64))

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """A view of the rows, counted."""
        self.reads.append((start, stop))
        return super().read(start, stop, buffers)


@dataclass(frozen=True, eq=False)
class CountingRows:
    """Any rows, with the ranges that were read of them in `reads`.

    X = CountingRows(dataset.X)
    dgd.fit(dataclasses.replace(dataset, X=X), max_iter=3)
    len(X.reads) == 3 * dataset.n_chunks
    """

    rows: Rows
    reads: list[tuple[int, int]] = field(default_factory=list, repr=False)

    def __getattr__(self, name: str) -> Any:
        if name in {"name", "shape", "dtype", "bounds", "footprint", "fingerprint"}:
            return getattr(self.rows, name)
        raise AttributeError(name)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, counted."""
        self.reads.append((start, stop))
        return self.rows.read(start, stop, buffers)


class _AroundExecutor:
    """An executor that leaves the work to another one; a fold counts as a sweep."""

    def __init__(self, executor: Executor | None) -> None:
        self.executor = executor or InlineExecutor()
        self.sweeps = 0

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        return self.executor.sweep(self._next(dataset), summand)

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        return self.executor.fold(self._next(dataset), fold, value, order)

    def _next(self, dataset: Dataset) -> Dataset:
        self.sweeps += 1
        return dataset

    def resources(self, dataset: Dataset) -> Resources:
        return self.executor.resources(dataset)

    def close(self) -> None:
        self.executor.close()


class CountingExecutor(_AroundExecutor):
    """An executor that counts: `sweeps`, and in `reads` how often each chunk of X was read, by its first row.

    executor = CountingExecutor(ThreadExecutor(2))
    Objective(dataset, Squared(), executor).evaluate(theta)
    executor.sweeps, set(executor.reads.values())             # 1, {1}
    """

    def __init__(self, executor: Executor | None = None) -> None:
        super().__init__(executor)
        self._counted: dict[int, tuple[Dataset, Dataset, CountingRows]] = {}

    @property
    def reads(self) -> Counter[int]:
        """Chunk reads by the chunk's first row, over all sweeps."""
        return Counter(start for _, _, rows in self._counted.values() for start, _ in rows.reads)

    def _next(self, dataset: Dataset) -> Dataset:
        self.sweeps += 1
        if id(dataset) not in self._counted:
            rows = CountingRows(dataset.X)
            self._counted[id(dataset)] = (dataset, replace(dataset, X=rows), rows)
        return self._counted[id(dataset)][1]


class FlakyExecutor(_AroundExecutor):
    """An executor whose sweeps of certain numbers, counted from 1, raise an error.

    FlakyExecutor(fail_at={3}, error=ClusterLostError("gone"))
    """

    def __init__(self, executor: Executor | None = None, *, fail_at: Collection[int], error: BaseException) -> None:
        super().__init__(executor)
        self.fail_at, self.error = frozenset(fail_at), error

    def _next(self, dataset: Dataset) -> Dataset:
        self.sweeps += 1
        if self.sweeps in self.fail_at:
            raise self.error
        return dataset


def dropped(content: bytes) -> None:
    """A fault: the value is gone."""
    del content


def truncated(n_bytes: int) -> Fault:
    """A fault: only the first bytes are there."""
    return lambda content: content[:n_bytes]


def flipped(bit: int) -> Fault:
    """A fault: one bit, counted from the first byte's lowest, is the other way round."""

    def flip(content: bytes) -> bytes:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    return flip


@dataclass(frozen=True, eq=False)
class FaultySource:
    """A store's source with faults by key; `requests` lists every key that was asked for.

    source = FaultySource(source_of("train.zarr"), {"X/c/3/0": flipped(17), "y/c/0": dropped})
    dataset = open_group(Group(source))           # both from dgd.storage
    dgd.fit(dataset)                              # raises CorruptChunkError or MissingChunkError
    """

    source: Source
    faults: Mapping[str, Fault] = field(default_factory=dict)
    prefix: str = ""
    requests: list[str] = field(default_factory=list, repr=False)

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def copies(self) -> int:
        return self.source.copies

    def get(self, key: str, buffers: Buffers, *, at_most: int) -> Bytes | None:
        """The bytes under a key, with its fault."""
        from dgd.storage.source import TooLong

        path = self.prefix + key
        self.requests.append(path)
        content = self.source.get(key, buffers, at_most=at_most)
        if content is None or path not in self.faults:
            return content
        faulty = self.faults[path](content.tobytes())
        if faulty is None:
            return None
        if len(faulty) > at_most:
            raise TooLong(len(faulty), at_most)
        return np.frombuffer(faulty, dtype=np.uint8)

    def size(self, key: str) -> int | None:
        return self.source.size(key)

    def child(self, name: str) -> FaultySource:
        """The source of the keys below `name/`, with the same faults and the same list of requests."""
        return replace(self, source=self.source.child(name), prefix=f"{self.prefix}{name}/")

    def parent(self) -> tuple[FaultySource, str] | None:
        """The source one level up, with the same faults."""
        above = self.source.parent() if self.prefix else None
        if above is None:
            return None
        return replace(self, source=above[0], prefix=self.prefix.removesuffix(f"{above[1]}/")), above[1]


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
            same = (found.shape, found.dtype, found.tobytes()) == (part.shape, part.dtype, part.tobytes())
            _expect(same, f"rows {start} to {stop} are not those expected")
            _expect(n_bytes >= 0, f"{n_bytes} bytes read")


def check_executor(executor: Executor) -> None:
    """Raise ContractError unless sums equal those of `InlineExecutor` to the bit and errors arrive as they are.

    check_executor(MyExecutor(...))        # leaves it open
    """
    rng = np.random.default_rng(0)
    summand = GradientSum(LOSSES["squared"](), 0.5, rng.normal(size=2), with_moments=True)
    for n_chunks in (1, 2, 3, 8, 37):
        dataset = _dataset(rng.normal(size=(3 * n_chunks, 2)), n_chunks)
        for _ in range(2):
            found, expected = executor.sweep(dataset, summand), InlineExecutor().sweep(dataset, summand)
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

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Partial:
        if chunk.index == self.chunk:
            raise DataError("a chunk that is refused", chunk=chunk.index)
        return Partial(0.0, np.zeros(1), 0.0)


def _dataset(X: NDArray[np.float64], n_chunks: int) -> Dataset:
    bounds = np.arange(n_chunks + 1) * (len(X) // n_chunks)
    return Dataset(X=MemoryChunks("X", X, bounds), y=MemoryChunks("y", X.sum(axis=1), bounds))


def _bits(partial: Partial) -> bytes:
    moments = partial.moments
    assert moments is not None
    numbers = (partial.loss_sum, partial.weight_sum, moments.weight)
    return np.concatenate([numbers, partial.gradient_sum, moments.mean, moments.squares]).tobytes()
