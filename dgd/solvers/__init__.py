"""The solvers, by name. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Callable

from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Solver, State, Status, Vector
from dgd.solvers.exact_line_search import ExactLineSearch
from dgd.solvers.gradient_descent import GradientDescent
from dgd.solvers.safe_step import SafeStep


def gradient_descent(learning_rate: float | str) -> Solver:
    """Batch gradient descent by its learning-rate rule: a number, "auto" or "exact"."""
    if learning_rate == "auto":
        return SafeStep()
    if learning_rate == "exact":
        return ExactLineSearch()
    if isinstance(learning_rate, str):
        raise ConfigurationError(
            f"`fit(learning_rate=...)` must be a positive number, 'auto' or 'exact', got {learning_rate!r}"
        )
    return GradientDescent(learning_rate)


SOLVERS: dict[str, Callable[[float | str], Solver]] = {
    "gd": gradient_descent,
}

__all__ = [
    "SOLVERS",
    "Evaluation",
    "ExactLineSearch",
    "GradientDescent",
    "SafeStep",
    "Solver",
    "State",
    "Status",
    "Vector",
    "gradient_descent",
]
