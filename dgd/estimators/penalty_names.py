"""scikit-learn's `penalty` of a logistic regression: "l1", "l2", "elasticnet" or None."""

from __future__ import annotations

import warnings
from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.words import shown
from dgd.estimators.lasso import check_ratio

GIVEN = "deprecated"
"""scikit-learn's word for a `penalty` that is not given: C and l1_ratio say it all."""
RATIOS = {"l1": 1.0, "l2": 0.0}


def ratio_of(penalty: Any, l1_ratio: float | None) -> float:
    """ρ: the part of the strength that is l1's. None stands for 0."""
    return RATIOS.get(penalty, float(l1_ratio or 0.0))


def check_penalty(name: str, penalty: Any, C: float, l1_ratio: float | None) -> None:
    """Raise ConfigurationError for what is no penalty; warn, as scikit-learn does, of arguments that do not agree."""
    if penalty not in (GIVEN, "elasticnet", *RATIOS, None):
        raise ConfigurationError(
            f"`{name}(penalty=...)` must be 'l1', 'l2', 'elasticnet' or None, or be left out, got {shown(penalty)}"
        )
    if l1_ratio is None and penalty == "elasticnet":
        raise ConfigurationError(f"`{name}(penalty='elasticnet')` needs an l1_ratio, from 0 to 1, got None")
    if l1_ratio is not None:
        check_ratio(name, l1_ratio)
    if penalty in (None, *RATIOS) and l1_ratio is not None and 0 < l1_ratio < 1:
        _warn(f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})")
    # An l1_ratio of 0 beside "l1" is the default, and says nothing.
    elif penalty == "l2" and l1_ratio:
        _warn(f"Inconsistent values: penalty={penalty} with l1_ratio={l1_ratio}: it is the penalty that counts")
    if penalty is None and C not in (1.0, float("inf")):
        _warn("Setting penalty=None will ignore the C and l1_ratio parameters")


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=5)
