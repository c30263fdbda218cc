"""Which columns a diverging descent grows along.

Steps that are too long grow along the direction of largest curvature: gradient descent is then the power iteration,
and the last gradient tends to the dominant eigenvector of the Hessian. A column's part in it grows with its scale.
"""

from __future__ import annotations

import numpy as np

from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.solvers.base import Evaluation

SHOWN = 3
SHARE = 0.3
"""A column is named if its part of the gradient is at least this part of the largest."""
OUTSTANDING = 10.0
"""Columns are named only if the largest part is so many times the median: else their scales are alike."""


def columns_to_blame(objective: Objective, evaluation: Evaluation, known: Known) -> str:
    """A sentence that names the columns whose scale makes the steps too long; empty where none stands out."""
    part = np.abs(known.coordinates.coef_part(evaluation.gradient))
    size = part if part.ndim == 1 else part.max(axis=1)
    if not np.isfinite(size).all() or size.size < 2:
        return ""
    largest, usual = float(size.max()), float(np.median(size))
    if not largest > OUTSTANDING * usual:
        return ""
    order = np.argsort(-size)[:SHOWN]
    names = objective.dataset.feature_names
    shown = [repr(names[j]) if names else str(j) for j in order if size[j] >= SHARE * largest]
    columns = f"column {shown[0]}" if len(shown) == 1 else f"columns {', '.join(shown)}"
    times = f"{largest / usual:.2g} times" if usual > 0 else "far more than"
    which = "its part" if len(shown) == 1 else "their part"
    return (
        f"the steps grow along {columns}, {which} of the gradient being {times} that of a usual column: rescale, or "
        f"fit with standardize=True"
    )
