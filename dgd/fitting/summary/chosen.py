"""Columns and targets of a summary, as a call names them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd.errors import ConfigurationError
from dgd.errors.words import shown


def chosen_columns(features: Any, names: tuple[str, ...] | None, n: int) -> list[int]:
    """The numbers of columns that are given by name or number, in their order; all for None."""
    if features is None:
        return list(range(n))
    if isinstance(features, str) or not hasattr(features, "__iter__"):
        raise ConfigurationError(f"`fit(features=...)` must be a list of names or numbers, got {shown(features)}")
    place = {name: j for j, name in enumerate(names or ())}
    found = [place.get(each, -1) if isinstance(each, str) else _number(each, n) for each in features]
    if not found or min(found) < 0 or len(set(found)) < len(found):
        known = ", ".join(list(place)[:12]) or "which have numbers from 0 alone"
        raise ConfigurationError(
            f"`fit(features=...)` must be different columns of the summary's {n} ({known}), got {shown(features)}"
        )
    return found


def chosen_targets(targets: Any, q: int) -> list[int]:
    """The numbers of targets, one or several; all for None."""
    if targets is None:
        return list(range(q))
    found = [_number(each, q) for each in (targets if hasattr(targets, "__iter__") else [targets])]
    if not found or min(found) < 0:
        raise ConfigurationError(f"`fit(targets=...)` must be numbers from 0 to {q - 1}, got {shown(targets)}")
    return found


def _number(value: Any, count: int) -> int:
    """A number from 0 below `count`, −1 for anything else."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    return int(value) if whole and 0 <= value < count else -1
