"""Rows of several kinds of columns: their cells are those of the parts, whichever rows are taken."""

from __future__ import annotations

import numpy as np
import pytest

from dgd.data.csr import Csr
from dgd.data.mixed import Coded, Mixed


def mixed(rows: int = 7) -> tuple[Mixed, np.ndarray]:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, 2))
    codes = generator.integers(-1, 3, rows).astype(np.int8)
    values = generator.normal(size=rows)
    stored = np.where(generator.random((rows, 4)) < 0.3, 1.5, 0.0)
    ones = (codes[:, None] == np.arange(3)).astype(float)
    cells = np.hstack([numbers, ones, ones * values[:, None], stored])
    return Mixed((numbers, Coded(codes, 3), Coded(codes, 3, values), Csr.of_array(stored))), cells


@pytest.mark.parametrize("rows", [slice(None), slice(2, 5), slice(3, 3), np.array([4, 0, 4]), np.arange(7) % 2 == 0])
def test_its_cells_are_those_of_its_parts(rows) -> None:
    found, cells = mixed()
    assert found.shape == cells.shape
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found[rows].toarray(), cells[rows])
    assert len(found[rows]) == len(cells[rows])


def test_a_missing_category_is_nan_in_all_its_columns() -> None:
    np.testing.assert_array_equal(Coded(np.array([0, -2, -1]), 2).toarray(), [[1, 0], [np.nan, np.nan], [0, 0]])


def test_it_is_not_made_dense_unasked() -> None:
    with pytest.raises(TypeError, match="toarray"):
        np.asarray(mixed()[0])
