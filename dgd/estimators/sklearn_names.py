"""scikit-learn's names here: which of its solvers stand for which of dgd's, and the parameters that change no answer.

Each fit of dgd ends at the minimum, so that a solver's name says how it is found and not what. What ran is `solver_`.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag, checked_word
from dgd.errors.words import shown
from dgd.penalties import Penalty
from dgd.solvers import SOLVERS

SOLVER_NAMES = (
    "svd",
    "cholesky",
    "lsqr",
    "sparse_cg",
    "sag",
    "saga",
    "liblinear",
    "newton-cg",
    "newton-cholesky",
    "highs",
    "highs-ds",
    "highs-ipm",
)
"""Solvers of scikit-learn, of dense and sparse X, any penalty and any number of classes: each stands for "auto"."""


def own_solver(name: str, solver: Any, penalty: Penalty) -> Any:
    """What `dgd.fit(solver=...)` is given for an estimator's `solver`: "auto" for a name of scikit-learn's.

    So it is for "lbfgs", which both have, where the penalty has kinks or bounds: scikit-learn's has them then.
    Raises ConfigurationError for a name that neither has.
    """
    if not isinstance(solver, str):
        return solver
    if solver in SOLVER_NAMES or (solver == "lbfgs" and not penalty.is_smooth):
        return "auto"
    return checked_word(f"{name}(solver", solver, ["auto", *SOLVERS, *SOLVER_NAMES])


def not_converged(solver: Any, passes: int) -> str:
    """The words that scikit-learn's solver of that name has for its limit, so that filters of warnings go on."""
    if solver in ("sag", "saga"):
        return "The max_iter was reached which means the coef_ did not converge"
    if solver == "liblinear":
        return "Liblinear failed to converge, increase the number of iterations."
    if solver == "newton-cholesky":
        return f"Newton solver did not converge after {passes} iterations."
    return f"{solver} failed to converge. Increase the number of iterations."


def check_without_effect(estimator: Any) -> None:
    """Raise ConfigurationError for a value that scikit-learn refuses, of a parameter that has no effect here."""
    for parameter, check in WITHOUT_EFFECT.items():
        if hasattr(estimator, parameter):
            check(f"{type(estimator).__name__}({parameter}", getattr(estimator, parameter))


def _seed(name: str, value: Any) -> None:
    try:
        check_random_state(value)
    except ValueError:
        raise ConfigurationError(
            f"`{name}=...)` must be None, a whole number of 0 or more or a RandomState, got {shown(value)}"
        ) from None


def _selection(name: str, value: Any) -> None:
    checked_word(name, value, ["cyclic", "random"])


def _verbosity(name: str, value: Any) -> None:
    if not isinstance(value, (numbers.Integral, np.bool_)) or value < 0:
        raise ConfigurationError(f"`{name}=...)` must be True, False or a whole number, got {shown(value)}")


def _scaling(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigurationError(f"`{name}=...)` must be a number, got {shown(value)}")


def _duality(name: str, value: Any) -> None:
    if not isinstance(value, (bool, np.bool_)) and value != "auto":
        raise ConfigurationError(f"`{name}=...)` must be True, False or 'auto', got {shown(value)}")


def _nothing(name: str, value: Any) -> None:
    """Anything goes."""


WITHOUT_EFFECT: dict[str, Callable[[str, Any], Any]] = {
    "copy_X": checked_flag,
    "dual": _duality,
    "intercept_scaling": _scaling,
    "random_state": _seed,
    "selection": _selection,
    "solver_options": _nothing,
    "verbose": _verbosity,
}
"""What checks each: X is never written to, nothing is drawn, no coordinate is chosen, no intercept is penalised."""
