"""`dgd.copy`: the rows of any dataset, written again as one of dgd's own, in one pass and bounded memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from dgd.data.buffers import Buffers
from dgd.data.csr import Csr, is_sparse
from dgd.data.dataset import Chunk, Dataset
from dgd.data.mixed import stored_of
from dgd.data.opening import open_data, stored_roles
from dgd.data.places import is_by_columns
from dgd.data.reading import Reading, ReadingOptions, for_urls, is_url
from dgd.data.rows import LABEL_KINDS
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag, checked_integer
from dgd.errors.words import without_secrets
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Need
from dgd.passes.session import session

COPIES = 5
"""Copies of a row while it is written: a chunk that is gathered, and those that zarr's codecs make of it."""


@dataclass(frozen=True)
class Copied:
    """What a copy wrote: the dataset at `path`, its arrays, and how long that took."""

    path: str
    rows: int
    features: int
    arrays: tuple[str, ...]
    rows_left_out: int
    """Rows with a missing cell, where they were to be dropped."""
    bytes_read: int
    seconds: float


def copy(
    data: Any,
    out: str | os.PathLike[str],
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    chunk_rows: int | None = None,
    dtype: str | None = None,
    compression: str | None = None,
    sparse: bool | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    redo: str | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Copied:
    """Write the rows of a dataset again at `out`: in other chunks, some columns, decoded, each chunk with a checksum.

    data, y, weight, offset, reading: see `open_dataset`. Arrays `y`, `weight` and `offset` beside a stored X go along
        without being named; there need be no target. Values are written as what they mean, unless decode=False, X by
        rows, and missing cells as NaN, unless missing="drop" leaves their rows out.
    out: a local folder, or a URL, opened with the `storage_options`. chunk_rows: rows of a chunk [4 MiB of X].
        dtype: of X, "float64" or "float32" [as it is]. compression: "none", "zstd", "blosc" or "gzip". sparse: whether
        X is written by its non-zero values, as AnnData stores CSR; chunk_rows are then those of the other arrays [as it
        is; where categories are codes, yes]. overwrite: replace what dgd wrote there before.
    progress: called with the rows written and all rows, after each chunk that was read. redo: the command that repeats
        the copy, for whoever finds it interrupted: it is then marked so, and refused on opening.
    execution: how much memory may be used; reading is by one thread of this process.

    Memory: one chunk of each array as it is stored, and about five chunks as they are written.

    Raises PlanError where that does not fit, ConfigurationError, DataError or WriteError.
    """
    from dgd.data.zarr.dataset_writer import DatasetWriter
    from dgd.data.zarr.outputs import refuse_own_input

    began = time.perf_counter()
    if dtype not in (None, "float32", "float64"):
        raise ConfigurationError(f"`copy(dtype=...)` must be 'float32' or 'float64', got {dtype!r}")
    if chunk_rows is not None:
        checked_integer("copy(chunk_rows", chunk_rows, least=1)
    given = for_urls(reading, data, y, weight, offset) if is_url(out) else reading
    dataset = _opened(data, y, weight, offset, Reading.of("copy", given))
    refuse_own_input("copy", dataset, out)
    stored = is_sparse(dataset.X) or dataset.kinds is not None
    to_sparse = stored if sparse is None else checked_flag("copy(sparse", sparse)
    where = replace(execution_of(execution, None, None), client=None, threads=1)
    with session(where) as running:
        dataset = running.open(dataset, Need(held_bytes=_held_bytes(dataset, chunk_rows, to_sparse=to_sparse)))
        with DatasetWriter(
            out,
            chunk_rows=chunk_rows,
            dtype=dtype,
            feature_names=dataset.feature_names,
            target_name=dataset.target_name,
            weight_name=dataset.weight_name,
            offset_name=dataset.offset_name,
            compression=compression,
            missing="keep",
            overwrite=overwrite,
            redo=redo,
            storage_options=reading.get("storage_options") if is_url(out) else None,
        ) as writer:
            rows = dataset.shape[0]

            def append(value: DatasetWriter, chunk: Chunk, buffers: Buffers) -> DatasetWriter:
                for part in _as_written(chunk, to_sparse=to_sparse):
                    value.append(part.X, part.y, part.weight, part.offset, _ids(dataset, part))
                if progress is not None:
                    progress(chunk.start + chunk.rows_read, rows)
                return value

            found = running.executor.fold(dataset, append, writer, range(dataset.n_chunks))
    return Copied(
        path=without_secrets(os.fspath(out)),
        rows=writer.rows,
        features=dataset.shape[1],
        arrays=tuple(dataset.by_role),
        rows_left_out=0 if found.left_out is None else found.left_out.rows,
        bytes_read=found.bytes_read,
        seconds=time.perf_counter() - began,
    )


def _held_bytes(dataset: Dataset, chunk_rows: int | None, *, to_sparse: bool) -> int:
    """What writing takes, and making a chunk sparse or dense."""
    from dgd.data.zarr.array_writer import CHUNK_BYTES

    of_cells = not is_sparse(dataset.X) and dataset.kinds is None
    if not to_sparse:
        n_bytes = dataset.row_bytes if of_cells else dataset.dtype.itemsize * dataset.shape[1]
        written = COPIES * (chunk_rows * n_bytes if chunk_rows else CHUNK_BYTES)
        return written + (0 if of_cells else max(CHUNK_BYTES, n_bytes))
    # Values, column numbers and row bounds; a dense chunk may have no zeros, and an index is found for each cell.
    beside = COPIES * (chunk_rows or 0) * 8 * max(1, len(dataset.arrays) - 1)
    making = 0 if is_sparse(dataset.X) else 4 * _stored_bytes(dataset)
    return COPIES * 3 * CHUNK_BYTES + beside + making


def _stored_bytes(dataset: Dataset) -> int:
    """Of the fullest chunk's cells, or of what is stored of it where there are several kinds of columns."""
    if dataset.kinds is None:
        return dataset.decoded_bytes("X")
    values = dataset.chunk_rows * dataset.kinds.row_cost + sum(each.most for each in dataset.kinds.non_zeros)
    return 12 * values + 8 * (dataset.chunk_rows + 1)


def _as_written(chunk: Chunk, *, to_sparse: bool) -> Iterator[Chunk]:
    """The chunk with X sparse or not; a sparse one that becomes dense in pieces of a chunk's size."""
    from dgd.data.zarr.array_writer import CHUNK_BYTES

    X = chunk.X
    if not len(X):
        return
    if not isinstance(X, np.ndarray) and not to_sparse:
        step = max(1, CHUNK_BYTES // (X.shape[1] * X.dtype.itemsize))
        for start in range(0, len(X), step):
            part = chunk.take(np.arange(start, min(start + step, len(X))))
            yield part if isinstance(part.X, np.ndarray) else replace(part, X=part.X.toarray())
        return
    if to_sparse and not isinstance(X, Csr):
        chunk = replace(chunk, X=stored_of(X))
    yield chunk


def _ids(dataset: Dataset, part: Chunk) -> dict[str, Any]:
    """The ids of the rows of a chunk, or of a part of one."""
    start, stop = (int(bound) for bound in dataset.bounds[part.index : part.index + 2])
    kept = slice(None) if part.numbers is None else part.numbers - start
    return {name: rows.read(start, stop, Buffers())[0][kept] for name, rows in dataset.ids.items()}


def _opened(data: Any, y: Any, weight: Any, offset: Any, reading: Reading) -> Dataset:
    """The dataset with all the arrays that are named or lie beside a stored X; its numbers can be written."""
    if is_by_columns(data, reading.storage_options):
        raise ConfigurationError(
            f"{data} holds a table by its columns, and `copy` writes a matrix X; copy its files, or ingest the tables "
            f"that it was made of again"
        )
    given = {"y": y, "weight": weight, "offset": offset}
    there = stored_roles(data, reading)
    roles = {role: role if value is None and role in there else value for role, value in given.items()}
    need_target = roles["y"] is not None or isinstance(data, Dataset)
    if not need_target and roles["weight"] is not None:
        raise ConfigurationError("`copy(weight=...)` needs a target beside it: name it (`y=...`)")
    dataset = open_data(data, roles["y"], roles["weight"], roles["offset"], need_target=need_target, reading=reading)
    if dataset.y is not None and dataset.y.dtype.kind in LABEL_KINDS:
        raise ConfigurationError(
            f"array {dataset.y.name!r} holds labels that are texts, and dgd writes numbers; copy codes with "
            f"decode=False, or give class numbers (`y=...`)"
        )
    return dataset
