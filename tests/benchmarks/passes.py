"""How many passes over the data each method needs: to ‖∇F‖ ≤ 1e-8·‖∇F₀‖, which no machine's speed changes.

`--part textbook`: squared: κ(XᵀX) = 10⁴ with eigenvalues in geometric spacing, 30 features, no intercept, columns as
they are. Logistic: 500 features, labels that overlap. Bars: the most passes a method may take.

`--part conditioned`, `ordered`, `wide`, `shared`: passes to 1e-6, 1e-8 and 1e-12 of the first gradient by
`solver="auto"` and, for contrast, by others, and how many of all passes summed a Hessian, "H"; columns that are nearly
dependent, rows that are sorted, heavy-tailed or rare, thousands of columns, many classes and losses whose curvature
vanishes. "> 250": not within so many.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import dgd

from ._conditioned import CONDITIONED, ORDERED, SHARED, WIDE, Case
from ._counted import COLUMNS, counted

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


PARTS = {"conditioned": CONDITIONED, "ordered": ORDERED, "wide": WIDE, "shared": SHARED}
MOST = 250
"""Passes after which a method is given up."""
MOST_WIDE = 150


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--part", choices=["textbook", *PARTS], action="append", help="this part alone; several may be")


def measure(part: list[str] | None = None) -> list[dict[str, Any]]:
    """Passes and seconds of every method."""
    chosen = part or ["textbook", *PARTS]
    rows = [row(method) for method in METHODS] if "textbook" in chosen else []
    for name, cases in PARTS.items():
        if name in chosen:
            rows.extend(found for case in cases for found in rows_of(case, MOST_WIDE if name == "wide" else MOST))
    return rows


def rows_of(case: Case, most: int, *, rows: int | None = None) -> Iterator[dict[str, Any]]:
    """A line for each solver of a case."""
    rows = rows or case.rows
    X, y = case.rows_of(rows)
    for solver in case.solvers:
        count = counted(X, y, loss=case.loss, solver=solver, max_iter=most, **case.options)
        yield {
            "case": case.name,
            "rows": f"{rows:,}",
            "solver": f"auto: {count.solver}" if solver == "auto" else solver,
            **dict(zip(COLUMNS, count.columns, strict=True)),
            "seconds": count.seconds,
        }


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
