"""A metric of what columns have in common, by a sample: for outputs that share them, and where curvature vanishes.

    M = G ⊗ S + D        G = Σw xxᵀ/Σw over the sample, S the loss's second derivative, D the penalty's

At the best constant all rows have the same S, without an offset: a softmax of K classes with n columns has the Hessian
(diag π − ππᵀ) ⊗ G there, exactly, which takes n² + K² numbers in the place of n²K². Of outputs that do not depend on
each other S is diagonal, the mean over the sample: huber's vanishes far from the data. On the way curvature changes,
more in size than in shape; the last step and its gradients say how large it is (`pairs`). So passes are as few as on
columns that do not depend on each other.

Böhning (1992), Multinomial logistic regression algorithm, bounds the Hessian by such a product; Martens and Grosse
(2015), Optimizing neural networks with Kronecker-factored approximate curvature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.fitting.known import Known, Pass
from dgd.fitting.objective import Objective
from dgd.losses import Loss
from dgd.passes.sums.curvature import Curvature
from dgd.passes.sums.hessian import Gram
from dgd.solvers.steps.metric import ProductMetric

RARE = 0.5
"""A column whose variance in the sample is below this part of that over all rows has this part."""


def by_columns(loss: Loss, outputs: int | None) -> bool:
    """Whether a metric is that of the columns, and not the Hessian of the sample."""
    return outputs is not None or loss.curvature_vanishes


@dataclass(frozen=True, slots=True)
class Shape:
    """G (p, p), S (q, q) and the diagonal of D, (p,)."""

    columns: Matrix
    outputs: Matrix
    penalty: Vector

    @classmethod
    def of(cls, sample: Objective, found: Pass) -> Self:
        """That at the best constant, where a pass has been made."""
        known, point = found.known, found.evaluation.point
        theta, coordinates = known.coordinates.to_user(point), known.coordinates
        depend = sample.loss.shift_is_free
        parts = (Gram(),) if depend else (Gram(), Curvature())
        sums = sample.executor.sweep(sample.dataset, sample.row_sums(known, theta, parts, precision="double")).value
        G = coordinates.hessian(sums.parts[0].values / sums.weight)
        S = _of_outputs(sample.loss, theta[0] if sample.fit_intercept else np.zeros(sample.outputs or 1))
        if not depend:
            mean = np.atleast_1d(sums.parts[1] / sums.weight)
            S[np.diag_indices_from(S)] = np.where(mean > 0, mean, np.diag(S))
        if coordinates.standardised:
            G[np.diag_indices_from(G)] = np.maximum(np.diag(G), RARE)
        return cls(G, sample.loss.gradient_scale * S, _of_penalty(sample, known, point))

    def metric(self) -> ProductMetric:
        """Of products alone."""
        return ProductMetric.of(self.columns, self.outputs, self.penalty)

    def matrix(self) -> Matrix:
        """M itself, where there is one output."""
        M: Matrix = self.columns * self.outputs
        M[np.diag_indices_from(M)] += self.penalty
        return M


def _of_outputs(loss: Loss, constant: Vector) -> Matrix:
    """S (q, q) of a row at that raw prediction, and a target as it is expected there."""
    raw = np.atleast_1d(constant)[None, :]
    second = loss.second_derivative(raw, loss.response(raw))[0]
    found: Matrix = np.array(second if second.ndim == 2 else np.diag(second), dtype=np.float64)
    return found


def _of_penalty(objective: Objective, known: Known, point: Vector) -> Vector:
    """The diagonal of D, a number for each column: the mean over its outputs."""
    penalty, coordinates = known.coordinates.penalty(objective.penalty), known.coordinates
    diagonal = np.zeros(coordinates.theta_shape)
    coordinates.penalised_part(diagonal)[...] = penalty.curvature(coordinates.penalised_part(point))
    mean: Vector = diagonal.reshape(len(diagonal), -1).mean(axis=1)
    return mean
