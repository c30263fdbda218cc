"""One chunk's mini-batches: the steps of an epoch, carried from chunk to chunk.

    θ ← prox(θ − ηₜ (gradient_scale/Σw_B · X_Bᵀ(w_B · derivative) + ∇penalty), ηₜ)

in the solver's coordinates. A step follows the one before, so this is a fold and not a sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.data.dataset import Chunk, Dataset
from dgd.data.times import NO_TIMES, Times
from dgd.data.transforms.missing import LeftOut, add
from dgd.errors import ConfigurationError
from dgd.fitting.coordinates import Coordinates
from dgd.losses import Loss
from dgd.passes.executor import Executor, Fold
from dgd.passes.sums.bad_rows import check_finite, check_targets, checked_weight
from dgd.passes.sums.blocks import FLOAT64, Block, as_block, encoded_targets
from dgd.passes.sums.dense_columns import DenseColumns
from dgd.passes.sums.gradient import LossAndGradient, LossGradient
from dgd.passes.sums.row_sums import RowSums, Sums
from dgd.penalties import NoPenalty, Penalty
from dgd.solvers.base import Epoch
from dgd.solvers.steps.schedules import rate_at

GATHERED_BYTES = 2**20
"""Of small batches that are gathered together, with their row vectors."""
PARTS = 16
"""Of an epoch that is paused now and then."""


@dataclass(frozen=True, slots=True)
class EpochSoFar:
    """The point after some steps, and sums over them."""

    point: Vector
    step: int
    loss_sum: float
    gradient_sum: Vector
    weight_sum: float
    batches: int = 0


@dataclass(frozen=True, slots=True)
class EpochPart:
    """The part of an epoch that has been run."""

    so_far: EpochSoFar
    chunks: int = 0
    """How many, in the epoch's order."""
    bytes_read: int = 0
    resident: int = 0
    filled: int = 0
    left_out: LeftOut | None = None
    times: Times = NO_TIMES


Pause = Callable[[EpochPart], None]
"""Called with what has been run of an epoch, now and then."""


@dataclass(frozen=True)
class EpochFold:
    """The steps of one chunk.

    penalty: that of the solver's coordinates.
    """

    loss: Loss
    penalty: Penalty
    coordinates: Coordinates
    epoch: Epoch
    centre: Centre | None = None

    def __call__(self, value: EpochSoFar, chunk: Chunk, buffers: Buffers) -> EpochSoFar:
        order, size = self._order(chunk), self.epoch.batch_size
        # Where batches are small, the rows of many are put in their order together: of one alone it costs more than
        # its step.
        at_once = size * max(1, GATHERED_BYTES // (size * self._row_bytes(chunk)))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(order), at_once):
                rows = chunk.take(order[start : start + at_once])
                if isinstance(rows.X, np.ndarray) and size * self._row_bytes(chunk) <= GATHERED_BYTES:
                    value = self._small_steps(value, rows, rows.X, buffers)
                    continue
                for first in range(0, len(rows.X), size):
                    batch = rows if at_once == size else rows.take(np.arange(first, min(first + size, len(rows.X))))
                    value = self._step(value, batch, buffers)
        return value

    def _row_bytes(self, chunk: Chunk) -> int:
        """Of a row of X and its row vectors, as arithmetic has them."""
        return 8 * (int(chunk.X.shape[1]) + 4 * (self.coordinates.outputs or 1))

    def _order(self, chunk: Chunk) -> Array:
        rows = chunk.X.shape[0]
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

    def _step(self, value: EpochSoFar, batch: Chunk, buffers: Buffers) -> EpochSoFar:
        """A step with a batch of any size and kind."""
        intercept, coef = self._theta(value.point)
        sums: Sums = RowSums(self.loss, intercept, coef, (LossAndGradient(),), centre=self.centre)(batch, buffers)
        (batch_sums,) = sums.parts
        return self._after(value, batch_sums, sums.weight)

    def _small_steps(self, value: EpochSoFar, rows: Chunk, X: Array, buffers: Buffers) -> EpochSoFar:
        """The steps of small batches, of rows that lie in their order: what can be done for all is done once."""
        loss, centre = self.loss, None if self.centre is None or self.centre.columns is None else self.centre
        X = as_block(X, FLOAT64, buffers, centre)
        assert rows.y is not None
        y = encoded_targets(rows.y, loss.encode, FLOAT64, self.centre)
        weight = checked_weight(rows, FLOAT64)
        offset = None if rows.offset is None else rows.offset.astype(FLOAT64, copy=False)
        if self.coordinates.outputs is None:
            value = self._vector_steps(value, X, y, weight, offset, buffers)
        else:
            value = self._matrix_steps(value, X, y, weight, offset, buffers)
        # What is not finite stays so, once it is added.
        if not (math.isfinite(value.loss_sum) and np.isfinite(value.gradient_sum).all()):
            check_finite(rows)
            check_targets(rows, loss)
        return value

    def _matrix_steps(
        self, value: EpochSoFar, X: Array, y: Array, weight: Array | None, offset: Array | None, buffers: Buffers
    ) -> EpochSoFar:
        """The steps of a θ with a column for each output."""
        size, part = self.epoch.batch_size, LossAndGradient()
        memory = np.empty((min(size, len(X)), *self.coordinates.theta_shape[1:]))
        for start in range(0, len(X), size):
            some = slice(start, min(start + size, len(X)))
            columns, raw = DenseColumns(X[some], buffers), memory[: some.stop - start]
            intercept, coef = self._theta(value.point)
            columns.times(coef, raw)
            raw += intercept
            own = None if weight is None else weight[some]
            if offset is not None:
                raw += offset[some]
            block = Block(some, columns, raw, y[some], own, None, buffers)
            total = float(len(raw)) if own is None else float(own.sum())
            value = self._after(value, part.of_chunk(part(block, self.loss)), total)
        return value

    def _vector_steps(
        self, value: EpochSoFar, X: Array, y: Array, weight: Array | None, offset: Array | None, buffers: Buffers
    ) -> EpochSoFar:
        """The same steps of a θ that is a vector, with as few calls as there can be: they cost more than the work."""
        loss, penalty, size, coordinates = self.loss, self.penalty, self.epoch.batch_size, self.coordinates
        first, own_scale, identity = int(coordinates.intercept), loss.gradient_scale, coordinates.is_identity
        curved, smooth = not isinstance(penalty, NoPenalty), penalty.is_smooth
        point, step, loss_sum, weight_sum, batches = (
            value.point, value.step, value.loss_sum, value.weight_sum, value.batches
        )  # fmt: skip
        memory, gradient_sum = np.empty(min(size, len(X))), value.gradient_sum.copy()
        for start in range(0, len(X), size):
            rows = X[start : start + size]
            raw, own = memory[: len(rows)], None if weight is None else weight[start : start + size]
            theta = point if identity else coordinates.to_user(point)
            DenseColumns(rows, buffers).times(theta[first:], raw)
            if first:
                raw += theta[0]
            if offset is not None:
                raw += offset[start : start + size]
            found, derivative = loss.sum_and_derivative(raw, y[start : start + size], own)
            total = float(len(rows))
            if own is not None:
                derivative, total = derivative * own, float(own.sum())
            step += 1
            if total == 0.0:
                continue
            gradient = np.empty(X.shape[1] + 1)
            gradient[0] = np.add.reduce(derivative)
            np.dot(derivative, rows, out=gradient[1:])
            gradient *= own_scale / total
            slope = gradient[1 - first :] if identity else coordinates.gradient(gradient)
            if curved:
                coef_slope = coordinates.penalised_part(slope)
                coef_slope += penalty.gradient(coordinates.penalised_part(point))
            eta = rate_at(self.epoch.learning_rate, step - 1, call="MiniBatch(learning_rate=...)")
            point = point - eta * slope
            if not smooth:
                coef = coordinates.penalised_part(point)
                coef[...] = penalty.prox(coef, eta)
            loss_sum, weight_sum, batches = loss_sum + found, weight_sum + total, batches + 1
            gradient_sum += slope
        return EpochSoFar(point, step, loss_sum, gradient_sum, weight_sum, batches)

    def _theta(self, point: Vector) -> tuple[Any, Vector]:
        """Intercept and coefficients."""
        theta = self.coordinates.to_user(point)
        return (theta[0], theta[1:]) if self.coordinates.intercept else (np.zeros(theta.shape[1:]), theta)

    def _after(self, value: EpochSoFar, batch: LossGradient, weight: float) -> EpochSoFar:
        """The point after the step of a batch whose sums are known; where all its weights are 0 there is none."""
        if weight == 0.0:
            return replace(value, step=value.step + 1)
        gradient = batch.gradient * (self.loss.gradient_scale / weight)
        point_gradient, coef_part = self.coordinates.gradient(gradient), self.coordinates.penalised_part
        coef_gradient = coef_part(point_gradient)
        coef_gradient += self.penalty.gradient(coef_part(value.point))
        eta = rate_at(self.epoch.learning_rate, value.step, call="MiniBatch(learning_rate=...)")
        point = value.point - eta * point_gradient
        if not self.penalty.is_smooth:
            part = coef_part(point)
            part[...] = self.penalty.prox(part, eta)
        return EpochSoFar(
            point=point,
            step=value.step + 1,
            loss_sum=value.loss_sum + batch.loss,
            gradient_sum=value.gradient_sum + point_gradient,
            weight_sum=value.weight_sum + weight,
            batches=value.batches + 1,
        )


def run_epoch(
    executor: Executor,
    dataset: Dataset,
    fold: Fold[EpochSoFar],
    epoch: Epoch,
    part: EpochPart | None,
    pause: Pause | None,
) -> EpochPart:
    """The whole epoch, from its start or from the part that has been run."""
    part = part or EpochPart(EpochSoFar(epoch.point, epoch.step, 0.0, np.zeros_like(epoch.point), 0.0))
    order = [int(k) for k in epoch.chunk_order(dataset.n_chunks)]
    at_once = len(order) if pause is None else -(-len(order) // PARTS)
    while part.chunks < len(order):
        chunks = order[part.chunks : part.chunks + at_once]
        found = executor.fold(dataset, fold, part.so_far, chunks)
        done = part.chunks + len(chunks)
        part = EpochPart(
            found.value,
            done,
            part.bytes_read + found.bytes_read,
            part.resident + found.resident,
            part.filled + found.filled,
            add(part.left_out, found.left_out),
            part.times + found.times,
        )
        if pause is not None and done < len(order):
            pause(part)
    return part
