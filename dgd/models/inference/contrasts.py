"""Linear hypotheses about coefficients, by name.

"dose"                         b_dose = 0
"dose = 2"                     b_dose = 2
"a - 2*b = 1", "a = b"         a linear equation; names with other characters than letters, digits, _ and . are
                               written in backticks: "`ping (ms)` = 0"
{"a": 1, "b": -2}              the coefficients of a combination that is to be 0
["a = b", "c"]                 several at once
an array (r, p)                rows R with Rθ = 0, in the order of the names
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.errors.words import shown

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)(?![\w.])"
    r"|(?P<name>`[^`]+`|[^\W\d][\w.:]*)|(?P<sign>[-+*=]))"
)
RELATED = 1e-12
"""Rows whose smallest singular value is below this part of the largest depend on each other."""


@dataclass(frozen=True)
class Hypothesis:
    """Rθ = r."""

    R: Matrix
    r: Vector
    text: str


def hypothesis(given: Any, names: Sequence[str]) -> Hypothesis:
    """What is meant, as a matrix over parameters of those names. Raises ConfigurationError where that is unclear."""
    rows = [given] if isinstance(given, (str, Mapping)) else given
    if not isinstance(rows, (list, tuple)) or not rows or not all(isinstance(row, (str, Mapping)) for row in rows):
        return _of_matrix(given, names)
    found = [_equation(row, names) if isinstance(row, str) else _combination(row, names) for row in rows]
    text = ", ".join(row if isinstance(row, str) else str(dict(row)) for row in rows)
    return _checked(np.array([row for row, _ in found]), np.array([value for _, value in found]), text)


def _of_matrix(given: Any, names: Sequence[str]) -> Hypothesis:
    try:
        R = np.atleast_2d(np.asarray(given, dtype=np.float64))
    except (TypeError, ValueError):
        R = np.empty((0, 0))
    if R.ndim != 2 or R.shape[1] != len(names) or not np.isfinite(R).all():
        raise ConfigurationError(
            f"a hypothesis is a name, an equation such as 'a - b = 0', a dictionary of factors, a list of those, or "
            f"an array with {len(names)} columns, got {shown(given)}"
        )
    return _checked(R, np.zeros(len(R)), f"{len(R)} linear combinations")


def _checked(R: Matrix, r: Vector, text: str) -> Hypothesis:
    size = np.linalg.norm(R, axis=1)
    if (size == 0).any():
        raise ConfigurationError(f"the hypothesis {text!r} says nothing about a coefficient; name one")
    singular = np.linalg.svd(R / size[:, None], compute_uv=False)
    if len(R) > R.shape[1] or singular[-1] <= RELATED * singular[0]:
        raise ConfigurationError(f"the equations of {text!r} depend on each other; leave out those that others imply")
    return Hypothesis(R, r, text)


def _combination(factors: Mapping[Any, Any], names: Sequence[str]) -> tuple[Vector, float]:
    row = np.zeros(len(names))
    for name, factor in factors.items():
        if isinstance(factor, bool) or not isinstance(factor, (int, float, np.number)):
            raise ConfigurationError(f"the factor of {name!r} must be a number, got {shown(factor)}")
        row[_index(name, names)] += factor
    return row, 0.0


def _equation(text: str, names: Sequence[str]) -> tuple[Vector, float]:
    if text in names:
        return _combination({text: 1}, names)
    row, constant, side, sign, factor = np.zeros(len(names)), 0.0, 1.0, 1.0, None
    expects_term = True
    for token in _tokens(text):
        kind, word = token
        if kind == "sign" and word == "=" and side == 1.0 and not expects_term:
            constant += 0.0 if factor is None else side * sign * factor
            side, sign, factor, expects_term = -1.0, 1.0, None, True
        elif kind == "sign" and word in "+-":
            if not expects_term:
                constant += 0.0 if factor is None else side * sign * factor
                sign, factor = 1.0, None
            sign, expects_term = sign * (-1.0 if word == "-" else 1.0), True
        elif kind == "sign" and word == "*" and factor is not None and not expects_term:
            expects_term = True
        elif kind == "number" and expects_term and factor is None:
            factor, expects_term = float(word), False
        elif kind == "name" and expects_term:
            row[_index(word.strip("`"), names)] += side * sign * (1.0 if factor is None else factor)
            sign, factor, expects_term = 1.0, None, False
        else:
            raise _unclear(text)
    if expects_term:
        raise _unclear(text)
    constant += 0.0 if factor is None else side * sign * factor
    return row, -constant


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at, text_end = [], 0, len(text.rstrip())
    while at < text_end:
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _unclear(text)
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _unclear(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"the hypothesis {text!r} is not a linear equation of names, such as 'a - 2*b = 1'; put names with other "
        f"characters in backticks, or give a dictionary of factors"
    )


def _index(name: Any, names: Sequence[str]) -> int:
    try:
        return list(names).index(name)
    except ValueError:
        listed = ", ".join(names[:8]) + ("" if len(names) <= 8 else f" and {len(names) - 8} more")
        raise ConfigurationError(f"there is no coefficient {shown(name)}; there are {listed}") from None
