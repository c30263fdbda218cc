"""Many models in the passes of one: least squares beside bare products, cross-validation beside a single fit.

Bars: least squares in one pass, 1.25 × XᵀX by a loop written by hand, and 1.5 × that and Cholesky for 2,000 targets;
ridge, 100 strengths × 5 folds: 1.3 × the time of a single fit; logistic, 20 × 5: 1.5 × the passes of the hardest single
fit, 15 × its time. scikit-learn's LogisticRegressionCV makes the same hundred fits to its own tolerance. Medians of
alternating runs, in seconds of the processor; beside bare products on two threads, else on one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import dgd
from dgd.penalties import L2

from . import _products

FOLDS, STRENGTHS, RIDGES = 5, 20, 100


def add_options(parser: argparse.ArgumentParser) -> None:
    """The size, and what is left out."""
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--numbers", type=int, default=2**26, help="of X beside bare products; 0 leaves that out")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", action="store_true", help="scikit-learn's LogisticRegressionCV as well: minutes")


def measure(rows: int, features: int, runs: int, numbers: int, peers: bool = False) -> list[dict[str, Any]]:
    """A row for each width of a squared loss, and one for each loss that is cross-validated."""
    products = list(_products.measure(numbers, runs)) if numbers else []
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features))
    eta = X @ rng.normal(size=features) / 3
    y, bought = eta + rng.normal(size=rows), (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(float)
    found = [*products, _ridge(X, y, runs), _logistic(X, bought, min(runs, 3))]
    if peers:
        found.append(_scikit_learn(X, bought))
    return found


def _ridge(X: np.ndarray, y: np.ndarray, runs: int) -> dict[str, Any]:
    one, all_of_them = _alternating(
        lambda: dgd.fit(X, y, penalty=L2(0.1), threads=1),
        lambda: dgd.cross_validate(X, y, penalties="l2", n_lambdas=RIDGES, folds=FOLDS, threads=1),
        runs,
    )
    return _row("ridge", RIDGES * FOLDS, one, all_of_them, bar=1.3)


def _logistic(X: np.ndarray, y: np.ndarray, runs: int) -> dict[str, Any]:
    strengths = np.logspace(0, -4, STRENGTHS)
    penalties = [L2(float(s)) for s in strengths]
    one, all_of_them = _alternating(
        lambda: dgd.fit(X, y, loss="logistic", penalty=penalties[-1], threads=1),
        lambda: dgd.cross_validate(X, y, loss="logistic", penalties=penalties, folds=FOLDS, threads=1),
        runs,
    )
    return _row("logistic", STRENGTHS * FOLDS, one, all_of_them, bar=15)


def _scikit_learn(X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    Cs = 1 / (np.logspace(0, -4, STRENGTHS) * len(X))
    one = _timed(lambda: LogisticRegression(C=Cs[-1]).fit(X, y))
    many = _timed(
        lambda: LogisticRegressionCV(
            Cs=Cs, cv=FOLDS, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False
        ).fit(X, y)
    )
    return _row("scikit-learn", STRENGTHS * FOLDS, one, many, bar=None)


def _alternating(one: Callable[[], Any], many: Callable[[], Any], runs: int) -> tuple[Any, Any]:
    """(seconds, result) of each, medians of runs that take turns."""
    pairs = [(_timed(one), _timed(many)) for _ in range(runs)]
    return tuple((float(np.median([pair[k][0] for pair in pairs])), pairs[-1][k][1]) for k in range(2))  # type: ignore[return-value]


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def _row(what: str, fits: int, one: Any, many: Any, *, bar: float | None) -> dict[str, Any]:
    passes, once = getattr(many[1], "passes", None), getattr(one[1], "n_iter_", None)
    ratio = many[0] / one[0]
    return {
        "fits": f"{what}, {fits}",
        "one s": round(one[0], 3),
        "all s": round(many[0], 3),
        "ratio": round(ratio, 2),
        "bar": bar,
        "passes": passes,
        "of one": int(np.max(once)) if passes else None,
    }
