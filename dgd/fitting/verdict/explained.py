"""How much of what the best constant leaves a fit has explained: R², or the part of the deviance."""

from __future__ import annotations

import numpy as np

from dgd._typing import Vector
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective


def explained(objective: Objective, value: float, point: Vector, known: Known) -> float | None:
    """1 − (loss − saturated)/(null − saturated): R² for the squared loss, the part of the deviance for the others.

    The null model is the best constant prediction. None where an offset or the loss leaves it unknown, or where the
    targets are all the same.
    """
    if known.targets is None or objective.dataset.offset is not None:
        return None
    moments = known.targets.moments
    with np.errstate(divide="ignore", invalid="ignore"):
        null = objective.loss.null_value(moments.mean, moments.variance)
        saturated = known.targets.saturated / moments.weight
    loss = objective.mean_loss(value, point, known)
    with np.errstate(over="ignore", invalid="ignore"):
        explained = 1 - (loss - saturated) / (null - saturated) if null - saturated > 0 else float("nan")
    return explained if np.isfinite(explained) else None
