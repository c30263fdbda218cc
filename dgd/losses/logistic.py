"""The logistic loss of two classes, or of a proportion y between 0 and 1.

    value              log(1 + e^η) − y η
    derivative         σ(η) − y                σ(η) = 1 / (1 + e^−η), the probability of the second class
    second derivative  σ(η) (1 − σ(η))

Computed from t = e^−|η| ≤ 1 and s = 1 where η is positive, else 0, so that nothing overflows and nothing cancels:

    value              η (s − y) + log(1 + t)
    derivative         (s − y) ∓ t/(1 + t)     − where η is positive
    second derivative  t / (1 + t)²

With q outputs (several targets of two classes each) the value of a row is the sum over its outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, Targets, numbers, over_outputs
from dgd.losses.entropy import binary_entropy
from dgd.losses.labels import Label, class_indices, plain_labels


@dataclass(frozen=True)
class Logistic(NumberLoss):
    """Logistic loss log(1 + e^η) − yη of two classes; η is the log-odds of the second one.

    classes: the two labels that stand for y = 0 and y = 1; without them targets are numbers from 0 to 1.
    """

    classes: Sequence[Label] | None = None

    name: ClassVar[str] = "logistic"
    is_likelihood: ClassVar[bool] = True
    expected: ClassVar[str] = "one of the two classes, or a number from 0 to 1 where no classes are declared"

    def __post_init__(self) -> None:
        if self.classes is None:
            return
        classes = plain_labels(self.classes, call="Logistic(classes=...)")
        if len(classes) != 2:
            raise ConfigurationError(
                f"`Logistic(classes=...)` must be two labels, got {len(classes)}; `Softmax(classes=...)` takes more"
            )
        object.__setattr__(self, "classes", classes)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The two labels, 0 and 1 where none were declared."""
        return (0, 1) if self.classes is None else tuple(self.classes)

    def wants_labels(self, dtype: np.dtype[Any]) -> bool:
        """Where the target holds strings: numbers from 0 to 1 are targets without classes."""
        return self.classes is None and dtype.kind in "US"

    def with_classes(self, labels: Iterable[Any]) -> Self:
        """The same loss for two labels: the first is y = 0, the second y = 1."""
        return replace(self, classes=tuple(labels))

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """0 and 1 for the two classes, or the numbers themselves; NaN for anything else."""
        if self.classes is not None:
            return class_indices(y, self.classes, dtype)
        encoded = numbers(y, dtype)
        valid = (encoded >= 0) & (encoded <= 1)
        return encoded if valid.all() else np.where(valid, encoded, np.nan)

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """log(1 + e^η) − yη of each row."""
        return _value(raw_prediction, _sign(raw_prediction) - y, _small(raw_prediction))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """σ(η) − y."""
        return _derivative(raw_prediction, _sign(raw_prediction) - y, _small(raw_prediction))

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one e^−|η|."""
        residual, small = _sign(raw_prediction) - y, _small(raw_prediction)
        return _value(raw_prediction, residual, small), _derivative(raw_prediction, residual, small)

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """σ(η) (1 − σ(η))."""
        small = _small(raw_prediction)
        above = small + 1
        small /= above
        small /= above
        return small

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """σ(η), the probability of the second class."""
        return _derivative(raw_prediction, _sign(raw_prediction), _small(raw_prediction))

    def saturated(self, y: FloatArray) -> FloatArray:
        """The entropy of y, summed over the outputs: 0 for y = 0 and y = 1."""
        return over_outputs(binary_entropy(y))

    def constant(self, targets: Targets) -> Any:
        """The log-odds of the mean, less the mean offset: exact without offsets. A class has half a row at least."""
        least = 0.5 / targets.rows
        mean = np.clip(targets.mean, least, 1 - least)
        return np.log(mean / (1 - mean)) - targets.offset

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """The entropy of ȳ, the proportion of the second class, summed over the outputs."""
        return float(np.sum(binary_entropy(np.clip(np.asarray(mean, dtype=np.float64), 0, 1))))


def _small(raw_prediction: FloatArray) -> FloatArray:
    """t = e^−|η|."""
    small = np.copysign(raw_prediction, -1.0)
    np.exp(small, out=small)
    return small


def _sign(raw_prediction: FloatArray) -> Array:
    """s: whether η is positive. At ±0 the sign bit decides, as for `copysign`."""
    return ~np.signbit(raw_prediction)


def _value(raw_prediction: FloatArray, residual: FloatArray, small: FloatArray) -> FloatArray:
    """η (s − y) + log(1 + t): two terms that are never negative."""
    value = raw_prediction * residual
    value += np.log1p(small)
    return over_outputs(value)


def _derivative(raw_prediction: FloatArray, residual: Array, small: FloatArray) -> FloatArray:
    """(s − y) ∓ t/(1 + t)."""
    step = small + 1
    np.divide(small, step, out=step)
    np.copysign(step, raw_prediction, out=step)
    return np.subtract(residual, step, out=step)
