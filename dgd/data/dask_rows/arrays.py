"""The rows of a Dask array, computed block by block where they are needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from dask.array import Array as DaskArray
from dask.core import flatten
from distributed import Future, worker_client
from numpy.typing import NDArray

from dgd.data.arrays.sparse_rows import SparseRows
from dgd.data.buffers import Buffers
from dgd.data.csr import NonZeros, scipy_sparse
from dgd.data.dask_rows.tasks import in_task
from dgd.data.rows import Footprint, ReadAtOnce, check_dtype, refuse_masked
from dgd.errors import ReadError, SchemaError

UNEVEN_BLOCKS = 1.5
"""How much fuller than the block that was counted another one may be."""


@dataclass(frozen=True, eq=False)
class DaskRows(ReadAtOnce):
    """A Dask array's rows; its row chunks are its blocks, and a block is computed in the thread that reads it.

    Blocks that were persisted on a cluster are fetched from there one at a time; sparse ones stay sparse.
    """

    name: str
    array: DaskArray
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if any(math.isnan(size) for size in self.array.shape):
            raise SchemaError(
                f"array {self.name!r} has unknown chunk sizes; call `.compute_chunk_sizes()` on it first",
                array=self.name,
            )
        check_dtype(self.name, self.array.dtype, labels=True)
        sizes = self.array.chunks[0] if self.array.ndim else ()
        lengths = np.array([size for size in sizes if size], dtype=np.int64)
        object.__setattr__(self, "bounds", np.concatenate(([0], np.cumsum(lengths))).astype(np.int64))

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(int(size) for size in self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def is_sparse(self) -> bool:
        """Whether its blocks are."""
        return hasattr(self.array._meta, "tocsr")

    @cached_property
    def non_zeros(self) -> NonZeros:
        """Estimated from the longest block, which is computed for it."""
        lengths = np.diff(self.bounds)
        k = int(lengths.argmax())
        stored = len(self.read(int(self.bounds[k]), int(self.bounds[k + 1]), Buffers())[0].data)
        return NonZeros(round(stored * self.shape[0] / max(1, int(lengths[k]))), stored, exact=False)

    @property
    def footprint(self) -> Footprint:
        """The largest row block and the Dask blocks it is joined from; what computing them takes is not known."""
        rows = int(np.diff(self.bounds).max(initial=1))
        if self.is_sparse:
            found = self.non_zeros
            panel = int(UNEVEN_BLOCKS * found.chunk_bytes(rows, self.dtype))
            per_pass = found.count * (self.dtype.itemsize + found.index_bytes)
            return Footprint(panel, panel, per_pass, exact=False, path="Dask arrays", non_zeros=found)
        panel = rows * math.prod(self.shape[1:]) * self.dtype.itemsize
        return Footprint(encoded=panel, decoded=panel, per_pass=int(self.array.nbytes), exact=True, path="Dask arrays")

    @property
    def fingerprint(self) -> str:
        """Dask's own name for the array: a token of how it is made."""
        return f"dask:{self.array.name}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Any, int]:
        """The rows from start to stop, computed in this thread."""
        try:
            block = compute(self.array[start:stop])
        except Exception as error:
            raise ReadError(
                f"array {self.name!r}: computing rows {start} to {stop - 1} failed with "
                f"{type(error).__name__}: {error}; look into how the array is made",
                array=self.name,
                rows=(start, stop),
            ) from error
        if self.is_sparse:
            part = SparseRows(self.name, scipy_sparse().csr_array(block))
            return part.read(0, stop - start, buffers)
        refuse_masked(self.name, block)
        rows = np.asarray(_dense(block))
        return rows, rows.nbytes


def _dense(block: Any) -> Any:
    """A block of a sparse matrix as an array; any other as it is."""
    dense = getattr(block, "toarray", None) or getattr(block, "todense", None)
    return block if dense is None else dense()


def compute(block: DaskArray, *, whole: bool = False) -> Any:
    """Compute in the calling thread, or on the cluster if the graph refers to persisted blocks.

    whole: where Dask would by default, as nothing else is being computed.
    """
    keys = set(flatten(block.__dask_keys__()))
    futures = [value for value in dict(block.__dask_graph__().cull(keys)).values() if isinstance(value, Future)]
    inside = in_task()
    if not futures:
        return block.compute(scheduler="threads" if inside else None) if whole else block.compute(scheduler="sync")
    if not inside:
        return futures[0].client.compute(block).result()
    # A task that waits for another one frees its thread meanwhile; otherwise all threads could wait for ever.
    with worker_client() as client:
        return client.compute(block).result()
