"""What a loss is: a function of one row's raw prediction η = xᵀθ and its target y, and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.sums import weighted_sum

SUMMED = ("value", "derivative", "value_and_derivative")
"""What `Loss.sum_and_derivative` is made of."""
SUMMED_TWICE = (*SUMMED, "sum_and_derivative", "second_derivative")
"""What `Loss.sum_and_derivatives` is made of."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is known of all targets: numbers, or one for each output."""

    rows: int
    mean: FloatArray
    """Weighted; of classes, their shares."""
    offset: FloatArray
    """The mean offset."""
    exposure: FloatArray
    """The logarithm of the mean e^offset."""


class Loss(Protocol):
    """One loss. It sees raw predictions and targets; never X, θ, weights or the number of rows.

    With weights w the fitted mean is 1/Σw · Σ w·value, and its gradient

        gradient_scale / Σw · Xᵀ(w · derivative)

    `gradient_scale` is the constant factor that both derivatives leave out; it is applied once, to the sum over all
    rows. A raw prediction has shape (rows,), or (rows, q) where there are q outputs; the value always has (rows,).
    """

    name: ClassVar[str]
    gradient_scale: ClassVar[float]
    quadratic: ClassVar[bool]
    """Whether the second derivative is the same everywhere."""
    expected: ClassVar[str]
    """What a target must be, as an error says it."""
    convex: ClassVar[bool] = True
    """Whether the second derivative is nowhere negative."""
    curvature_vanishes: ClassVar[bool] = False
    """Whether the second derivative is 0 far from the targets, where Newton steps fail."""

    shift_is_free: ClassVar[bool] = False
    """Whether the same number may be added to all raw predictions of a row: θ is then given with a mean of 0."""
    of_difference: ClassVar[bool] = False
    """Whether it depends on η − y alone, so that both may be shifted."""
    is_likelihood: ClassVar[bool] = False
    """Whether value/φ is, but for what η has no part in, −log of a density of y, with φ = 1, or, if it is quadratic, a
    variance: what makes the Hessian an information."""
    has_dispersion: ClassVar[bool] = False
    """Whether value/φ is so with a φ that the data tell, Pearson's χ²/(m − p): an exponential dispersion model."""
    canonical: ClassVar[bool] = True
    """Whether the second derivative does not depend on y, so that it is what is expected."""
    even: ClassVar[float] = 0.0
    """The raw prediction at which two classes are equally probable."""

    def __init_subclass__(cls) -> None:
        """A loss that changes what another has is summed row by row, unless it brings its own sum."""
        super().__init_subclass__()
        own = vars(cls)
        if "sum_and_derivative" not in own and any(each in own for each in SUMMED):
            cls.sum_and_derivative = Loss.sum_and_derivative  # type: ignore[method-assign]
        if "sum_and_derivatives" not in own and any(each in own for each in SUMMED_TWICE):
            cls.sum_and_derivatives = Loss.sum_and_derivatives  # type: ignore[method-assign]

    @property
    def labels(self) -> tuple[Any, ...] | None:
        """The labels of the classes; None where the target is a number."""
        return None

    def wants_labels(self, dtype: np.dtype[Any]) -> bool:
        """Whether the labels must be found in a target of that dtype before the fit."""
        return False

    def with_classes(self, labels: Iterable[Any]) -> Loss:
        """The same loss for these labels, in this order."""
        raise ConfigurationError(f"the loss {self.name!r} has no classes")

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The targets as the arithmetic wants them, of that dtype; NaN where a target is not what is `expected`."""
        ...

    def n_outputs(self, y_shape: tuple[int, ...]) -> int | None:
        """q for targets of that shape; None where a raw prediction has the shape (rows,)."""
        ...

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The loss of each row, from encoded targets; summed over the outputs."""
        ...

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The derivative by the raw prediction, of its shape, divided by `gradient_scale`."""
        ...

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both at once, sharing what they have in common."""
        ...

    def sum_and_derivative(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray]:
        """Σ w·value in float64, and the derivative: what a pass asks for, which may cost less than each row's value."""
        value, derivative = self.value_and_derivative(raw_prediction, y)
        return weighted_sum(value, weight), derivative

    def sum_and_derivatives(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray, FloatArray]:
        """The same with the second derivative, for a pass that sums a Hessian: all three from one exponential."""
        value, derivative = self.sum_and_derivative(raw_prediction, y, weight)
        return value, derivative, self.second_derivative(raw_prediction, y)

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The second derivative, divided by `gradient_scale`: (rows,) or (rows, q), output by output, or (rows, q, q)
        where the outputs of a row depend on each other."""
        ...

    def expected_curvature(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The second derivative as it is expected where the response is the expected target: Fisher's information of a
        row. It is the second derivative itself where the link is canonical."""
        ...

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """The expected target for a raw prediction: itself, a rate, a probability or one for each class."""
        ...

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """The derivative of the response by the raw prediction, output by output."""
        ...

    def observed(self, y: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """What a response is compared with, from encoded targets; and how often each row counts, None for once."""
        return y, None

    def saturated(self, y: FloatArray) -> FloatArray:
        """The least value each row's loss can have, whatever the prediction."""
        ...

    def constant(self, targets: Targets) -> Any:
        """The best constant raw prediction, or one near it: a number, or one for each output. 0 if it is not known."""
        return np.zeros_like(targets.mean)

    def log_base(self, y: FloatArray) -> FloatArray:
        """What the log-likelihood of each row has besides −value, from encoded targets: of the shape of y."""
        return np.zeros_like(y)

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """The mean loss of the best constant prediction, from the targets' mean and variance (for classes: from their
        shares); NaN where those do not determine it."""
        ...


class NumberLoss(Loss):
    """What losses have in common whose target is a number and whose prediction is η itself.

    A loss that derives from it brings `value`, `derivative` and `second_derivative`; the rest is here to be overridden.
    """

    gradient_scale: ClassVar[float] = 1.0
    quadratic: ClassVar[bool] = False
    expected: ClassVar[str] = "a number"

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The targets themselves."""
        return numbers(y, dtype)

    def n_outputs(self, y_shape: tuple[int, ...]) -> int | None:
        """One for each column of y."""
        return outputs_of(y_shape)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """One after the other."""
        return self.value(raw_prediction, y), self.derivative(raw_prediction, y)

    def expected_curvature(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The second derivative at the expected target: of a likelihood it is linear in the target."""
        return self.second_derivative(raw_prediction, self.response(raw_prediction))

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """η."""
        return raw_prediction

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """1."""
        return np.ones_like(raw_prediction)

    def saturated(self, y: FloatArray) -> FloatArray:
        """0."""
        return np.zeros(y.shape[0], dtype=y.dtype)

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """NaN: unknown."""
        del mean, variance
        return math.nan


def numbers(y: Array, dtype: np.dtype[Any]) -> FloatArray:
    """Targets that are numbers, in the arithmetic's dtype; what is not a number becomes NaN."""
    if y.dtype.kind not in "biuf":
        return np.full(y.shape, np.nan, dtype)
    return y.astype(dtype, copy=False)


def outputs_of(y_shape: tuple[int, ...]) -> int | None:
    """One output for each column of a target of two dimensions."""
    return y_shape[1] if len(y_shape) == 2 else None


def over_outputs(values: FloatArray) -> FloatArray:
    """The sum over a row's outputs, where it has several."""
    return values.sum(axis=1) if values.ndim == 2 else values
