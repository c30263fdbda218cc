"""Writing what dgd reads: chunk by chunk in bounded memory, a checksum on every chunk, the commit marker last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import DTypeLike
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.storage import LocalStore

from dgd.dataset import Array, check_dtype
from dgd.errors import ConfigurationError, SchemaError, ValueRangeError
from dgd.storage.seal import COMPLETE, FORMAT, KEY, WRITING, digest_of

CHUNK_BYTES = 4 * 2**20
COMPRESSIONS = ("none", "zstd", "blosc", "gzip")


class DatasetWriter:
    """Writes a dataset block by block: X, y and perhaps weights, any number of rows at a time.

        with DatasetWriter("train.zarr", feature_names=["a", "b"]) as writer:
            for X, y in blocks:
                writer.append(X, y)

    Leaving the block commits; leaving it by an exception, or not at all, leaves a dataset that is refused on opening,
    with the command `redo` if one was given. Memory: one chunk, `chunk_rows` × (n + 2) numbers, besides the block.

    path: a local folder. chunk_rows: rows of a chunk, by default 4 MiB of X. dtype: of X, by default that of the first
    block. compression: "none" (the default, fastest to read), "zstd", "blosc" or "gzip". overwrite: replace what dgd
    wrote at `path` before.

    Raises ConfigurationError if something is there already, SchemaError for blocks that do not fit together,
    ValueRangeError for a value that is not finite.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        chunk_rows: int | None = None,
        dtype: DTypeLike | None = None,
        feature_names: Sequence[str] | None = None,
        target_name: str | None = None,
        compression: str | None = None,
        overwrite: bool = False,
        redo: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.rows = 0
        self._chunk_rows = chunk_rows
        self._dtype = None if dtype is None else np.dtype(dtype)
        self._names = None if feature_names is None else [str(name) for name in feature_names]
        self._target_name = target_name
        self._compression = checked_compression(compression)
        self._redo = redo
        self._columns: dict[str, _Column] = {}
        if chunk_rows is not None and chunk_rows < 1:
            raise ConfigurationError(f"`chunk_rows` must be 1 or more, got {chunk_rows}")
        make_room(self.path, overwrite=overwrite)
        self._group = zarr.create_group(
            LocalStore(self.path), attributes={KEY: {"format": FORMAT, "state": WRITING, "redo": redo}}
        )

    def append(self, X: Array, y: Array | None = None, weight: Array | None = None) -> None:
        """Add rows: X (k × n), y (k) and weight (k), the same arrays in every call."""
        given = {"X": np.asarray(X), "y": y, "weight": weight}
        blocks = {name: np.asarray(block) for name, block in given.items() if block is not None}
        self._check(blocks)
        if not self._columns:
            self._begin(blocks)
        if blocks.keys() != self._columns.keys():
            raise SchemaError(
                f"this block has {', '.join(blocks)}, the first had {', '.join(self._columns)}; give the same arrays"
            )
        for name, block in blocks.items():
            self._columns[name].append(block)
        self.rows += blocks["X"].shape[0]

    def commit(self) -> None:
        """Write what is left, bring it to disk, and mark the dataset complete."""
        if self.rows == 0:
            raise SchemaError(f"{self.path}: there are no rows to commit; append some first")
        for column in self._columns.values():
            column.finish()
        sync_tree(self.path)
        root = self.path / "zarr.json"
        document = json.loads(root.read_bytes())
        document["attributes"][KEY] = {
            "format": FORMAT,
            "state": COMPLETE,
            "redo": self._redo,
            "rows": self.rows,
            "features": self._names,
            "target": self._target_name,
            "arrays": {
                name: hashlib.sha256((self.path / name / "zarr.json").read_bytes()).hexdigest()
                for name in self._columns
            },
        }
        document["attributes"][KEY]["seal"] = digest_of(document)
        replace_file(root, json.dumps(document, indent=2).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()

    def _check(self, blocks: dict[str, Array]) -> None:
        X = blocks["X"]
        n = self._columns["X"].width if self._columns else X.shape[-1] if X.ndim == 2 else 0
        if X.ndim != 2 or X.shape[1] != n or n == 0:
            raise SchemaError(f"X has shape {X.shape}, expected (rows, {n or 'features'})", array="X")
        if self._names is not None and len(self._names) != n:
            raise SchemaError(f"X has {n} columns and there are {len(self._names)} feature names", array="X")
        for name, block in blocks.items():
            check_dtype(name, block.dtype)
            if name != "X" and block.shape != X.shape[:1]:
                raise SchemaError(f"{name} has shape {block.shape}, expected ({X.shape[0]},)", array=name)
            if block.dtype.kind == "f" and not np.isfinite(block).all():
                row = int(np.argwhere(~np.isfinite(block))[0][0])
                raise ValueRangeError(
                    f"{name}: row {self.rows + row} has a value that is not finite; drop or fill it before writing",
                    array=name,
                    row=self.rows + row,
                )

    def _begin(self, blocks: dict[str, Array]) -> None:
        """Create the arrays, now that their widths and dtypes are known."""
        X = blocks["X"]
        dtype = self._dtype or X.dtype
        chunk_rows = self._chunk_rows or max(1, CHUNK_BYTES // (X.shape[1] * dtype.itemsize))
        for name, block in blocks.items():
            self._columns[name] = _Column(
                self._group, name, block, dtype if name == "X" else block.dtype, chunk_rows, self._compression
            )


class _Column:
    """One array being written: a buffer of one chunk, written whenever it is full."""

    def __init__(
        self,
        group: zarr.Group,
        name: str,
        block: Array,
        dtype: np.dtype[Any],
        chunk_rows: int,
        compression: str,
    ) -> None:
        self.width = block.shape[1] if block.ndim == 2 else 1
        tail = block.shape[1:]
        self._buffer = np.empty((chunk_rows, *tail), dtype=dtype)
        self._filled = 0
        self._written = 0
        self._array = create_array(
            group,
            name,
            shape=(chunk_rows, *tail),
            chunks=(chunk_rows, *tail),
            dtype=dtype,
            dimension_names=("row", "feature")[: block.ndim],
            compression=compression,
            attributes={KEY: {"part_of": "dataset"}},
        )

    def append(self, block: Array) -> None:
        done = 0
        while done < block.shape[0]:
            count = min(block.shape[0] - done, self._buffer.shape[0] - self._filled)
            self._buffer[self._filled : self._filled + count] = block[done : done + count]
            self._filled += count
            done += count
            if self._filled == self._buffer.shape[0]:
                self._flush()

    def finish(self) -> None:
        """Write the last, ragged chunk, and set the true length."""
        if self._filled:
            self._flush()
        if self._array.shape[0] != self._written:
            self._array.resize((self._written, *self._array.shape[1:]))

    def _flush(self) -> None:
        stop = self._written + self._filled
        if stop > self._array.shape[0]:
            # Doubling, so that the metadata are rewritten a few times rather than once a chunk.
            chunks = 2 * (self._array.shape[0] // self._buffer.shape[0])
            self._array.resize((chunks * self._buffer.shape[0], *self._array.shape[1:]))
        self._array[self._written : stop] = self._buffer[: self._filled]
        self._written, self._filled = stop, 0


def create_array(
    group: zarr.Group | LocalStore,
    name: str | None,
    *,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype[Any],
    dimension_names: tuple[str, ...],
    compression: str,
    attributes: dict[str, Any],
) -> Any:
    """A zarr 3 array with a crc32c on every chunk and no chunk left out."""
    compressors = {
        "none": (),
        "zstd": (ZstdCodec(level=1),),
        "blosc": (BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),),
        "gzip": (GzipCodec(level=5),),
    }[compression]
    arguments: dict[str, Any] = {
        "shape": shape,
        "chunks": chunks,
        "dtype": dtype,
        "compressors": (*compressors, Crc32cCodec()),
        "fill_value": 0,
        "dimension_names": dimension_names,
        "attributes": attributes,
        "config": {"write_empty_chunks": True},
    }
    if isinstance(group, zarr.Group):
        return group.create_array(name, **arguments)
    return zarr.create_array(group, **arguments)


def checked_compression(compression: str | None) -> str:
    """The compression's name, "none" for None."""
    if (compression or "none") not in COMPRESSIONS:
        raise ConfigurationError(f"`compression` must be one of {', '.join(COMPRESSIONS)}, got {compression!r}")
    return compression or "none"


def make_room(path: Path, *, overwrite: bool) -> None:
    """Refuse an existing path; with `overwrite`, remove what dgd wrote there and nothing else."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    if not overwrite:
        raise ConfigurationError(f"{path} exists; give another path, or overwrite=True (--overwrite) to replace it")
    if path.is_dir() and not any(path.iterdir()):
        return
    try:
        ours = KEY in (json.loads((path / "zarr.json").read_bytes()).get("attributes") or {})
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise ConfigurationError(f"{path} exists and was not written by dgd; remove it yourself, or give another path")
    shutil.rmtree(path)


def sync_tree(path: Path) -> None:
    """Bring every file and folder below a path to disk."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            _fsync(os.path.join(folder, name))
        _fsync(folder)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content at once: whoever looks sees the old or the new."""
    draft = path.with_name(f".{path.name}.partial")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _fsync(str(path.parent))


def _fsync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
