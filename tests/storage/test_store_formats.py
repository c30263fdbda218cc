"""Every format that dgd reads, against zarr-python's own reading, to the bit: values, and the sums of a fit."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pytest
from formats import BIG_ENDIAN, CHUNK_COLUMNS, CHUNK_ROWS, DTYPES, ROWS, Format, structures, write
from sums import gradient_sum

import dgd
from dgd import testing
from dgd.losses import Squared
from dgd.passes.executor import InlineExecutor
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.row_sums import Sums

ROW_NAMES, COLUMN_NAMES = list(CHUNK_ROWS), list(CHUNK_COLUMNS)
GRIDS = list(product(ROW_NAMES, COLUMN_NAMES, (True, False)))


def covering() -> list[Format]:
    """Every structure with half of the grids (C and F order share them like a chessboard) and eight dtypes in turn."""
    dtype = cycle((*DTYPES, *BIG_ENDIAN))
    return [
        replace(form, dtype=next(dtype), rows=rows, columns=columns, aligned=aligned)
        for number, form in enumerate(structures())
        for rows, columns, aligned in GRIDS
        if (number + ROW_NAMES.index(rows) + COLUMN_NAMES.index(columns) + aligned) % 2
    ]


def everything() -> list[Format]:
    """The whole cross product."""
    return [
        replace(form, dtype=dtype, rows=rows, columns=columns, aligned=aligned)
        for form, dtype, (rows, columns, aligned) in product(structures(), (*DTYPES, *BIG_ENDIAN), GRIDS)
    ]


def sums(dataset: dgd.Dataset) -> Sums:
    """What a fit sums, at some θ."""
    coef = np.linspace(-1, 1, dataset.shape[1])
    return InlineExecutor().sweep(dataset, gradient_sum(Squared(), 0.25, coef, ColumnMoments())).value


def check(path: Path, form: Format) -> None:
    """Open a store and hold its values and sums to those of zarr-python."""
    group = write(path, form)
    X, y = np.asarray(group["X"][...]), np.asarray(group["y"][...])
    dataset = dgd.open_dataset(path)
    chunks = [dataset.read(k) for k in range(dataset.n_chunks)]
    # zarr-python reads a big-endian array of format 3 in native order: the values are compared, and their dtype's kind.
    assert all(chunk.X.flags.aligned and chunk.y is not None and chunk.y.flags.aligned for chunk in chunks)
    native = X.dtype.newbyteorder("=")
    assert dataset.dtype.newbyteorder("=") == native
    assert np.concatenate([chunk.X for chunk in chunks]).astype(native).tobytes() == X.astype(native).tobytes()
    assert np.concatenate([chunk.y for chunk in chunks if chunk.y is not None]).tobytes() == y.tobytes()
    assert dataset.bounds.tolist() == [*range(0, ROWS, dataset.chunk_rows), ROWS]
    in_memory = dgd.Dataset(
        X=testing.MemoryChunks("X", X, dataset.bounds), y=testing.MemoryChunks("y", y, dataset.bounds)
    )
    with np.errstate(over="ignore"):
        found, expected = sums(dataset), sums(in_memory)
    (loss, moments), (expected_loss, expected_moments) = found.parts, expected.parts
    assert loss.loss == expected_loss.loss
    assert loss.gradient.tobytes() == expected_loss.gradient.tobytes()
    assert moments.mean.tobytes() == expected_moments.mean.tobytes()
    assert moments.squares.tobytes() == expected_moments.squares.tobytes()


@pytest.mark.each(12)
@pytest.mark.parametrize("form", covering(), ids=str)
def test_format(form: Format, tmp_path: Path) -> None:
    check(tmp_path / "a.zarr", form)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(32))
def test_everything(part: int, tmp_path: Path) -> None:
    for number, form in enumerate(everything()[part::32]):
        check(tmp_path / f"{number}.zarr", form)
