"""Huber's loss with its own scale: how large a residual r = η − y may be is fitted with the rest.

    value              σ + c (2r − c)/σ            with c = min(max(r, −εσ), εσ)
                       = σ + r²/σ  where |r| ≤ εσ,    σ + 2ε|r| − ε²σ  beyond
    derivative         2c/σ by η,   1 − c²/σ² by σ
    second derivative  2/σ · (1, −r/σ)ᵀ(1, −r/σ)  where |r| ≤ εσ,   0 beyond

The raw prediction has two columns, η and σ; σ is one number for all rows, an intercept without coefficients. The value
is convex in both, and infinite for σ ≤ 0. Huber and Ronchetti (2009), Robust Statistics, section 7.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.losses.base import NumberLoss


@dataclass(frozen=True)
class ScaledHuber(NumberLoss):
    """σ + H(r/σ) σ, with H(z) = z² up to `epsilon` and 2ε|z| − ε² beyond."""

    epsilon: float = 1.35

    name: ClassVar[str] = "scaled_huber"
    of_difference: ClassVar[bool] = True

    def n_outputs(self, y_shape: tuple[int, ...]) -> int | None:
        """Two: η and σ."""
        return 2

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """σ + c (2r − c)/σ of each row."""
        return self.value_and_derivative(raw_prediction, y)[0]

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """2c/σ and 1 − c²/σ²."""
        return self.value_and_derivative(raw_prediction, y)[1]

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one residual."""
        sigma = raw_prediction[:, 1]
        residual = raw_prediction[:, 0] - y
        threshold = self.epsilon * np.maximum(sigma, 0)
        clipped = np.clip(residual, -threshold, threshold)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = clipped / sigma
            value = np.where(sigma > 0, sigma + ratio * (2 * residual - clipped), np.inf)
        return value, np.stack([2 * ratio, 1 - ratio * ratio], axis=1)

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """(rows, 2, 2), of rank one or zero."""
        sigma = raw_prediction[:, 1]
        ratio = (raw_prediction[:, 0] - y) / sigma
        direction = np.stack([np.ones_like(ratio), -ratio], axis=1)
        scale: FloatArray = np.where(np.abs(ratio) <= self.epsilon, 2 / sigma, 0)[:, None, None]
        return scale * direction[:, :, None] * direction[:, None, :]

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """η."""
        return raw_prediction[:, 0]
