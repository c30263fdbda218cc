"""Passes to ‖∇F‖ ≤ 1e-8·‖∇F₀‖, held to the bars of `python -m tests.benchmarks passes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import passes

QUICK = [method for method in passes.METHODS if not method.slow]
SLOW = [method for method in passes.METHODS if method.slow]


def named(method: passes.Method) -> str:
    return f"{method.problem} {method.label}"


def held(method: passes.Method) -> dict[str, Any]:
    row = passes.row(method)
    assert row["met"], f"{row['passes']} passes, the bar is {row['bar']}"
    return row


@pytest.mark.parametrize("method", QUICK, ids=named)
def test_no_more_passes_than_the_bar(method: passes.Method) -> None:
    assert held(method)["passes"] > 0.3 * method.bar, "a bar that far above what is needed holds nothing"


@pytest.mark.slow
@pytest.mark.parametrize("method", SLOW, ids=named)
def test_no_more_passes_than_the_bar_of_slow_methods(method: passes.Method) -> None:
    assert held(method)["passes"] > 0.3 * method.bar


@pytest.mark.slow
def test_gradient_descent_takes_the_passes_that_theory_says() -> None:
    """In the eigenvectors of H the gradient is (1 − λ/L)ᵏ gᵢ; to a pass, a count of 90,000."""
    X, y = passes.least_squares()
    eigenvalues, vectors = np.linalg.eigh(2 / len(y) * X.T @ X)
    start = vectors.T @ (2 / len(y) * X.T @ y)
    rate = 1 - eigenvalues / 2

    def reached(k: int) -> bool:
        return bool(np.linalg.norm(rate**k * start) <= passes.TOL * np.linalg.norm(start))

    low, high = 0, 10**6
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    assert abs(held(SLOW[0])["passes"] - (high + 1)) <= 1


def test_the_problem_is_the_one_the_bars_are_for() -> None:
    X, _ = passes.least_squares()
    eigenvalues = np.linalg.eigvalsh(X.T @ X / len(X))
    np.testing.assert_allclose(eigenvalues[::-1], np.geomspace(1, 1e-4, 30), rtol=1e-9)


def test_a_benchmark_has_a_docstring_and_measures() -> None:
    """`python -m tests.benchmarks` finds them by their files."""
    import importlib

    for path in Path(passes.__file__).parent.glob("[a-z]*.py"):
        module = importlib.import_module(f"benchmarks.{path.stem}")
        assert module.__doc__
        assert callable(module.measure)
