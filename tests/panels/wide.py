"""Wide targets for tests: written in any chunks, and solved by NumPy, target by target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

DIMS = ("time", "lat", "lon")
ROWS, LAT, LON, FEATURES = 130, 13, 17, 4
NAMES = ("coef", "intercept", "r2", "l2", "rows_used")


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X with a large mean, a map of targets near 280, and weights, one of which is 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS, FEATURES)) + np.array([0, 100, 0, 0])
    slopes = rng.normal(size=(FEATURES, LAT * LON))
    y = X @ slopes + rng.normal(size=(ROWS, LAT * LON)) + 280
    weight = rng.uniform(0.1, 2, size=ROWS)
    weight[3] = 0
    return X, y.reshape(ROWS, LAT, LON).astype(np.float32), weight


def store(
    path: Path,
    X: np.ndarray,
    y: np.ndarray,
    chunks: tuple[int, ...],
    *,
    shards: tuple[int, ...] | None = None,
    x_rows: int = 50,
    dims: tuple[str, ...] | None = DIMS,
    **others: np.ndarray,
) -> str:
    """A group as xarray writes it. others: coordinates by the name of their dimension, `weight` along the rows."""
    group = zarr.create_group(path)
    whole: dict[str, Any] = {"config": {"write_empty_chunks": True}}
    rows = (DIMS[0],) if dims is None else dims[:1]
    group.create_array("y", shape=y.shape, chunks=chunks, shards=shards, dtype=y.dtype, dimension_names=dims, **whole)[
        :
    ] = y
    features = None if dims is None else (*rows, "feature")
    group.create_array(
        "X", shape=X.shape, chunks=(x_rows, X.shape[1]), dtype=X.dtype, dimension_names=features, **whole
    )[:] = X
    for name, values in others.items():
        own = rows if name == "weight" else (name,)
        group.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=own, **whole)[:] = values
    return str(path)


def written(path: Any) -> dict[str, np.ndarray]:
    """Every array of a result."""
    group = zarr.open_group(str(path), mode="r")
    return {name: group[name][:] for name in NAMES if name in group}


def same_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def lstsq(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, *, l2: float = 0.0, fit_intercept: bool = True
) -> tuple[np.ndarray, np.ndarray, float]:
    """Intercept, coefficients and R² of one target, by the SVD of all rows; l2 as of dgd."""
    w = np.ones(len(X)) if weight is None else weight
    y = y.astype(float)
    mean, level = ((w @ X) / w.sum(), (w @ y) / w.sum()) if fit_intercept else (np.zeros(X.shape[1]), 0.0)
    root = np.sqrt(w)
    A = np.vstack([root[:, None] * (X - mean), np.sqrt(l2 * w.sum() / 2) * np.eye(X.shape[1])])
    b = np.linalg.lstsq(A, np.append(root * (y - level), np.zeros(X.shape[1])), rcond=None)[0]
    intercept = level - mean @ b
    left = w @ (y - intercept - X @ b) ** 2
    return intercept, b, 1 - left / (w @ (y - (w @ y) / w.sum()) ** 2)
