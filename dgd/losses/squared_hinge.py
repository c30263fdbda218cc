"""The squared hinge loss of support vector machines: two classes, or each of K classes against the others.

    value              max(0, 1 − s η)²            s = 1 in the second class (in class k, for η_k), else −1
    derivative         −2 s max(0, 1 − s η)        kept without the 2, see `gradient_scale`
    second derivative  2 where s η < 1, else 0     kept as 1 and 0

Rows beyond their margin, s η ≥ 1, count for nothing. The prediction for which the expected loss is least is η = 2p − 1,
so that p is estimated by (1 + η)/2 between 0 and 1; of K classes these are divided by their sum. The value of a row is
the sum over its outputs. Cortes and Vapnik (1995); Zhang (2004), Statistical behavior and consistency of classification
methods based on convex risk minimization; Rifkin and Klautau (2004), In defense of one-vs-all classification.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, Targets, numbers, over_outputs
from dgd.losses.labels import Label, class_indices, plain_labels


@dataclass(frozen=True)
class SquaredHinge(NumberLoss):
    """Squared hinge loss max(0, 1 − sη)², s = ±1, of two classes, or of each of K classes against the others.

    classes: the labels, the first of two standing for s = −1; without them targets are the numbers 0 and 1.
    """

    classes: Sequence[Label] | None = None

    name: ClassVar[str] = "squared_hinge"
    gradient_scale: ClassVar[float] = 2.0
    expected: ClassVar[str] = "one of the classes, or 0 or 1 where no classes are declared"

    def __post_init__(self) -> None:
        if self.classes is None:
            return
        classes = plain_labels(self.classes, call="SquaredHinge(classes=...)")
        if len(classes) < 2:
            raise ConfigurationError(f"`SquaredHinge(classes=...)` must be at least two labels, got {self.classes!r}")
        object.__setattr__(self, "classes", classes)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels, 0 and 1 where none were declared."""
        return (0, 1) if self.classes is None else tuple(self.classes)

    def wants_labels(self, dtype: np.dtype[Any]) -> bool:
        """Where no classes were declared."""
        return self.classes is None

    def with_classes(self, labels: Iterable[Any]) -> Self:
        """The same loss for these labels."""
        return replace(self, classes=tuple(labels))

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The index of each row's class; NaN for anything else."""
        if self.classes is not None:
            return class_indices(y, self.classes, dtype)
        encoded = numbers(y, dtype)
        valid = (encoded == 0) | (encoded == 1)
        return encoded if valid.all() else np.where(valid, encoded, np.nan)

    def n_outputs(self, y_shape: tuple[int, ...]) -> int | None:
        """Of two classes one for each column of y; of K classes K."""
        if len(self.labels) == 2:
            return super().n_outputs(y_shape)
        if len(y_shape) != 1:
            raise ConfigurationError(
                f"loss 'squared_hinge' of {len(self.labels)} classes takes one column of labels, got targets of shape "
                f"{y_shape}; fit the columns one by one"
            )
        return len(self.labels)

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """max(0, 1 − sη)² of each row."""
        short = _short(raw_prediction, _sign(raw_prediction, y))
        return over_outputs(short * short)

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−s max(0, 1 − sη): half the derivative, see `gradient_scale`."""
        sign = _sign(raw_prediction, y)
        return -sign * _short(raw_prediction, sign)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one margin."""
        sign = _sign(raw_prediction, y)
        short = _short(raw_prediction, sign)
        return over_outputs(short * short), -sign * short

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """1 where sη < 1, else 0: half the second derivative."""
        return (_sign(raw_prediction, y) * raw_prediction < 1).astype(raw_prediction.dtype)

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """(1 + η)/2 between 0 and 1, an estimate of the second class's probability; of K classes of each."""
        found: FloatArray = np.clip((raw_prediction + 1) / 2, 0, 1)
        if len(self.labels) == 2:
            return found
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1), found.dtype.type(1 / found.shape[1]))

    def constant(self, targets: Targets) -> Any:
        """2ȳ − 1, less the mean offset: exact without offsets."""
        return 2 * targets.mean - 1 - targets.offset

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """4ȳ(1 − ȳ), summed over the outputs."""
        mean = np.asarray(mean, dtype=np.float64)
        return float(np.sum(4 * mean * (1 - mean)))


def _sign(raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
    """s of each row and output; NaN where y is no class."""
    if y.ndim == raw_prediction.ndim:
        return 2 * y - 1
    classes = np.arange(raw_prediction.shape[1])
    own = np.where(y[:, None] == classes, 1, -1).astype(raw_prediction.dtype)
    own[~((y >= 0) & (y < len(classes)) & (np.floor(y) == y))] = np.nan
    return own


def _short(raw_prediction: FloatArray, sign: FloatArray) -> FloatArray:
    """What is missing to the margin: max(0, 1 − sη)."""
    with np.errstate(over="ignore"):
        return np.maximum(1 - sign * raw_prediction, 0)
