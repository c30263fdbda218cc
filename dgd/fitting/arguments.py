"""Checks of the arguments of a fit, before anything is opened or read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_integer, checked_number, checked_word
from dgd.errors.words import shown
from dgd.fitting.verdict.stopping import Callback, Stopping
from dgd.losses import LOSSES, Loss
from dgd.losses.other_names import OTHER_NAMES
from dgd.penalties import NoPenalty, Penalty
from dgd.solvers import Rate
from dgd.solvers.gradient_descent import RATES

RATE_WORDS = ("auto", "exact", "backtracking")


def checked_rate(learning_rate: Any) -> Rate:
    """A learning rate: a positive number, "auto", "exact", "backtracking", or a function of the step."""
    if (isinstance(learning_rate, str) and learning_rate in RATE_WORDS) or callable(learning_rate):
        rate: Rate = learning_rate
        return rate
    try:
        number = checked_number("fit(learning_rate", learning_rate, above=0)
    except ConfigurationError:
        number = math.inf
    if math.isinf(number):
        raise ConfigurationError(f"`fit(learning_rate=...)` must be {RATES}, got {shown(learning_rate)}")
    return number


def make_loss(loss: Any) -> Loss:
    """The loss of that name, or the loss itself."""
    if not isinstance(loss, (str, type)) and hasattr(loss, "value_and_derivative"):
        found: Loss = loss
        return found
    if isinstance(loss, str) and loss in OTHER_NAMES:
        raise ConfigurationError(f"`fit(loss={loss!r})` is no loss of dgd; take loss={OTHER_NAMES[loss]}")
    return LOSSES[checked_word("fit(loss", loss, LOSSES)]()


def make_penalty(penalty: Any) -> Penalty:
    """The penalty itself; none for None."""
    if penalty is None:
        return NoPenalty()
    if not isinstance(penalty, type) and hasattr(penalty, "prox"):
        found: Penalty = penalty
        return found
    raise ConfigurationError(
        f"`fit(penalty=...)` must be an object of dgd.penalties, such as L2(0.1) or ElasticNet(l1=0.1, l2=0.1), got "
        f"{shown(penalty)}"
    )


def make_stopping(max_iter: Any, tol: Any, max_seconds: Any, patience: Any = None, min_delta: Any = 0.0) -> Stopping:
    """When to stop."""
    return Stopping(
        max_iter=checked_integer("fit(max_iter", max_iter, least=1),
        tol=checked_number("fit(tol", tol, least=0),
        max_seconds=None if max_seconds is None else checked_number("fit(max_seconds", max_seconds, above=0),
        patience=None if patience is None else checked_integer("fit(patience", patience, least=1),
        min_delta=checked_number("fit(min_delta", min_delta, least=0),
    )


def checked_standardize(standardize: Any, learning_rate: Any) -> bool:
    """Whether to standardise; "auto" does unless the learning rate is a number or a function."""
    if isinstance(standardize, str) and standardize == "auto":
        return isinstance(learning_rate, str)
    if not isinstance(standardize, (bool, np.bool_)):
        raise ConfigurationError(f"`fit(standardize=...)` must be True, False or 'auto', got {shown(standardize)}")
    return bool(standardize)


def checked_start(theta0: Any, shape: tuple[int, ...]) -> Vector | None:
    """θ₀ of that shape, None where none was given. A result brings its θ."""
    if theta0 is None:
        return None
    theta0 = getattr(theta0, "theta", theta0)
    try:
        given = np.asarray(theta0)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "biuf" or np.ma.isMaskedArray(theta0):
        raise ConfigurationError(f"`fit(theta0=...)` must be real numbers, got {shown(theta0)}")
    if given.shape != shape:
        expected = f"{shape[0]} entries" if len(shape) == 1 else f"shape {shape}"
        raise ConfigurationError(
            f"`fit(theta0=...)` must have {expected} (the intercept first, if one is fitted), got shape {given.shape}"
        )
    if not np.isfinite(given).all():
        raise ConfigurationError("`fit(theta0=...)` must be finite numbers")
    return np.array(given, dtype=np.float64)


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks as a tuple of functions."""
    try:
        found = tuple(callbacks)
    except TypeError:
        found = (None,)
    if not all(callable(callback) for callback in found):
        raise ConfigurationError(f"`fit(callbacks=...)` must be a list of functions, got {shown(callbacks)}")
    return found
