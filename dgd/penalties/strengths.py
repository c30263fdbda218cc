"""Strengths and bounds as they are given: checked, and refused in the words of the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Vector
from dgd.errors import ConfigurationError

Numbers = float | Sequence[float] | NDArray[Any]
"""What a strength or bound may be given as; it is kept as a float or as a read-only array, (n,), (q, n) or (q, 1)."""


def checked_strength(call: str, value: Numbers) -> float | Vector:
    """A strength: finite and 0 or more. `call` is the argument as an error quotes it, such as L1(l1=...)."""
    expected = "a number of 0 or more"
    strength = _numbers(call, value, expected)
    _refuse_where(~(np.isfinite(strength) & (np.asarray(strength) >= 0)), strength, call, expected)
    return strength


def checked_lower(call: str, value: Numbers) -> float | Vector:
    """A lower bound: any number, or −∞ for none."""
    expected = "a number, or -inf for no bound"
    lower = _numbers(call, value, expected)
    _refuse_where(np.isnan(lower) | np.isposinf(lower), lower, call, expected)
    return lower


def checked_upper(call: str, value: Numbers) -> float | Vector:
    """An upper bound: any number, or ∞ for none."""
    expected = "a number, or inf for no bound"
    upper = _numbers(call, value, expected)
    _refuse_where(np.isnan(upper) | np.isneginf(upper), upper, call, expected)
    return upper


def check_order(call: str, lower: Numbers, upper: Numbers) -> None:
    """Raise ConfigurationError unless lower ≤ upper for every feature."""
    low, high = np.asarray(lower), np.asarray(upper)
    if low.ndim == high.ndim == 1 and low.size != high.size:
        raise ConfigurationError(f"`{call}` must be of one length, got {low.size} and {high.size} numbers")
    try:
        wrong = np.atleast_1d(low > high)
    except ValueError:
        raise ConfigurationError(
            f"`{call}` must have shapes that go together, got {low.shape} and {high.shape}"
        ) from None
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        low, high = np.broadcast_to(low, wrong.shape), np.broadcast_to(high, wrong.shape)
        where = f" for {_which(place)}" if wrong.size > 1 else ""
        got = f"{float(low[place])} > {float(high[place])}"
        raise ConfigurationError(f"`{call}` must have lower <= upper, got {got}{where}")


def check_length(call: str, value: Numbers, n_features: int) -> None:
    """Raise ConfigurationError unless the strength or bound is one number or `n_features` of them."""
    size = np.size(value)
    if np.ndim(value) == 2:
        raise ConfigurationError(
            f"`{call}` must be one number, or one per feature here, got shape {np.shape(value)}: numbers for each "
            f"output are for `dgd.fit`; for a path or a summary give a list of penalties"
        )
    if np.ndim(value) == 1 and size != n_features:
        raise ConfigurationError(f"`{call}` must be one number, or one per feature: {n_features} here, got {size}")


def check_shape(call: str, value: Numbers, n_features: int, outputs: int | None) -> None:
    """Raise ConfigurationError unless it is one number, n of them, or with q outputs (q, n) or (q, 1) of them."""
    if np.ndim(value) < 2:
        check_length(call, value, n_features)
    elif outputs is None or np.shape(value) not in ((outputs, n_features), (outputs, 1)):
        shapes = "" if outputs is None else f", ({outputs}, {n_features}) or ({outputs}, 1)"
        raise ConfigurationError(
            f"`{call}` must be one number, {n_features} of them, one per feature{shapes}, got shape {np.shape(value)}"
        )


def _numbers(call: str, value: Numbers, expected: str) -> float | Vector:
    """One real number as a float, or several as a read-only copy; anything else is refused."""
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.asarray(None)
    flags = isinstance(value, (list, tuple)) and any(isinstance(entry, (bool, np.bool_)) for entry in value)
    if given.ndim > 2 or given.dtype.kind not in "iuf" or flags or isinstance(value, np.ma.MaskedArray):
        got = f"an array of shape {given.shape}" if given.ndim > 2 else repr(value)
        raise _refusal(call, expected, got if len(got) <= 60 else f"{got[:57]}...")
    if given.ndim == 0:
        return float(given)
    numbers = np.array(given, dtype=np.float64)
    numbers.flags.writeable = False
    return numbers


def _refuse_where(wrong: Any, value: float | Vector, call: str, expected: str) -> None:
    """Raise for the first number that is wrong, and say which it is."""
    if not np.any(wrong):
        return
    if np.ndim(value) == 0:
        raise _refusal(call, expected, f"{value}")
    place = np.unravel_index(int(np.argmax(wrong)), np.shape(wrong))
    raise _refusal(call, expected, f"{np.asarray(value)[place]} for {_which(place)}")


def _which(place: tuple[Any, ...]) -> str:
    """The feature, and the output, that a number is of."""
    *output, feature = (int(each) for each in place)
    return f"feature {feature}" + (f" of output {output[0]}" if output else "") + " (counted from 0)"


def _refusal(call: str, expected: str, got: str) -> ConfigurationError:
    """The error that quotes the call, what it takes and what it got."""
    return ConfigurationError(f"`{call}` must be {expected}, or one per feature, got {got}")
