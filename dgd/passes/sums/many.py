"""The sums of many models in one pass: K points θ, one read of X, fold by fold.

    η = X [b₁ … b_K] + b₀        one matrix product for all of them
    per fold and θ:  Σ w·value,  Σ r,  Xᵀr        r = w · derivative(η, y)

A model that leaves a fold out is told the sum over the others; its loss on the rows left out is there as well. Parts
beside loss and gradient (moments, Hessians) are summed for the θ that ask for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any, Self

import numpy as np

from dgd._typing import Array, FloatArray, Integers, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled
from dgd.data.dataset import Chunk
from dgd.data.folds import Folds
from dgd.losses import Loss
from dgd.passes.sums.bad_rows import check_finite, check_targets
from dgd.passes.sums.blocks import Block, Blocks, encoded_targets
from dgd.passes.sums.gradient import LossGradient
from dgd.passes.sums.row_sums import OfColumns, Part, Sums

STACKED = 4096
"""Rows of several θ that a loss is given as one vector: fewer calls, still within a core's cache."""


@dataclass(frozen=True, slots=True)
class ManyTotals:
    """Of K points and F folds: Σw (F,), losses (F, K), gradients (F, K, n + 1) or (F, K, n + 1, q), other parts."""

    weight: Vector
    loss: Vector
    gradient: Vector
    parts: tuple[tuple[Any, ...], ...]
    """For each part its sum over each fold."""
    about: Vector | None = None
    """What was subtracted from the columns, where each chunk found that for itself; None for 0."""

    def __add__(self, other: Self) -> Self:
        with np.errstate(over="ignore", invalid="ignore"):
            if self.about is not None or other.about is not None:
                other = other.moved_to(self.about)
            parts = tuple(tuple(map(add, a, b)) for a, b in zip(self.parts, other.parts, strict=True))
            loss, gradient = self.loss + other.loss, self.gradient + other.gradient
        return type(self)(self.weight + other.weight, loss, gradient, parts, self.about)

    def moved_to(self, about: Vector | None) -> Self:
        """The sums if that had been subtracted from the columns."""
        step = np.subtract(0.0 if self.about is None else self.about, 0.0 if about is None else about)
        if not step.any():
            return replace(self, about=about)
        gradient = self.gradient.copy()
        along = step if gradient.ndim == 3 else step[:, None]
        gradient[:, :, 1:] += along * gradient[:, :, :1]
        parts = tuple(tuple(_moved(each, step) for each in part) for part in self.parts)
        return replace(self, gradient=gradient, parts=parts, about=about)

    def sums(self, point: int, parts: Sequence[int], *, without: int | None = None) -> Sums:
        """Loss and gradient of one θ, and other parts, over all folds `without` one: as a lone pass makes them."""
        folds = [fold for fold in range(len(self.weight)) if fold != without]
        loss = LossGradient(float(self.loss[folds, point].sum()), self.gradient[folds, point].sum(axis=0))
        others = (reduce(add, [self.parts[part][fold] for fold in folds]) for part in parts)
        return Sums(float(self.weight[folds].sum()), (loss, *others), self.about)


@dataclass(frozen=True)
class ManySums:
    """The sums of a chunk at K points.

    coef: (n, K) or (n, K, q); intercept: (K,) or (K, q). parts: further sums, each with the number of its θ. folds: the
    folds to sum apart; None for one of all rows. centre, own: as for `RowSums`.
    """

    loss: Loss
    intercept: Vector
    coef: Vector
    parts: tuple[tuple[int, Part], ...] = ()
    folds: Folds | None = None
    precision: str = "double"
    centre: Centre | None = None
    own: bool = False

    def __call__(self, chunk: Chunk, buffers: Buffers) -> ManyTotals:
        dtype = np.dtype(np.float64 if self.precision == "double" else np.float32)
        # The targets' level is taken off once, with their encoding.
        centre, intercept = None if self.centre is None else replace(self.centre, level=0.0), self.intercept
        with np.errstate(over="ignore", invalid="ignore"):
            if self.own and (columns := sampled(chunk.X)) is not None:
                centre = Centre(columns)
                intercept = intercept + np.tensordot(columns, self.coef, 1)
            ordered, bounds = self._by_fold(chunk, buffers, dtype)
            n, points = len(self.coef), math.prod(self.coef.shape[1:])
            offset = self._repeated(ordered.offset)
            all_points = self.coef.reshape(n, points), intercept.reshape(points)
            given: dict[str, Any] = {"encode": _encoded, "dtype": dtype, "centre": centre}
            blocks = Blocks(replace(ordered, offset=offset), *all_points, buffers, **given)
            totals = reduce(add, (self._of_block(block, bounds) for block in blocks))
            parts = []
            for point, part in self.parts:
                of_point = Blocks(ordered, self.coef[:, point], intercept[point], buffers, **given)
                sums = [tuple(part(block.part(f), self.loss) for f in _slices(block, bounds)) for block in of_point]
                parts.append(tuple(part.of_chunk(reduce(add, of_fold)) for of_fold in zip(*sums, strict=True)))
        if not (np.isfinite(totals.loss).all() and np.isfinite(totals.gradient).all()):
            check_finite(chunk)
            check_targets(chunk, self.loss)
        about = centre.columns if self.own and centre is not None else None
        return replace(totals, parts=tuple(parts), about=about)

    def _by_fold(self, chunk: Chunk, buffers: Buffers, dtype: np.dtype[Any]) -> tuple[Chunk, Integers]:
        """The rows fold by fold, with encoded targets, and where each fold begins and the last ends."""
        if self.folds is None:
            ordered, bounds = chunk, np.array([0, len(chunk.X)])
        else:
            ordered, bounds = self.folds.sorted(chunk, buffers.within("folds"))
        assert ordered.y is not None
        return replace(ordered, y=encoded_targets(ordered.y, self.loss.encode, dtype, self.centre)), bounds

    def _repeated(self, offset: Array | None) -> Array | None:
        """The offset of each row beside the raw predictions of all θ."""
        if offset is None or self.coef.ndim == 2:
            return None if offset is None else offset[:, None]
        return np.tile(offset, self.coef.shape[1])

    def _of_block(self, block: Block, bounds: Integers) -> ManyTotals:
        folds = _slices(block, bounds)
        (rows, n), shape = block.columns.shape, self.coef.shape[1:]
        points = math.prod(shape)
        raw = block.buffers.take("raw by point", (*shape, rows), block.columns.dtype)
        np.copyto(raw.reshape(points, rows), block.raw.T)
        value, derivative = self._losses(block, raw)
        loss = np.stack([value[:, fold].sum(axis=1, dtype=np.float64) for fold in folds])
        gradient = np.empty((len(folds), *shape, n + 1))
        for fold, total in zip(folds, gradient, strict=True):
            part = derivative.reshape(points, rows)[:, fold]
            total[..., 0] = part.sum(axis=-1).reshape(shape)
            total[..., 1:] = block.columns.rows(fold).transposed_times(part.T).reshape(*shape, n)
        weight = np.array(
            [fold.stop - fold.start if block.weight is None else _sum(block.weight[fold]) for fold in folds]
        )
        return ManyTotals(weight.astype(np.float64), loss, np.moveaxis(gradient, -1, 2), ())

    def _losses(self, block: Block, raw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each row's loss (K, rows) and derivative, of the shape of `raw`, times its weight."""
        rows, points = raw.shape[-1], len(raw)
        value = block.buffers.take("value by point", (points, rows), raw.dtype)
        derivative = block.buffers.take("derivative by point", raw.shape, raw.dtype)
        at_once = 1 if raw.ndim == 3 else max(1, STACKED // max(rows, 1))
        stacked = np.concatenate([block.y] * min(at_once, points)) if at_once > 1 else block.y
        for first in range(0, points, at_once):
            some = slice(first, min(first + at_once, points))
            if raw.ndim == 3:
                value[first], by_output = self.loss.value_and_derivative(raw[first].T, block.y)
                derivative[first] = by_output.T
                continue
            flat = raw[some].reshape(-1)
            values, slopes = self.loss.value_and_derivative(flat, stacked[: len(flat)])
            value[some], derivative[some] = values.reshape(-1, rows), slopes.reshape(-1, rows)
        if block.weight is not None:
            value *= block.weight
            derivative *= block.weight
        return value, derivative


def _slices(block: Block, bounds: Integers) -> list[slice]:
    """The rows of each fold within a block."""
    cuts = np.clip(bounds, block.rows.start, block.rows.stop) - block.rows.start
    return [slice(int(a), int(b)) for a, b in pairwise(cuts)]


def _encoded(y: Array, dtype: np.dtype[Any]) -> FloatArray:
    """Targets that are encoded already."""
    return y


def _sum(weight: Array) -> float:
    return float(weight.sum(dtype=np.float64))


def _moved(part: Any, step: Vector) -> Any:
    return part.moved(step) if isinstance(part, OfColumns) else part
