"""Second derivatives that models share: summed at a few θ, used by all models near them.

K models ask for K Hessians, each of which costs as much as many gradients, and most of them are nearly alike: those of
folds, and of neighbours on a path. Newton's method leads to the same minimum with an inexact Hessian, since each pass
brings a true gradient; a Hessian from a distance d, in raw predictions, leaves about a part d of a step's error. So a
pass sums as many Hessians as cost what its gradients do, at the θ farthest from those there are: the k-center rule
of Gonzalez (1985), Clustering to minimize the maximum intercluster distance. Each is summed fold by fold, so that the
Hessian of a model leaves out exactly the rows that the model does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.fitting.coordinates import Coordinates
from dgd.passes.sums.hessian import HessianSum

NEAR = 0.05
"""A root mean square change of the raw predictions below which a Hessian is as good as another."""
NEARER = 0.005
"""The same where a pass may sum one for each model that asks."""
CHEAP = 2e9
"""Multiplications that a pass may spend on Hessians in any case: a fraction of a second."""
MOST_BYTES = 2**23
"""Of the Hessians that a pass sums, each of its tasks."""
KEPT = 3
"""Passes whose Hessians are remembered."""


def most_hessians(rows: int, p: int, folds: int, points: int, hessian_bytes: int) -> int:
    """As many as cost what the gradients of so many models do, and where that is little in seconds, more.

    p: rows of a Hessian's block; hessian_bytes: of one Hessian.
    """
    of_gradient, of_hessian = 4 * p + 100, p * p + 8 * p
    worth = max(points * of_gradient, CHEAP / max(rows, 1)) / of_hessian
    return int(max(1, min(worth, MOST_BYTES // (folds * hessian_bytes))))


@dataclass(frozen=True)
class Reference:
    """A Hessian's sums, fold by fold; at which θ, as its columns are stored; what was subtracted from the columns."""

    theta: Vector
    folds: Sequence[HessianSum]
    about: Vector | None

    def without(self, fold: int | None, about: Vector | None) -> HessianSum:
        """The sum over all folds but one, for columns less another centre."""
        found = reduce(add, [each for k, each in enumerate(self.folds) if k != fold])
        step = np.subtract(0.0 if self.about is None else self.about, 0.0 if about is None else about)
        return found.moved(step) if np.any(step) else found


@dataclass
class References:
    """The Hessians there are; `most`: how many a pass may sum."""

    most: int
    found: list[Reference] = field(default_factory=list)
    mean: Vector = field(default_factory=lambda: np.zeros(()))
    scale: Vector = field(default_factory=lambda: np.ones(()))
    """Of the columns, once they are known: distances are those of raw predictions."""

    def measure(self, coordinates: Sequence[Coordinates], centre: Vector | None) -> None:
        """Take mean and scales of the columns from what the first pass has found; an l2 penalty makes scales larger."""
        self.mean = coordinates[0].mean + (0.0 if centre is None else centre)
        self.scale = np.min([each.scale for each in coordinates], axis=0)

    def chosen(self, thetas: Sequence[Vector]) -> list[int]:
        """Which of the θ to sum a Hessian at: the farthest from those there are, until all are near."""
        points = self._points(thetas)
        distance = np.full(len(points), np.inf)
        for reference in self.found:
            distance = np.minimum(distance, _apart(points, self._points([reference.theta])))
        chosen: list[int] = []
        near = NEARER if len(points) <= self.most else NEAR
        while len(chosen) < min(self.most, len(points)) and distance.max() > near:
            new = int(distance.argmax())
            chosen.append(new)
            distance = np.minimum(distance, _apart(points, points[new]))
        return chosen

    def add(self, new: Sequence[Reference]) -> None:
        """Those of one more pass; the oldest are forgotten."""
        self.found = [*self.found, *new][-KEPT * self.most :]

    def nearest(self, theta: Vector) -> Reference:
        """The one to use at a θ; of equally near ones the last."""
        there = self._points([each.theta for each in reversed(self.found)])
        return self.found[-1 - int(np.argmin(_apart(there, self._points([theta]))))]

    def _points(self, thetas: Sequence[Vector]) -> Matrix:
        """θ as raw predictions, a row each: that of the mean row, and what a deviation of each column makes of it."""
        stacked = np.stack(thetas)
        if not np.ndim(self.scale):
            return stacked.reshape(len(stacked), -1)
        scale, mean = (each if stacked.ndim == 2 else each[:, None] for each in (self.scale, self.mean))
        first = stacked.shape[1] - len(scale)
        points = stacked.copy()
        points[:, first:] *= scale
        points[:, :first] += (mean * stacked[:, first:]).sum(axis=1, keepdims=True)
        return points.reshape(len(points), -1)


def _apart(points: Matrix, point: Matrix) -> Vector:
    apart: Vector = np.sqrt(((points - point) ** 2).sum(axis=1))
    return apart
