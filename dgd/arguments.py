"""Arguments as they may be: each is named with what it may be and what was got, before anything is opened or read."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dgd._version import __version__
from dgd.errors import ConfigurationError
from dgd.fit import Callback, Stopping
from dgd.losses import LOSSES, Loss
from dgd.solvers import SOLVERS, Solver, Vector


def checked_number(name: str, value: Any, *, above: float | None = None, least: float | None = None) -> float:
    """A real number, as a float; `above` and `least` bound it from below, exclusively and inclusively."""
    if not isinstance(value, (bool, np.bool_)) and isinstance(value, numbers.Real):
        number = float(value)
        if not math.isnan(number) and (above is None or number > above) and (least is None or number >= least):
            return number
    bound = f" above {above:g}" if above is not None else f" of {least:g} or more" if least is not None else ""
    raise ConfigurationError(f"{called(name)} must be a number{bound}, got {shown(value)}")


def checked_integer(name: str, value: Any, *, least: int) -> int:
    """A whole number of at least `least`."""
    if not isinstance(value, (bool, np.bool_)) and isinstance(value, (int, np.integer)) and int(value) >= least:
        return int(value)
    raise ConfigurationError(f"{called(name)} must be a whole number of {least} or more, got {shown(value)}")


def checked_flag(name: str, value: Any) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ConfigurationError(f"{called(name)} must be True or False, got {shown(value)}")


def checked_word(name: str, value: Any, words: Iterable[str]) -> str:
    """One of a few words."""
    words = list(words)
    if isinstance(value, str) and value in words:
        return value
    raise ConfigurationError(f"{called(name)} must be one of {', '.join(words)}, got {shown(value)}")


def checked_rate(learning_rate: Any) -> float | str:
    """A learning rate: a positive number, "auto" or "exact"."""
    if isinstance(learning_rate, str) and learning_rate in {"auto", "exact"}:
        return learning_rate
    try:
        rate = checked_number("fit(learning_rate", learning_rate, above=0)
    except ConfigurationError:
        rate = math.inf
    if math.isinf(rate):
        raise ConfigurationError(
            f"`fit(learning_rate=...)` must be a positive number, 'auto' or 'exact', got {shown(learning_rate)}"
        )
    return rate


def make_solver(solver: Any, learning_rate: float | str) -> Solver:
    """The solver of that name; "auto" chooses."""
    name = checked_word("fit(solver", solver, ["auto", *SOLVERS])
    return SOLVERS["gd" if name == "auto" else name](learning_rate)


def make_loss(loss: Any) -> Loss:
    """The loss of that name, or the loss itself."""
    if not isinstance(loss, (str, type)) and hasattr(loss, "value_and_derivative"):
        found: Loss = loss
        return found
    return LOSSES[checked_word("fit(loss", loss, LOSSES)]()


def make_stopping(max_iter: Any, tol: Any, max_seconds: Any) -> Stopping:
    """When to stop."""
    return Stopping(
        max_iter=checked_integer("fit(max_iter", max_iter, least=1),
        tol=checked_number("fit(tol", tol, least=0),
        max_seconds=None if max_seconds is None else checked_number("fit(max_seconds", max_seconds, above=0),
    )


def checked_standardize(standardize: Any, learning_rate: float | str) -> bool:
    """Whether to standardise; "auto" does unless the learning rate is a number."""
    if isinstance(standardize, str) and standardize == "auto":
        return isinstance(learning_rate, str)
    if not isinstance(standardize, (bool, np.bool_)):
        raise ConfigurationError(f"`fit(standardize=...)` must be True, False or 'auto', got {shown(standardize)}")
    return bool(standardize)


def checked_start(theta0: Sequence[float] | Vector | None, n_parameters: int) -> Vector:
    """θ₀; zeros by default."""
    if theta0 is None:
        return np.zeros(n_parameters)
    try:
        given = np.asarray(theta0)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "biuf" or np.ma.isMaskedArray(theta0):
        raise ConfigurationError(f"`fit(theta0=...)` must be real numbers, got {shown(theta0)}")
    if given.shape != (n_parameters,):
        raise ConfigurationError(
            f"`fit(theta0=...)` must have {n_parameters} entries (the intercept first, if one is fitted), "
            f"got shape {given.shape}"
        )
    if not np.isfinite(given).all():
        raise ConfigurationError("`fit(theta0=...)` must be finite numbers")
    return np.array(given, dtype=np.float64)


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks, each of which can be called; a generator is used up once and for all."""
    try:
        found = tuple(callbacks)
    except TypeError:
        found = (None,)
    if not all(callable(callback) for callback in found):
        raise ConfigurationError(f"`fit(callbacks=...)` must be a list of functions, got {shown(callbacks)}")
    return found


def refuse_unavailable(*, penalty: Any, resident: Any, checkpoint: Any) -> None:
    """Names that are reserved in the signature; any value but the default is refused rather than ignored."""
    for name, value, available in (
        ("penalty", penalty, penalty is None),
        ("resident", resident, isinstance(resident, str) and resident == "auto"),
        ("checkpoint", checkpoint, checkpoint is None),
    ):
        if not available:
            raise ConfigurationError(f"`fit({name}=...)` is not available in dgd {__version__}, got {shown(value)}")


def called(name: str) -> str:
    """An argument as the user wrote it: `fit(tol=...)`, or `threads=...`."""
    return f"`{name}=...)`" if "(" in name else f"`{name}=...`"


def shown(value: Any) -> str:
    """A value as an error shows it: never more than a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… of type {type(value).__name__}"
