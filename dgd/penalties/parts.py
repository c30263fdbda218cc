"""What a penalty has beside one number for each feature: numbers for each output, and a penalty of the intercept."""

from __future__ import annotations

from dgd.penalties.base import Penalty
from dgd.penalties.separable import Separable


def penalises_intercept(penalty: Penalty) -> bool:
    """Whether the intercept has a penalty of its own."""
    return isinstance(penalty, Separable) and penalty.intercept is not None


def differs_by_output(penalty: Penalty) -> bool:
    """Whether a strength or bound is not the same for all outputs."""
    return isinstance(penalty, Separable) and penalty.by_output


def check_penalty(penalty: Penalty, n_features: int, outputs: int | None, *, intercept: bool) -> None:
    """Raise ConfigurationError unless strengths and bounds go with the features, the outputs and the intercept."""
    if penalises_intercept(penalty) or differs_by_output(penalty):
        assert isinstance(penalty, Separable)
        penalty.check_outputs(n_features, outputs, intercept=intercept)
    else:
        penalty.check(n_features)
