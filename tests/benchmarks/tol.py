"""What `tol` buys: the passes that `solver="auto"` takes for each, and how many digits its coefficients then have.

Digits, in brackets: of the coefficient that has fewest, −log₁₀ |b − b*|/|b*|, beside a fit whose gradient is at
rounding level; of coefficients that l1 holds at 0 none are asked. 20,000 rows.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import dgd
from dgd.penalties import L1, L2
from tests.families import FAMILIES
from tests.families.family import Rows

from ._conditioned import conditioned

TOLS = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
MOST = 3_000
LEAST = 1e-16


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--only", default="", metavar="WORD", help="losses with this word in their name")


def measure(only: str = "") -> Iterator[dict[str, Any]]:
    """A line for each problem: passes (digits) for each `tol`."""
    return (row(problem) for problem in PROBLEMS if only in problem.loss)


def row(problem: Problem, rows: int = 20_000) -> dict[str, Any]:
    """One problem's line."""
    found = problem.rows_of(rows)
    columns = {"weight": found.weight, "offset": found.offset, "loss": problem.loss, **problem.options}

    def fit(**options: Any) -> dgd.Result:
        return dgd.fit(found.X, found.y, max_iter=MOST, **columns, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near = fit(tol=1e-13)
        exact = fit(tol=1e-14, solver=problem.exact, theta0=near.theta)
        fits = {tol: fit(tol=tol) for tol in TOLS}
    said = {f"{tol:g}": f"{each.n_iter_} ({digits(each.coef_, exact.coef_):.1f})" for tol, each in fits.items()}
    return {"loss": problem.loss, "problem": problem.name, "solver": near.choice.name, **said}


def digits(coef: Any, exact: Any) -> float:
    """Of the coefficient that has fewest."""
    kept = exact != 0
    worst = float((abs(coef - exact)[kept] / abs(exact)[kept]).max(initial=0.0))
    return -float(np.log10(max(worst, LEAST)))


@dataclass(frozen=True)
class Problem:
    """Rows, a loss, and what finds its optimum to the last digit."""

    name: str
    loss: str
    rows_of: Callable[[int], Rows]
    exact: str = "newton"
    options: dict[str, Any] = field(default_factory=dict)


def _of(name: str) -> Problem:
    (family,) = (each for each in FAMILIES if each.name == name)
    options = {} if family.penalty is None else {"penalty": family.penalty}
    return Problem(name, family.loss, lambda rows: family.rows_of(np.random.default_rng(0), rows), options=options)


def _conditioned(loss: str, n: int, condition: float, exact: str = "newton", **options: Any) -> Problem:
    drawn = {"huber": "squared", "quantile": "squared"}.get(loss, loss)
    made = partial(conditioned, n=n, condition=condition, loss=drawn)
    name = f"n = {n:,}, κ = {condition:.0e}".replace("e+0", "e") + ", l1" * isinstance(options.get("penalty"), L1)
    return Problem(name, loss, lambda rows: Rows(*made(rows)), exact, options)


PROBLEMS = (
    _conditioned("squared", 30, 1e6),
    _conditioned("squared", 1_200, 1e3),
    _conditioned("logistic", 30, 1e2),
    _conditioned("logistic", 30, 1e6),
    _of("correlated blocks"),
    _of("nearly separable"),
    _of("rare positives"),
    _of("four classes"),
    _conditioned("poisson", 30, 1e2),
    _conditioned("poisson", 30, 1e6),
    _of("exposures of 4 orders"),
    _of("splines"),
    _of("gamma amounts"),
    _conditioned("logistic", 400, 1e4),
    _conditioned("huber", 30, 1e2, "lbfgs"),
    _conditioned("huber", 30, 1e4, "lbfgs"),
    _conditioned("quantile", 30, 1e2, "lbfgs"),
    _conditioned("logistic", 1_200, 1e3, penalty=L2(1e-4)),
    _conditioned("logistic", 60, 1e2, penalty=L1(1e-2)),
    _conditioned("logistic", 400, 1e2, penalty=L1(1e-2)),
    _conditioned("huber", 30, 1e2, "fista", penalty=L1(1e-2)),
)
