"""The rows of a Dask array, computed block by block where they are needed, never gathered."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import dask
import numpy as np
from dask.array import Array as DaskArray
from dask.core import flatten
from distributed import Future, get_client, get_worker, worker_client
from numpy.typing import NDArray

from dgd.buffers import Buffers
from dgd.dataset import Array, Footprint, check_dtype
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class DaskRows:
    """A Dask array's rows; its row chunks are its blocks, and a block is computed in the thread that reads it.

    Blocks that were persisted on a cluster are fetched from there one at a time.
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
        check_dtype(self.name, self.array.dtype)
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
    def footprint(self) -> Footprint:
        """The largest row panel and the blocks it is put together from; what computing them takes is Dask's affair."""
        rows = int(np.diff(self.bounds).max(initial=1))
        panel = rows * math.prod(self.shape[1:]) * self.dtype.itemsize
        return Footprint(encoded=panel, decoded=panel, per_pass=int(self.array.nbytes), exact=True)

    @property
    def fingerprint(self) -> str:
        """Dask's own name for the array: a token of how it is made."""
        return f"dask:{self.array.name}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, computed in this thread."""
        rows = np.asarray(_compute(self.array[start:stop]))
        return rows, rows.nbytes


def _compute(block: DaskArray) -> Any:
    """Compute in the calling thread, after fetching the persisted blocks that the graph refers to."""
    keys = block.__dask_keys__()
    graph = dict(block.__dask_graph__().cull(set(flatten(keys))))
    futures = {key: value for key, value in graph.items() if isinstance(value, Future)}
    if not futures:
        return block.compute(scheduler="synchronous")
    graph.update(_gather(futures))
    finalize, arguments = block.__dask_postcompute__()
    return finalize(dask.get(graph, keys), *arguments)


def _gather(futures: dict[Any, Future]) -> Any:
    """The values of futures; inside a worker its thread is lent out meanwhile, so that a lost one can be recomputed."""
    try:
        get_worker()
    except ValueError:
        return get_client().gather(futures)
    with worker_client() as client:
        return client.gather(futures)
