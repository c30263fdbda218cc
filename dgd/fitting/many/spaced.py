"""Which of many lines are printed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

SHOWN = 25


def spaced(count: int, needed: Iterable[int] = ()) -> list[int]:
    """All numbers below count, or some that are evenly spaced and those needed."""
    needed = set(needed)
    if count <= SHOWN:
        return list(range(count))
    return sorted({round(k) for k in np.linspace(0, count - 1, SHOWN - len(needed))} | needed)
