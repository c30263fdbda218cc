"""What a loss is: a function of one row's raw prediction η = xᵀθ and its target y, and of nothing else."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


class Loss(Protocol):
    """One loss. It sees raw predictions and targets; never X, θ, weights or the number of rows.

    With weights w the fitted mean is 1/Σw · Σ w·value, and its gradient

        gradient_scale / Σw · Xᵀ(w · derivative)

    `gradient_scale` is the constant factor that `derivative` leaves out; it is applied once, to the sum over all rows.
    """

    name: ClassVar[str]
    gradient_scale: ClassVar[float]

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The loss of each row."""
        ...

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The derivative of each row's loss by its raw prediction, divided by `gradient_scale`."""
        ...

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both at once, sharing what they have in common."""
        ...
