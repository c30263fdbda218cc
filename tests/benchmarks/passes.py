"""How many passes over the data each method needs: to ‖∇F‖ ≤ 1e-8·‖∇F₀‖, which no machine's speed changes.

Squared: κ(XᵀX) = 10⁴ with eigenvalues in geometric spacing, 30 features, no intercept, columns as they are. Logistic:
500 features, labels that overlap. Bars: the most passes a method may take.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import dgd

TOL = 1e-8
CONDITION = 1e4


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    problem: str
    label: str
    bar: int
    options: dict[str, Any] = field(default_factory=dict)
    """Of `dgd.fit`."""
    slow: bool = False
    """Thousands of passes and more."""


METHODS = (
    Method("squared", "gd 1/L", 92_000, {"solver": "gd", "learning_rate": 0.5}, slow=True),
    Method("squared", "gd exact", 48_000, {"solver": "gd", "learning_rate": "exact"}, slow=True),
    Method("squared", "gd backtracking", 57_000, {"solver": "gd", "learning_rate": "backtracking"}, slow=True),
    Method("squared", "gd auto", 88_000, {"solver": "gd"}, slow=True),
    Method("squared", "momentum", 8_800, {"solver": "momentum"}, slow=True),
    Method("squared", "nesterov", 1_400, {"solver": "nesterov"}),
    Method("squared", "barzilai-borwein", 1_000, {"solver": "barzilai-borwein"}),
    Method("squared", "cg", 75, {"solver": "cg"}),
    Method("squared", "lbfgs", 150, {"solver": "lbfgs"}),
    Method("squared", "newton", 3, {"solver": "newton"}),
    Method("logistic", "lbfgs", 60, {"solver": "lbfgs"}),
    Method("logistic", "newton", 12, {"solver": "newton"}),
)


def measure() -> list[dict[str, Any]]:
    """Passes and seconds of every method."""
    return [row(method) for method in METHODS]


def row(method: Method) -> dict[str, Any]:
    """One method's line of the table."""
    X, y = PROBLEMS[method.problem]()
    began = time.perf_counter()
    result = dgd.fit(
        X,
        y,
        loss=method.problem,
        fit_intercept=False,
        standardize=False,
        max_iter=4 * method.bar,
        tol=TOL,
        threads=1,
        **method.options,
    )
    return {
        "loss": method.problem,
        "solver": method.label,
        "passes": result.n_iter_,
        "bar": method.bar,
        "seconds": time.perf_counter() - began,
        "met": result.converged and result.n_iter_ <= method.bar,
    }


def least_squares() -> tuple[np.ndarray, np.ndarray]:
    """120 × 30 with eigenvalues of XᵀX/m from 1 down to 1e-4, so that L = 2; noise in y."""
    rng = np.random.default_rng(0)
    m, n = 120, 30
    U, _ = np.linalg.qr(rng.normal(size=(m, n)))
    V, _ = np.linalg.qr(rng.normal(size=(n, n)))
    X = U * np.sqrt(m * np.geomspace(1, 1 / CONDITION, n)) @ V.T
    return X, X @ rng.normal(size=n) + 0.3 * rng.normal(size=m)


def overlapping_classes() -> tuple[np.ndarray, np.ndarray]:
    """3,000 × 500 and labels drawn from the probabilities of a linear model."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 500))
    probability = 1 / (1 + np.exp(-X @ rng.normal(size=500) / np.sqrt(500)))
    return X, (rng.random(3000) < probability).astype(float)


PROBLEMS = {"squared": least_squares, "logistic": overlapping_classes}
