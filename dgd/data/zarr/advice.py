"""Warnings about stored arrays, each with its fix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dgd.data.zarr.array_writer import CHUNK_BYTES
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors.words import size

SMALLEST_CHUNK, LARGEST_CHUNK = 2**20, 256 * 2**20
SHOWN = 6


@dataclass(frozen=True)
class Finding:
    """A warning about one array, and what to do about it."""

    array: str
    text: str
    fix: str


def findings(arrays: list[ZarrRows], found_objects: dict[str, int | None]) -> Iterator[Finding]:
    """The warnings about some arrays. found_objects: the number of chunks found of each, None if unknown."""
    for rows in arrays:
        yield from _missing(rows, found_objects[rows.name])
        yield from _chunk_size(rows)
    yield from _checksums(arrays)
    X = next((rows for rows in arrays if rows.name == "X"), None)
    for rows in arrays:
        if X is not None and rows is not X and len(rows.shape) == 1:
            yield from _beside(rows, X, small=any(_chunk_size(X)))


def _missing(rows: ZarrRows, found: int | None) -> Iterator[Finding]:
    expected = math.prod(rows.format.grid)
    if found is not None and found < expected:
        yield Finding(
            rows.name,
            f"{rows.name}: {expected - found:,} of {expected:,} chunks are not in the store; reading them is refused",
            "restore them; if they were left out because all their values equal the fill value, as zarr and xarray do, "
            "read them as that (missing_chunks='fill', or --missing-chunks fill), or write the array again with "
            "write_empty_chunks=True",
        )


def _chunk_size(rows: ZarrRows) -> Iterator[Finding]:
    """Only for a matrix: a column of one number per row always has small chunks."""
    if len(rows.shape) != 2 or 0 in rows.shape:
        return
    n_bytes = rows.format.chunk.n_bytes
    row_bytes = rows.shape[1] * rows.dtype.itemsize
    better = min(max(1, CHUNK_BYTES // row_bytes), rows.shape[0])
    what = "chunks" if rows.format.shard is None else "shards"
    fix = (
        f"write it again in chunks of about {better:,} rows × {rows.shape[1]:,} columns "
        f"(`dgd copy STORE OUT.zarr --chunk-rows {better}`)"
    )
    if n_bytes < SMALLEST_CHUNK and math.prod(rows.format.grid) > 1:
        text = f"{rows.name}: {what} of {size(n_bytes)} are smaller than 1 MiB, so opening them costs more than reading"
        yield Finding(rows.name, text, fix)
    if n_bytes > LARGEST_CHUNK:
        text = f"{rows.name}: {what} of {size(n_bytes)} are larger than 256 MiB, and every thread holds a whole one"
        yield Finding(rows.name, text, fix)


def _checksums(arrays: list[ZarrRows]) -> Iterator[Finding]:
    """One warning for all arrays without a checksum."""
    names = [rows.name for rows in arrays if not rows.format.checksummed]
    if names:
        more = f", … ({len(names)} arrays)" if len(names) > SHOWN else ""
        yield Finding(
            ", ".join(names),
            f"{', '.join(names[:SHOWN])}{more}: no checksum, so a flipped bit may go unnoticed",
            "write it again with the codec crc32c (`dgd copy STORE OUT.zarr`; in zarr, `Crc32cCodec` comes last)",
        )


def _along_others(rows: ZarrRows, X: ZarrRows) -> bool:
    """Whether the names of dimensions say that an array is not beside the rows of X as they are stored: a coordinate of
    the columns, or a target of which X is read transposed.
    """
    mine, its = rows.format.dimension_names, X.format.dimension_names
    return bool(mine and its and mine[0] and its[0] and mine[0] != its[0])


def _beside(rows: ZarrRows, X: ZarrRows, *, small: bool) -> Iterator[Finding]:
    """small: whether the chunks of X are to be changed anyhow."""
    if _along_others(rows, X):
        return
    if rows.shape[0] != X.shape[0]:
        turned = len(X.shape) == 2 and rows.shape[0] == X.shape[1]
        yield Finding(
            rows.name,
            f"{rows.name} has {rows.shape[0]:,} rows and X has {X.shape[0]:,}: they cannot be fitted together",
            "X is stored the other way round, feature × row: read it with --transpose, or write it again so once "
            "(`dgd copy STORE OUT.zarr --transpose`)"
            if turned
            else "write the arrays again with the same rows",
        )
    elif not small and not np.array_equal(rows.bounds, X.bounds):
        yield Finding(
            rows.name,
            f"{rows.name}: its chunks of {rows.format.chunk.shape[0]:,} rows are not those of X, "
            f"{X.format.chunk.shape[0]:,}, so some are read again and put together",
            f"write it again in chunks of {X.format.chunk.shape[0]:,} rows (`dgd copy STORE OUT.zarr`)",
        )
