"""Stochastic and mini-batch gradient descent: many small steps in one pass over the data.

    θ ← prox(θ − ηₜ ∇f_B(θ), ηₜ)        for one batch B of `batch_size` rows after the other; 1 is the stochastic method

An epoch takes the chunks in an order drawn from (seed, epoch), and the rows of each in an order drawn from (seed,
epoch, chunk): whoever reads a chunk, and however often a lost worker's epoch is run again, the steps are the same. A
batch lies within one chunk; the last of a chunk may be short. The steps follow one another, so an epoch runs on one
thread. Robbins and Monro (1951), A stochastic approximation method.

With `averaging` the answer is the mean of the epochs' ends, the first one left out: Polyak and Juditsky (1992),
Acceleration of stochastic approximation by averaging.

The loss of a pass is the mean over its batches, each before its own step; its gradient norm is that of the mean of
their gradients. Neither is that of a point, so that `tol` is seldom reached: `max_iter` counts the epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Integers, Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Epoch, Evaluation, Order, Prox, Solver, State, Status, no_prox

Schedule = Callable[[int], float]


def permutation(count: int, *key: int) -> Integers:
    """The numbers below `count` in an order drawn from a key; the same on every machine and NumPy."""
    raw = np.random.Philox(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(np.asarray(raw), kind="stable").astype(np.int64)


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Every row of a chunk once, in an order drawn from (seed, epoch, chunk)."""

    seed: int

    def __call__(self, epoch: int, chunk: int, rows: int) -> Integers:
        """The rows' order."""
        return permutation(rows, self.seed, epoch, chunk + 1)


@dataclass(frozen=True, slots=True)
class ShuffledChunks:
    """Every chunk once, in an order drawn from (seed, epoch)."""

    seed: int
    epoch: int

    def __call__(self, chunks: int) -> Integers:
        """The chunks' order."""
        return permutation(chunks, self.seed, self.epoch, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniBatchState(State):
    """θ after the last epoch, and the mean of the epochs' ends."""

    value_is_of_point: ClassVar[bool] = False

    current: Vector
    """Where the next epoch begins; `point` is the answer, which differs with averaging."""
    value: float = math.nan
    epochs: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class MiniBatch(Solver):
    """Mini-batch gradient descent; `batch_size=1` is stochastic gradient descent.

    learning_rate: a function of the step t, from 0, such as `InverseScaling(eta, power)`, `Decay(t0, t1)` or
    `Constant(eta)` of `dgd.solvers`.
    row_order: a function (epoch, chunk, rows) → row numbers, in place of the shuffled order.
    first_step: t of the first step.
    """

    learning_rate: Schedule
    batch_size: int = 32
    seed: int = 0
    averaging: bool = False
    row_order: Order | None = None
    first_step: int = 0

    name: ClassVar[str] = "minibatch"
    is_stochastic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise ConfigurationError(
                f"`MiniBatch(batch_size=...)` must be a whole number of 1 or more, got {self.batch_size!r}"
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigurationError(f"`MiniBatch(seed=...)` must be a whole number of 0 or more, got {self.seed!r}")
        if not callable(self.learning_rate):
            raise ConfigurationError(
                f"`MiniBatch(learning_rate=...)` must be a function of the step, such as `Constant(0.01)`, got "
                f"{self.learning_rate!r}"
            )

    def init(self, start: Vector, *, tol: float = 0.0) -> MiniBatchState:
        """Begin at θ₀; the prox is applied where the steps are made."""
        return MiniBatchState(point=start, current=start, step=self.first_step)

    def ask(self, state: MiniBatchState) -> Epoch:
        """The next epoch."""
        return Epoch(
            point=state.current,
            number=state.epochs,
            step=state.step,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            chunk_order=ShuffledChunks(self.seed, state.epochs),
            row_order=self.row_order or Shuffled(self.seed),
        )

    def tell(self, state: MiniBatchState, evaluation: Evaluation, prox: Prox = no_prox) -> MiniBatchState:
        """Where the epoch ended; an evaluation of the start alone changes nothing."""
        if not evaluation.finite or not np.isfinite(evaluation.point).all():
            return replace(
                state,
                learning_rate=0.0,
                status=Status.DIVERGED,
                note=f"in epoch {state.epochs + 1} the loss is no longer finite; θ is that of the epoch before",
            )
        if not evaluation.steps:
            return replace(state, value=evaluation.value, accepted=False)
        epochs, step = state.epochs + 1, state.step + evaluation.steps
        kept = max(1, epochs - 1)
        mean = evaluation.point if epochs <= 2 else state.point + (evaluation.point - state.point) / kept
        return replace(
            state,
            point=mean if self.averaging else evaluation.point,
            current=evaluation.point,
            value=evaluation.value,
            learning_rate=float(self.learning_rate(step - 1)),
            accepted=True,
            epochs=epochs,
            step=step,
            note=f"{step - self.first_step:,} steps of up to {self.batch_size:,} rows in {epochs:,} epochs",
        )
