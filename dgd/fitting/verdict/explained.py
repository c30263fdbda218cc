"""How much of what the best constant leaves a fit has explained: R², or the part of the deviance.

    R² = 1 − Σ w(ŷ − y)² / Σ w(y − ȳ)²        about the mean, with an intercept and without, as scikit-learn has it
         1 − Σ w(ŷ − y)² / Σ w y²             about 0, as R, Spark and statsmodels have it where there is no intercept

Without an intercept the first may be below 0, and the second may be near 1 however bad the fit: it is that of the
prediction 0. Kvålseth (1985), Cautionary note about R².
"""

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


def about_zero(objective: Objective, value: float, point: Vector, known: Known) -> float | None:
    """R² about 0 of a squared loss without an intercept; None with one, with an offset, or for other losses."""
    if objective.fit_intercept or not objective.loss.quadratic or known.targets is None:
        return None
    if objective.dataset.offset is not None:
        return None
    moments = known.targets.moments
    total = float(np.sum(moments.variance + moments.mean**2))
    return 1 - objective.mean_loss(value, point, known) / total if total > 0 else None
