"""Dataset + loss + executor → loss and gradient at a point. One evaluation is one pass; passes are counted here.

    f(θ) = 1/Σw · Σᵢ wᵢ·loss(xᵢᵀθ, yᵢ)        ∇f(θ) = gradient_scale/Σw · Xᵀ(w·derivative)

The scale is applied once, to the reduced sums. The objective knows neither which executor nor which store it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgd.coordinates import Coordinates
from dgd.dataset import Dataset
from dgd.errors import DataError
from dgd.executor import Executor
from dgd.kernels import GradientSum, Partial
from dgd.losses import Loss
from dgd.solvers import Evaluation, Vector


@dataclass
class Objective:
    """The mean loss of a dataset as a function of the solver's coordinates."""

    dataset: Dataset
    loss: Loss
    executor: Executor
    fit_intercept: bool = True
    precision: str = "double"
    coordinates: Coordinates = field(init=False)
    passes: int = field(default=0, init=False)
    bytes_read: int = field(default=0, init=False)
    """Stored bytes that the last pass read."""

    def __post_init__(self) -> None:
        self.coordinates = Coordinates.identity(self.dataset.shape[1], intercept=self.fit_intercept)

    @property
    def n_parameters(self) -> int:
        """The length of θ."""
        return self.dataset.shape[1] + self.fit_intercept

    def standardise_at(self, theta: Vector) -> Evaluation:
        """The first evaluation, at θ in the user's coordinates; its pass also sums what standardising needs."""
        partial = self._sweep(theta, with_moments=True)
        assert partial.moments is not None
        self.coordinates = Coordinates.standardising(partial.moments, intercept=self.fit_intercept)
        return self._evaluation(self.coordinates.from_user(theta), partial)

    def evaluate(self, point: Vector) -> Evaluation:
        """Loss and gradient at a point of the solver's coordinates."""
        return self._evaluation(point, self._sweep(self.coordinates.to_user(point)))

    def _sweep(self, theta: Vector, *, with_moments: bool = False) -> Partial:
        summand = GradientSum(
            loss=self.loss,
            intercept=float(theta[0]) if self.fit_intercept else 0.0,
            coef=theta[1:] if self.fit_intercept else theta,
            precision=self.precision,
            with_moments=with_moments,
        )
        swept = self.executor.sweep(self.dataset, summand)
        self.passes += 1
        self.bytes_read = swept.bytes_read
        if not swept.value.weight_sum > 0:
            raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
        return swept.value

    def _evaluation(self, point: Vector, partial: Partial) -> Evaluation:
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = partial.gradient_sum * (self.loss.gradient_scale / partial.weight_sum)
            gradient = gradient if self.fit_intercept else gradient[1:]
            return Evaluation(
                point=point,
                value=partial.loss_sum / partial.weight_sum,
                gradient=self.coordinates.gradient(gradient),
            )
