"""One chunk's mini-batches: the steps of an epoch, carried from chunk to chunk.

    θ ← prox(θ − ηₜ (gradient_scale/Σw_B · X_Bᵀ(w_B · derivative) + ∇penalty), ηₜ)

in the solver's coordinates. A step follows the one before, so this is a fold and not a sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.data.dataset import Chunk, Dataset
from dgd.data.transforms.missing import LeftOut, add
from dgd.errors import ConfigurationError
from dgd.fitting.coordinates import Coordinates
from dgd.losses import Loss
from dgd.passes.executor import Executor, Fold
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.row_sums import RowSums, Sums
from dgd.penalties import Penalty
from dgd.solvers.base import Epoch
from dgd.solvers.steps.schedules import rate_at

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
        order = self._order(chunk)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(order), self.epoch.batch_size):
                value = self._step(value, chunk.take(order[start : start + self.epoch.batch_size]), buffers)
        return value

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
        theta = self.coordinates.to_user(value.point)
        intercept, coef = (theta[0], theta[1:]) if self.coordinates.intercept else (np.zeros(theta.shape[1:]), theta)
        sums: Sums = RowSums(self.loss, intercept, coef, (LossAndGradient(),), centre=self.centre)(batch, buffers)
        if sums.weight == 0.0:
            return replace(value, step=value.step + 1)
        (batch_sums,) = sums.parts
        gradient = batch_sums.gradient * (self.loss.gradient_scale / sums.weight)
        point_gradient = self.coordinates.gradient(gradient)
        coef_gradient = self.coordinates.coef_part(point_gradient)
        coef_gradient += self.penalty.gradient(self.coordinates.coef_part(value.point))
        eta = rate_at(self.epoch.learning_rate, value.step, call="MiniBatch(learning_rate=...)")
        point = value.point - eta * point_gradient
        if not self.penalty.is_smooth:
            part = self.coordinates.coef_part(point)
            part[...] = self.penalty.prox(part, eta)
        return EpochSoFar(
            point=point,
            step=value.step + 1,
            loss_sum=value.loss_sum + batch_sums.loss,
            gradient_sum=value.gradient_sum + point_gradient,
            weight_sum=value.weight_sum + sums.weight,
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
        )
        if pause is not None and done < len(order):
            pause(part)
    return part
