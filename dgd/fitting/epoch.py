"""One chunk's mini-batches: the steps of an epoch, carried from chunk to chunk.

    θ ← prox(θ − ηₜ (gradient_scale/Σw_B · X_Bᵀ(w_B · derivative) + ∇penalty), ηₜ)

in the solver's coordinates. A step follows the one before, so this is a fold and not a sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import ConfigurationError
from dgd.fitting.coordinates import Coordinates
from dgd.losses import Loss
from dgd.passes.sums.bad_rows import block_weight, check_finite, check_targets
from dgd.penalties import Penalty
from dgd.solvers.base import Epoch
from dgd.solvers.steps.schedules import rate_at


@dataclass(frozen=True, slots=True)
class EpochSoFar:
    """Where the steps have led, and the sums over them."""

    point: Vector
    step: int
    loss_sum: float
    gradient_sum: Vector
    weight_sum: float
    batches: int = 0


@dataclass(frozen=True)
class EpochFold:
    """The steps of one chunk.

    penalty: that of the solver's coordinates.
    """

    loss: Loss
    penalty: Penalty
    coordinates: Coordinates
    epoch: Epoch

    def __call__(self, value: EpochSoFar, chunk: Chunk, buffers: Buffers) -> EpochSoFar:
        del buffers
        assert chunk.y is not None
        rows = chunk.X.shape[0]
        order = self._order(chunk, rows)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(order), self.epoch.batch_size):
                value = self._step(value, chunk, order[start : start + self.epoch.batch_size])
        if not (math.isfinite(value.loss_sum) and np.isfinite(value.gradient_sum).all()):
            check_finite(chunk)
            check_targets(chunk, self.loss)
        return value

    def _order(self, chunk: Chunk, rows: int) -> Array:
        order = np.asarray(self.epoch.row_order(self.epoch.number, chunk.index, rows))
        if (
            order.ndim != 1
            or order.dtype.kind not in "iu"
            or (len(order) and not 0 <= order.min() <= order.max() < rows)
        ):
            raise ConfigurationError(
                f"`MiniBatch(row_order=...)` must give row numbers from 0 to {rows - 1} for chunk {chunk.index}, got "
                f"an array of {order.dtype} and shape {order.shape}"
            )
        return order

    def _step(self, value: EpochSoFar, chunk: Chunk, rows: Array) -> EpochSoFar:
        batch = _take(chunk, rows)
        w = block_weight(batch, 0, len(rows), np.dtype(np.float64))
        weight = float(len(rows)) if w is None else float(w.sum())
        if weight == 0.0:
            return replace(value, step=value.step + 1)
        loss, gradient = self._batch(value.point, batch, w)
        gradient *= self.loss.gradient_scale / weight
        point_gradient = self.coordinates.gradient(gradient)
        coef_gradient = self.coordinates.coef_part(point_gradient)
        coef_gradient += self.penalty.gradient(self.coordinates.coef_part(value.point))
        eta = rate_at(self.epoch.learning_rate, value.step, call="MiniBatch(learning_rate=...)")
        point = value.point - eta * point_gradient
        coef = self.coordinates.coef_part(point)
        if not self.penalty.is_smooth:
            coef[...] = self.penalty.prox(coef, eta)
        return EpochSoFar(
            point=point,
            step=value.step + 1,
            loss_sum=value.loss_sum + loss,
            gradient_sum=value.gradient_sum + point_gradient,
            weight_sum=value.weight_sum + weight,
            batches=value.batches + 1,
        )

    def _batch(self, point: Vector, batch: Chunk, w: Array | None) -> tuple[float, Vector]:
        """Loss sum and, the intercept's entry first, gradient sum by θ of one batch."""
        theta = self.coordinates.to_user(point)
        intercept = self.coordinates.intercept
        X = batch.X.astype(np.float64, copy=False)
        raw = X @ theta[int(intercept) :]
        if intercept:
            raw += theta[0]
        if batch.offset is not None:
            raw += batch.offset
        assert batch.y is not None
        y = self.loss.encode(batch.y, np.dtype(np.float64))
        value, derivative = self.loss.value_and_derivative(raw, y)
        if w is not None:
            value = value * w
            derivative = derivative * (w if derivative.ndim == 1 else w[:, None])
        gradient = np.empty((X.shape[1] + 1, *derivative.shape[1:]))
        gradient[0] = derivative.sum(axis=0)
        gradient[1:] = X.T @ derivative
        return float(value.sum()), gradient


def _take(chunk: Chunk, rows: Array) -> Chunk:
    """Some rows of a chunk, in that order, as a chunk; errors name the chunk they come from, not the row."""

    def of(values: Array | None) -> Array | None:
        return None if values is None else values[rows]

    return replace(chunk, X=chunk.X[rows], y=of(chunk.y), weight=of(chunk.weight), offset=of(chunk.offset))
