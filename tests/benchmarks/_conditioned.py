"""Problems whose columns have a given condition, whose rows have an order, or that have many columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.penalties import L1, L2, NonNegative

Matrix = NDArray[Any]
Problem = tuple[Matrix, Matrix]


@dataclass(frozen=True)
class Case:
    """Rows, and the solvers whose passes are counted on them."""

    name: str
    loss: str
    rows: int
    rows_of: Callable[[int], Problem]
    """Columns and targets, for a number of rows."""
    solvers: tuple[str, ...] = ("auto", "newton", "lbfgs")
    options: dict[str, Any] = field(default_factory=dict)


def conditioned(rows: int, *, n: int, condition: float, loss: str, mean: float = 0.0) -> Problem:
    """Columns of deviation 1 whose correlations have eigenvalues from κ to 1 in geometric spacing."""
    rng = np.random.default_rng(n)
    X = rng.standard_normal((rows, n), dtype=np.float32) @ correlated(rng, n, condition).astype(np.float32)
    return X, targets(rng, X, loss, mean=mean)


def correlated(rng: np.random.Generator, n: int, condition: float) -> Matrix:
    """B with BᵀB of unit diagonal and that condition: Davies and Higham (2000), Numerically stable generation of
    correlation matrices and their factors.
    """
    eigenvalues = np.geomspace(1, 1 / condition, n)
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    B = np.sqrt(n * eigenvalues / eigenvalues.sum())[:, None] * Q.T
    for _ in range(n - 1):
        squares = (B * B).sum(axis=0)
        i, j = int(np.argmin(squares)), int(np.argmax(squares))
        if squares[j] - squares[i] < 1e-12:
            break
        a, b, c = squares[j] - 1, float(B[:, i] @ B[:, j]), squares[i] - 1
        t = (-b - np.copysign(np.sqrt(max(b * b - a * c, 0.0)), b)) / a
        cosine = 1 / np.sqrt(1 + t * t)
        B[:, i], B[:, j] = cosine * (B[:, i] + t * B[:, j]), cosine * (B[:, j] - t * B[:, i])
    return B


def targets(rng: np.random.Generator, X: Matrix, loss: str, *, mean: float = 0.0) -> Matrix:
    """Drawn from a linear model."""
    eta = X @ rng.normal(size=X.shape[1]).astype(X.dtype)
    eta = 1.5 * (eta - eta.mean()) / eta.std() + mean
    if loss in ("squared", "huber", "quantile"):
        return eta + rng.normal(size=len(eta))
    if loss == "poisson":
        return rng.poisson(np.exp(eta / 2)).astype(float)
    return (eta + rng.logistic(size=len(eta)) > 0).astype(float)


def in_order(rows: int, *, by: str) -> Problem:
    """Rows sorted by a column or by the label."""
    X, y = conditioned(rows, n=60, condition=1e4, loss="logistic")
    order = np.argsort(y if by == "label" else X[:, 0], kind="stable")
    return X[order], y[order]


def heavy_tailed(rows: int) -> Problem:
    """Student's t of five degrees, row by row."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(rows, 60)) / np.sqrt(rng.chisquare(5, size=(rows, 1)) / 5) @ correlated(rng, 60, 1e4)
    return X.astype(np.float32), targets(rng, X, "logistic")


def one_of_many(rows: int) -> Problem:
    """A category of 200 levels whose frequencies are Zipf's, a column for each but the first."""
    rng = np.random.default_rng(6)
    weight = 1 / np.arange(1, 201)
    codes = rng.choice(200, size=rows, p=weight / weight.sum())
    X = (codes[:, None] == np.arange(1, 200)).astype(np.float32)
    return X, (rng.normal(size=200)[codes] + rng.logistic(size=rows) > 0).astype(float)


def neighbours(rows: int, *, n: int, loss: str) -> Problem:
    """Columns each of which is the one before and a thousandth of something new: κ about 4·10⁶."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((rows, n), dtype=np.float32)
    new = np.float32(np.sqrt(1 - 0.999**2))
    for j in range(1, n):
        X[:, j] = np.float32(0.999) * X[:, j - 1] + new * X[:, j]
    return X, targets(rng, X, loss)


def classes(rows: int, *, n: int, condition: float, count: int) -> Problem:
    """Columns as `conditioned` has them, and the largest of so many linear models with Gumbel's noise."""
    rng = np.random.default_rng(n)
    X = rng.standard_normal((rows, n), dtype=np.float32) @ correlated(rng, n, condition).astype(np.float32)
    eta = X @ rng.normal(size=(n, count))
    return X, (1.5 * eta / eta.std(axis=0) + rng.gumbel(size=eta.shape)).argmax(axis=1)


def _of_condition(loss: str, n: int, condition: float, rows: int) -> Case:
    name = f"{loss} n = {n}, κ = {condition:.0e}".replace("e+0", "e")
    return Case(name, loss, rows, partial(conditioned, n=n, condition=condition, loss=loss))


CONDITIONED = (
    _of_condition("logistic", 30, 1e6, 200_000),
    _of_condition("logistic", 100, 1e4, 200_000),
    _of_condition("logistic", 400, 1e4, 200_000),
    _of_condition("poisson", 30, 1e6, 200_000),
)
L1_SOLVERS = ("auto", "fista")
KINKED = partial(conditioned, n=400, condition=1e4, loss="logistic")
ORDERED = (
    Case("shuffled", "logistic", 100_000, partial(conditioned, n=60, condition=1e4, loss="logistic")),
    Case("sorted by a column", "logistic", 100_000, partial(in_order, by="column")),
    Case("sorted by the label", "logistic", 100_000, partial(in_order, by="label")),
    Case("heavy-tailed rows", "logistic", 100_000, heavy_tailed),
    Case("one of 200 levels", "logistic", 200_000, one_of_many, options={"penalty": L2(1e-6)}),
    Case(
        "positives 0.1 %",
        "logistic",
        200_000,
        partial(conditioned, n=60, condition=1e4, loss="logistic", mean=-8.0),
    ),
    Case(
        "l1",
        "logistic",
        100_000,
        partial(conditioned, n=60, condition=1e4, loss="logistic"),
        solvers=("auto", "newton", "fista"),
        options={"penalty": L1(1e-2)},
    ),
    *(
        Case(f"{penalty.name}, n = 400", "logistic", 50_000, KINKED, L1_SOLVERS, {"penalty": penalty})
        for penalty in (L1(1e-3), NonNegative())
    ),
)
WIDE = (
    Case("squared n = 2,000", "squared", 60_000, partial(neighbours, n=2_000, loss="squared"), ("auto", "lbfgs")),
    Case("squared n = 4,000", "squared", 60_000, partial(neighbours, n=4_000, loss="squared"), ("auto", "lbfgs")),
    Case(
        "l1 n = 2,000",
        "squared",
        60_000,
        partial(neighbours, n=2_000, loss="squared"),
        L1_SOLVERS,
        {"penalty": L1(1e-3)},
    ),
    Case("logistic n = 2,000", "logistic", 60_000, partial(neighbours, n=2_000, loss="logistic"), ("auto", "lbfgs")),
    # Rows enough for a sample of as many as it wants; 7.7 GB of memory.
    Case("logistic n = 8,000", "logistic", 240_000, partial(neighbours, n=8_000, loss="logistic"), ("auto", "lbfgs")),
)
SHARED = (
    *(
        Case(
            f"softmax of {count}, n = {n}, κ = {condition:.0e}".replace("e+0", "e"),
            "softmax",
            50_000,
            partial(classes, n=n, condition=condition, count=count),
            ("auto", "lbfgs"),
            {"penalty": L2(1e-5)},
        )
        for count, n, condition in ((50, 100, 1e2), (50, 100, 1e4), (20, 300, 1e4))
    ),
    Case(
        "softmax of 50, n = 100, κ = 1e4, l1",
        "softmax",
        50_000,
        partial(classes, n=100, condition=1e4, count=50),
        L1_SOLVERS,
        {"penalty": L1(1e-4)},
    ),
    *(
        replace(_of_condition(loss, n, condition, 100_000), solvers=("auto", "lbfgs"))
        for loss, n, condition in (("huber", 30, 1e2), ("huber", 30, 1e6), ("huber", 400, 1e4), ("quantile", 30, 1e4))
    ),
    Case(
        "huber n = 100, κ = 1e4, l1",
        "huber",
        100_000,
        partial(conditioned, n=100, condition=1e4, loss="huber"),
        L1_SOLVERS,
        {"penalty": L1(1e-3)},
    ),
)
