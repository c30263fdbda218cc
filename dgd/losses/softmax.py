"""The softmax loss (cross-entropy, multinomial logistic) of K classes: one raw prediction for each.

    p                  e^ηⱼ / Σₖ e^ηₖ              the probabilities of the classes
    value              −log p_y                    y: the index of the row's class
    derivative         pⱼ − [j = y]
    second derivative  pⱼ [j = k] − pⱼ pₖ

With e = e^(η − max η), and o = Σ e over the classes other than y, nothing overflows and nothing cancels:

    value              log(1 + (o + e_y − 1)) − (η_y − max η)
    derivative         e / (o + e_y),   at y: −o / (o + e_y)

The K raw predictions of a row may all be shifted by the same number: the loss does not change, and the second
derivative is singular in that direction. Inside, arrays of few classes lie class by class (K, rows), where sums over
the classes run along the rows; what is returned is their transpose. Those of many lie row by row, as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, Targets, numbers
from dgd.losses.entropy import y_log_y
from dgd.losses.labels import Label, class_indices, plain_labels
from dgd.losses.sums import sum_of_logs, total

BY_ROW = 64
"""So many classes lie row by row: sums over a row then take no longer than sums along the rows."""


@dataclass(frozen=True)
class Softmax(NumberLoss):
    """Softmax loss −log p_y of K classes, p = e^η / Σ e^η.

    classes: the K labels in the order of the raw predictions, or their number K for the labels 0 … K − 1; without them
        targets are the numbers 0, 1, 2, …
    """

    classes: Sequence[Label] | int | None = None

    name: ClassVar[str] = "softmax"
    is_likelihood: ClassVar[bool] = True
    shift_is_free: ClassVar[bool] = True
    expected: ClassVar[str] = "one of the classes, or a class number 0, 1, 2, … where no classes are declared"

    def __post_init__(self) -> None:
        if self.classes is None:
            return
        given: Any = self.classes
        if isinstance(given, int) and not isinstance(given, bool):
            given = range(given)
        classes = plain_labels(given, call="Softmax(classes=...)")
        if len(classes) < 2:
            raise ConfigurationError(
                f"`Softmax(classes=...)` must be at least two labels, or their number, got {self.classes!r}"
            )
        object.__setattr__(self, "classes", classes)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels; 0 and 1 where none were declared."""
        return (0, 1) if self.classes is None else self._declared

    @property
    def _declared(self) -> tuple[Label, ...]:
        assert isinstance(self.classes, tuple)
        return self.classes

    def wants_labels(self, dtype: np.dtype[Any]) -> bool:
        """Where no classes were declared."""
        return self.classes is None

    def with_classes(self, labels: Iterable[Any]) -> Self:
        """The same loss for these labels."""
        return replace(self, classes=tuple(labels))

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The index of each row's class; NaN for anything else."""
        if self.classes is not None:
            return class_indices(y, self._declared, dtype)
        encoded = numbers(y, dtype)
        valid = (encoded >= 0) & (encoded < np.inf) & (np.floor(encoded) == encoded)
        return encoded if valid.all() else np.where(valid, encoded, np.nan)

    def n_outputs(self, y_shape: tuple[int, ...]) -> int | None:
        """K: a raw prediction for each class."""
        if self.classes is None:
            raise ConfigurationError(
                "the classes of loss 'softmax' must be declared before the data are read; "
                "pass `Softmax(classes=[...])` with all labels, got no classes"
            )
        if len(y_shape) != 1:
            raise ConfigurationError(f"loss 'softmax' takes one column of labels, got targets of shape {y_shape}")
        return len(self._declared)

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−log p_y of each row."""
        return _unscaled(raw_prediction, y).value

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """p − onehot(y)."""
        return self.value_and_derivative(raw_prediction, y)[1]

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one e^η."""
        found = _unscaled(raw_prediction, y)
        return found.value, found.derivative(_axis(raw_prediction))

    def sum_and_derivative(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray]:
        """Without weights, Σ log(o + e_y) and Σ (η_y − max η) apart: a logarithm of a number that is not near 1."""
        if weight is not None:
            return super().sum_and_derivative(raw_prediction, y, weight)
        found = _unscaled(raw_prediction, y)
        value = sum_of_logs(found.total, found.above_1) - total(found.own_below)
        return value, found.derivative(_axis(raw_prediction))

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """diag(p) − p pᵀ of each row, (rows, K, K); each of its rows sums to 0, which gives the diagonal."""
        p = self.response(raw_prediction)
        second = -p[:, :, None] * p[:, None, :]
        diagonal = np.arange(p.shape[1])
        second[:, diagonal, diagonal] = 0
        second[:, diagonal, diagonal] = -second.sum(axis=2)
        return second

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """The probabilities of the classes, (rows, K)."""
        exps, axis = _below_greatest(raw_prediction), _axis(raw_prediction)
        np.exp(exps, out=exps)
        exps /= exps.sum(axis=axis, keepdims=True)
        return exps if axis else exps.T

    def constant(self, targets: Targets) -> Any:
        """The logarithms of the shares, of mean 0, less the mean offset: exact without. A class has half a row."""
        log = np.log(np.maximum(targets.mean, 0.5 / targets.rows))
        return log - log.mean() - targets.offset

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """The entropy −Σ p̄ log p̄ of the classes' proportions p̄, of shape (K,)."""
        return float(-np.sum(y_log_y(np.asarray(mean, dtype=np.float64))))


def _axis(raw_prediction: FloatArray) -> int:
    """Along which the classes lie inside: 0, (K, rows), or 1, (rows, K)."""
    return 1 if raw_prediction.shape[1] >= BY_ROW else 0


def _below_greatest(raw_prediction: FloatArray) -> FloatArray:
    """η − max η as it lies inside, in C order."""
    if _axis(raw_prediction):
        below: FloatArray = np.subtract(raw_prediction, raw_prediction.max(axis=1, keepdims=True), order="C")
        return below
    below = raw_prediction.T.copy(order="C")
    below -= below.max(axis=0)
    return below


@dataclass(frozen=True, slots=True)
class _Unscaled:
    """Of each row e, with 0 at y, as it lies inside; and what else is made of it. NaN where y is no index."""

    exps: FloatArray
    at: NDArray[np.intp]
    """The flat indices of y in it."""
    own_below: FloatArray
    """η_y − max η."""
    others: FloatArray
    """o."""
    own: FloatArray
    """e_y."""
    total: FloatArray
    """o + e_y."""

    @property
    def above_1(self) -> FloatArray:
        """o + e_y − 1, of which nothing cancels: the greatest of all e is 1."""
        return self.others + (self.own - 1)

    @property
    def value(self) -> FloatArray:
        """log(1 + (o + e_y − 1)) − (η_y − max η)."""
        return np.subtract(np.log1p(self.above_1), self.own_below)

    def derivative(self, axis: int) -> FloatArray:
        """e / (o + e_y), at y −o / (o + e_y), in the memory of e."""
        exps = self.exps
        np.divide(exps, np.expand_dims(self.total, axis), out=exps)
        exps.reshape(-1)[self.at] = -self.others / self.total
        return exps if axis else exps.T


def _unscaled(raw_prediction: FloatArray, y: FloatArray) -> _Unscaled:
    exps, axis = _below_greatest(raw_prediction), _axis(raw_prediction)
    rows, n_classes = raw_prediction.shape
    index = np.fmin(np.fmax(y, 0), n_classes - 1).astype(np.intp)
    at = np.arange(0, rows * n_classes, n_classes) + index if axis else index * rows + np.arange(rows)
    flat = exps.reshape(-1)
    own_below = flat[at]
    np.exp(exps, out=exps)
    own = flat[at]
    flat[at] = 0
    others = exps.sum(axis=axis)
    others[index != y] = np.nan
    return _Unscaled(exps, at, own_below, others, own, others + own)
