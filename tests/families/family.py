"""What a family is: a name, a loss, and rows for a seed and a size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.penalties import Penalty

Matrix = NDArray[Any]
LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class Rows:
    """Columns and targets, with weights and offsets where a family has them."""

    X: Matrix
    y: Matrix
    weight: Matrix | None = None
    offset: Matrix | None = None


@dataclass(frozen=True)
class Family:
    """Rows of one kind, and what is fitted to them."""

    name: str
    loss: str
    rows_of: Callable[[np.random.Generator, int], Rows]
    """Of a generator and a number of rows."""
    penalty: Penalty | None = None
    rows: int = 60_000


def labels(rng: np.random.Generator, eta: Matrix) -> Matrix:
    """0 or 1 with the log odds η."""
    return (eta + rng.logistic(size=len(eta)) > 0).astype(float)


def counts(rng: np.random.Generator, eta: Matrix) -> Matrix:
    """Poisson's, of mean e^η, which is kept below 1,000."""
    return rng.poisson(np.exp(np.minimum(eta, np.log(1000)))).astype(float)


def predictor(rng: np.random.Generator, X: Matrix, spread: float = 1.5, mean: float = 0.0) -> Matrix:
    """η = Xb with random b, of that mean and spread over the rows."""
    deviation = np.maximum(X.std(axis=0), LEAST_SPREAD)
    eta = X @ (rng.normal(size=X.shape[1]) / deviation)
    found: Matrix = mean + spread * (eta - eta.mean()) / max(float(eta.std()), LEAST_SPREAD)
    return found
