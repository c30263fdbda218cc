"""A metric of what columns have in common, by a sample: for outputs that share them, and where curvature vanishes.

    M = G ⊗ S + D        G = Σw xxᵀ/Σw over the sample, S the loss's second derivative by η, D the penalty's

S is the mean over the sample at the best constant, wherever the fit begins: at a point far off it may be near 0 for
some outputs and not for others. It is diagonal of outputs that do not depend on each other; of a softmax it is
diag π − ππᵀ for all rows, without an offset: G ⊗ S is the Hessian exactly, in n² + K² numbers and not n²K². Huber's
vanishes far from the data. On the way curvature changes, more in size than in shape; the last steps and their gradients
say how large it is (`pairs`). So passes are as few as on columns that do not depend on each other.

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
"""A column whose variance in the sample is below this part of what it is on the whole is nearly missing from it."""


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
        """With D where the first pass has been made."""
        known, point, coordinates = found.known, found.evaluation.point, found.known.coordinates
        asked = sample.row_sums(known, sample.start(None), (Gram(), Curvature()), precision="double")
        sums = sample.executor.sweep(sample.dataset, asked).value
        products, curvature = sums.parts
        G, S = coordinates.hessian(products.values / sums.weight), curvature / sums.weight
        flat = np.diag(S) <= 0
        if flat.any() and not sample.loss.shift_is_free:
            # No row of the sample has any: that of a row which is predicted as it is.
            raw = np.zeros((1, len(S)))
            S[flat, flat] = sample.loss.second_derivative(raw, raw)[0, flat]
        if coordinates.standardised:
            G[np.diag_indices_from(G)] = np.maximum(np.diag(G), RARE)
        return cls(G, sample.loss.gradient_scale * S, _of_penalty(sample, known, point))

    @property
    def finite(self) -> bool:
        """Whether it is made of numbers."""
        return all(bool(np.isfinite(each).all()) for each in (self.columns, self.outputs, self.penalty))

    def metric(self) -> ProductMetric:
        """Of products alone."""
        return ProductMetric.of(self.columns, self.outputs, self.penalty)

    def matrix(self) -> Matrix:
        """M itself, where there is one output."""
        M: Matrix = self.columns * self.outputs
        M[np.diag_indices_from(M)] += self.penalty
        return M


def _of_penalty(objective: Objective, known: Known, point: Vector) -> Vector:
    """The diagonal of D, a number for each column: the mean over its outputs."""
    penalty, coordinates = known.coordinates.penalty(objective.penalty), known.coordinates
    diagonal = np.zeros(coordinates.theta_shape)
    coordinates.penalised_part(diagonal)[...] = penalty.curvature(coordinates.penalised_part(point))
    mean: Vector = diagonal.reshape(len(diagonal), -1).mean(axis=1)
    return mean
