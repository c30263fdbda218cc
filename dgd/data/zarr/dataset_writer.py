"""Writes a dataset block by block in bounded memory, a checksum on every chunk, the commit marker last."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from dgd._typing import Array
from dgd.data.csr import Csr
from dgd.data.rows import check_dtype
from dgd.data.zarr.array_writer import Column, check_values, checked_compression, refuse_negative, usual_chunk_rows
from dgd.data.zarr.commit_marker import sealed
from dgd.data.zarr.id_writer import IdColumns, checked_ids
from dgd.data.zarr.manifest import MANIFEST
from dgd.data.zarr.outputs import ROOT, begin, open_output, root_of
from dgd.data.zarr.owner import in_use
from dgd.data.zarr.sparse_writer import SparseColumn, check_stored
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.checks import checked_word

COLUMN_ROWS = 2**16
"""Of a chunk of the arrays beside a sparse X."""


class DatasetWriter:
    """Writes a dataset block by block: X, y and perhaps weights, offsets and ids, any number of rows at a time.

        with DatasetWriter("train.zarr", feature_names=["a", "b"]) as writer:
            for X, y in blocks:
                writer.append(X, y)

    X may be a sparse matrix of scipy in every block: it is then stored by its non-zero values, as AnnData stores CSR.

    Leaving the block commits; leaving it by an exception, or not at all, leaves a dataset that is refused on opening,
    with a quotation of `redo`, which may say how it is written again. Memory: about four chunks of `chunk_rows` ×
    (n + 2) numbers, besides the block.

    weight_name, offset_name: what they are called where they come from; fits then use them unless told otherwise.
    path: a local folder, or a URL, opened with `storage_options` as `open_dataset` does; a store behind a URL has no
    locks, so that two writers there are noticed at the end, and the first is not sealed. chunk_rows: rows of a chunk,
    by default 4 MiB of X. dtype: of X, by default that of the first
    block; y and weight keep the dtype of their first block. compression: "none" (the default, fastest to read), "zstd",
    "blosc" or "gzip". missing: "error", or "keep" for NaN as missing cells. overwrite: replace what dgd wrote at
    `path` before.

    Raises OutputInUseError while another writer is at work there, in any process, until it is committed or closed;
    ConfigurationError if something is there already or the writer is used after its end, SchemaError for blocks
    that do not fit together, ValueRangeError for a value that is not finite or does not fit its array's dtype,
    WriteError if the disk is full or the system forbids it. A block that is refused leaves no trace.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        chunk_rows: int | None = None,
        dtype: DTypeLike | None = None,
        feature_names: Sequence[str] | None = None,
        target_name: str | None = None,
        weight_name: str | None = None,
        offset_name: str | None = None,
        compression: str | None = None,
        missing: str = "error",
        overwrite: bool = False,
        redo: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.rows = 0
        self._chunk_rows = chunk_rows
        self._dtype = None if dtype is None else np.dtype(dtype)
        self._names = None if feature_names is None else [str(name) for name in feature_names]
        self._target_name = target_name
        self._told = {"weight": weight_name, "offset": offset_name}
        self._compression = checked_compression(compression)
        self._keeps_missing = checked_word("DatasetWriter(missing", missing, ["error", "keep"]) == "keep"
        self._redo = redo
        self._columns: dict[str, Any] = {}
        """`Column`, or `SparseColumn`."""
        self._ids: IdColumns | None = None
        self._ended: str | None = None
        self._committed = False
        if chunk_rows is not None and chunk_rows < 1:
            raise ConfigurationError(f"`chunk_rows` must be 1 or more, got {chunk_rows}")
        if self._dtype is not None:
            check_dtype("X", self._dtype)
        self._output = open_output(path, storage_options, overwrite=overwrite)
        begin(self._output, {"zarr_format": 3, "node_type": "group", "attributes": {}}, redo)

    @property
    def path(self) -> str:
        """Where it writes: an absolute path, or a URL without its secrets."""
        return self._output.label

    def append(
        self,
        X: Any,
        y: Array | None = None,
        weight: Array | None = None,
        offset: Array | None = None,
        ids: Mapping[str, Any] | None = None,
    ) -> None:
        """Add rows: X (k × n), y (k, or k × q), weight (k) and offset (as y), the same arrays in every call.

        ids: whole numbers or texts (k) by name, which are no part of a fit, and go with predictions.
        """
        blocks = self._blocks(X, y, weight, offset)
        for name, block in blocks.items():
            check = check_stored if isinstance(block, Csr) else partial(check_values, name)
            check(block, self._dtype_of(name, block), self.rows, missing=self._keeps_missing)
        self._write(blocks, ids)

    def append_finite(
        self, X: Array, y: Array | None, weight: Array | None, offset: Array | None, ids: Mapping[str, Any]
    ) -> None:
        """The same for floats of the arrays' dtypes of which it is known that all are finite, or missing and kept."""
        self._write(self._blocks(X, y, weight, offset), ids)

    def _blocks(self, X: Any, y: Any, weight: Any, offset: Any) -> dict[str, Any]:
        """The arrays there are, by name, which fit together and to those before."""
        self._refuse_if_ended()
        given = {"y": y, "weight": weight, "offset": offset}
        blocks = {"X": _matrix(X)} | {name: np.asarray(block) for name, block in given.items() if block is not None}
        self._check(blocks)
        return blocks

    def _write(self, blocks: dict[str, Any], ids: Mapping[str, Any] | None) -> None:
        if "weight" in blocks:
            refuse_negative("weight", blocks["weight"], self.rows)
        carried = checked_ids(ids, blocks["X"].shape[0], self._ids, first=not self._columns)
        # If the disk fails from here on, the arrays no longer have the same rows.
        self._ended = "a block could not be written"
        if not self._columns:
            self._begin(blocks, carried)
        for name, block in blocks.items():
            self._columns[name].append(block)
        if self._ids is not None:
            self._ids.append(carried)
        self.rows += blocks["X"].shape[0]
        self._ended = None

    def keep(self) -> None:
        """Write what waits for its chunk to be full, for whoever finds the dataset unfinished; X is an array."""
        self._refuse_if_ended()
        for column in (*self._columns.values(), *(() if self._ids is None else (self._ids,))):
            column.keep()

    def commit(self) -> None:
        """Write what is left, bring it to disk, and mark the dataset complete; then the writer is done."""
        self._refuse_if_ended()
        if self.rows == 0:
            raise SchemaError(f"{self.path}: there are no rows to commit; append some first")
        self._ended = "its last rows could not be written"
        try:
            self._seal()
        finally:
            self._output.release()
        self._ended, self._committed = "the dataset is committed", True

    def close(self) -> None:
        """End without committing, so that another writer may begin there."""
        self._output.release()
        self._ended = self._ended or "it was closed"

    def __del__(self) -> None:
        # Columns and their zarr arrays hold one another, and the lock with them, until the next collection.
        if hasattr(self, "_output"):
            self._output.release()

    def _seal(self) -> None:
        """Write what is left, and replace the marker at the end."""
        root_of(self._output)
        columns = [*self._columns.values(), *(() if self._ids is None else (self._ids,))]
        for column in columns:
            column.finish()
        parts = {name: part for column in columns for name, part in column.parts.items()}
        documents = {name: part.document for name, part in parts.items()}
        documents |= {column.name: column.document for column in columns}
        marker = {
            "redo": self._redo,
            "rows": self.rows,
            "features": self._names,
            "target": self._target_name,
            **self._said(),
            **({} if self._ids is None else {"ids": self._ids.names}),
            "arrays": {name: self._digest(name, document) for name, document in documents.items()},
            "manifest": MANIFEST,
            "content": {name: part.content for name, part in parts.items()},
        }
        self._output.seal(sealed(root_of(self._output), marker))

    def _said(self) -> dict[str, Any]:
        """What the marker says of the columns besides."""
        return {role: name for role, name in self._told.items() if name is not None and role in self._columns}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._committed:
                self.commit()
        finally:
            self.close()

    def _refuse_if_ended(self) -> None:
        if self._ended is not None:
            raise ConfigurationError(f"{self.path}: {self._ended}, so this writer has ended; begin a new one")

    def _digest(self, name: str, document: bytes) -> str:
        """Of a metadata document that was written; another writer's is not sealed."""
        found = self._output.get(f"{name}/{ROOT}")
        if found is None or found != document:
            raise in_use(self._output.label, self._output.get(ROOT))
        return hashlib.sha256(found).hexdigest()

    def _check(self, blocks: dict[str, Any]) -> None:
        """Check a block before any of it is written."""
        X = blocks["X"]
        n = self._columns["X"].width if self._columns else X.shape[-1] if X.ndim == 2 else 0
        if X.ndim != 2 or X.shape[1] != n or n == 0:
            raise SchemaError(f"X has shape {X.shape}, expected (rows, {n or 'features'})", array="X")
        if self._columns and isinstance(X, Csr) != isinstance(self._columns["X"], SparseColumn):
            kinds = ("sparse", "dense") if isinstance(X, Csr) else ("dense", "sparse")
            raise SchemaError(
                f"X is {kinds[0]}, and {kinds[1]} in the first block; give the same in every call", array="X"
            )
        if self._names is not None and len(self._names) != n:
            raise SchemaError(
                f"X has {n} columns and there are {len(self._names)} feature names; give one for each", array="X"
            )
        if self._columns and blocks.keys() != self._columns.keys():
            raise SchemaError(
                f"this block has {', '.join(blocks)}, the first had {', '.join(self._columns)}; give the same arrays"
            )
        for name, block in blocks.items():
            check_dtype(name, block.dtype)
            if name != "X" and block.shape != (X.shape[0], *self._tail(name, block)):
                expected = (X.shape[0], *self._tail(name, block))
                raise SchemaError(f"{name} has shape {block.shape}, expected {expected}", array=name)

    def _tail(self, name: str, block: Array) -> tuple[int, ...]:
        """The shape of one row: that of the first block; a first y or offset may have a column for each output."""
        if name in self._columns:
            width = self._columns[name].width
            return () if width is None else (width,)
        return block.shape[1:] if block.ndim == 2 and block.shape[1] and name in {"y", "offset"} else ()

    def _dtype_of(self, name: str, block: Array) -> np.dtype[Any]:
        if name in self._columns:
            known: np.dtype[Any] = self._columns[name].dtype
            return known
        return self._dtype if name == "X" and self._dtype is not None else block.dtype

    def _begin(self, blocks: dict[str, Any], ids: dict[str, Array]) -> None:
        """Create the arrays, now that their widths and dtypes are known."""
        dtype, X = self._dtype_of("X", blocks["X"]), blocks["X"]
        # Beside a sparse X, whose chunks have other rows, a shorter chunk is read again less.
        chunk_rows = self._chunk_rows or (COLUMN_ROWS if isinstance(X, Csr) else usual_chunk_rows(X.shape[1], dtype))
        if ids:
            self._ids = IdColumns(self._output, ids, chunk_rows=chunk_rows, compression=self._compression)
        for name, block in blocks.items():
            if isinstance(block, Csr):
                width, compression = block.columns, self._compression
                self._columns[name] = SparseColumn(
                    self._output, name, width=width, dtype=dtype, compression=compression
                )
                continue
            self._columns[name] = Column(
                self._output,
                name,
                width=block.shape[1] if block.ndim == 2 else None,
                dtype=self._dtype_of(name, block),
                chunk_rows=chunk_rows,
                compression=self._compression,
            )


def _matrix(X: Any) -> Any:
    """X as an array, or as `Csr` where it is sparse."""
    if isinstance(X, Csr):
        return X
    return Csr.of(X.tocsr()) if hasattr(X, "tocsr") else np.asarray(X)
