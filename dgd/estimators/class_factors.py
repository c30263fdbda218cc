"""What scikit-learn's `class_weight` makes of the weights of each class."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.errors import ConfigurationError
from dgd.errors.words import shown


def class_factors(name: str, class_weight: Any, classes: Array, weights: Array) -> Vector:
    """What the weights of each class's rows are multiplied by, (K,): 1 for None, Σw/(K·Σw of the class) if balanced.

    weights: Σw of each class. Raises ConfigurationError for what is no weight, or is of a class that is not there,
    ValueError where all weight is left to one class, whose log-odds have no finite value.
    """
    factors = _factors(name, class_weight, classes, weights)
    left = np.flatnonzero(factors * weights > 0)
    if len(left) == 1:
        raise ValueError(
            f"{name} needs two classes or more, and only class {classes[left[0]]!r} has weights above 0 "
            f"(sample weights times class weights)"
        )
    return factors


def _factors(name: str, class_weight: Any, classes: Array, weights: Array) -> Vector:
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        balanced: Vector = np.divide(
            weights.sum(), len(weights) * weights, out=np.zeros_like(weights, dtype=np.float64), where=weights > 0
        )
        return balanced
    if not isinstance(class_weight, dict):
        raise ConfigurationError(
            f"`{name}(class_weight=...)` must be a dictionary or 'balanced', got {shown(class_weight)}"
        )
    labels = classes.tolist()
    for label, weight in class_weight.items():
        if not isinstance(weight, numbers.Real) or not 0 <= float(weight) < np.inf:
            raise ConfigurationError(
                f"`{name}(class_weight=...)` must be finite numbers of 0 or more, got {shown(weight)} for class "
                f"{label!r}"
            )
    unknown = [label for label in class_weight if label not in labels]
    others = [label for label in labels if label not in class_weight]
    if unknown and others:
        raise ConfigurationError(
            f"`{name}(class_weight=...)` has a weight for class {unknown[0]!r}, which no row is in, and none for "
            f"{others[0]!r}; the classes are {shown(labels)}"
        )
    return np.array([class_weight.get(label, 1.0) for label in labels], dtype=np.float64)
