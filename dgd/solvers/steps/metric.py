"""A metric: a matrix near the Hessian, of all rows or of a sample, that turns steps.

    direction −M⁻¹g        parabola ∇fᵀd + ½ dᵀM d

M need not be the Hessian at the point where it is used: pairs of steps and gradients correct it (`pairs`), and
conjugate gradients are preconditioned by it. With M from a sample: Roosta-Khorasani and Mahoney (2019), Sub-sampled
Newton methods; for least squares Avron, Maymounkov and Toledo (2010), Blendenpik; Meng, Saunders and Mahoney (2014),
LSRN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.solvers.steps.newton_step import SINGULAR, inverse

LEAST = 1e-8
"""An eigenvalue of G is no smaller than this part of the largest: what steps would be long by, gradients must tell."""

SHIFTED = 1e-3
"""That of S which is 0, with a penalty: of a common shift gradients say next to nothing, and steps are to be short."""


@dataclass(frozen=True, slots=True)
class DenseMetric:
    """M (p, p) and its inverse, symmetric; in the solver's coordinates.

    q outputs may share one, where a point is (p, q) in a row: each method then takes all p·q entries.
    """

    matrix: Matrix
    inverse: Matrix

    is_shape: ClassVar[bool] = False
    """Whether how large M is says nothing, so that the last pair is asked."""

    @classmethod
    def of(cls, hessian: Matrix) -> Self:
        """The metric of a Hessian; where that is singular, inverted on its range alone."""
        return cls(hessian, inverse(hessian))

    def solve(self, gradient: Vector) -> Vector:
        """M⁻¹ g."""
        return self._each(self.inverse, gradient)

    def times(self, step: Vector) -> Vector:
        """M d."""
        return self._each(self.matrix, step)

    def _each(self, matrix: Matrix, entries: Vector) -> Vector:
        found: Vector = (matrix @ entries.reshape(len(matrix), -1)).ravel()
        return found


@dataclass(frozen=True, slots=True)
class ProductMetric:
    """M = G ⊗ S + D ⊗ 1: columns by outputs, a point being (p, q) in a row.

        VᵀGV = 1    VᵀDV = diag λ    S = U diag(w) Uᵀ        M⁻¹g = V ((Vᵀ g U) / (λᵢ + wⱼ)) Uᵀ

    Of G (p, p) and S (q, q) alone, never of p·q × p·q numbers. Where M is singular, as for columns
    that depend on each other and for a softmax's common shift, M⁻¹ is that on its range.
    """

    columns: Matrix
    """V (p, r), for r columns that do not depend on each other; with D for all."""
    outputs: Matrix
    """U (q, q)."""
    inverse: Matrix
    """1/(λᵢ + wⱼ), (r, q)."""
    factors: tuple[Matrix, Matrix, Vector]
    """G, S and the diagonal of D."""

    is_shape: ClassVar[bool] = True

    @classmethod
    def of(cls, columns: Matrix, outputs: Matrix, ridge: Vector) -> Self:
        """G and S, positive semidefinite, and the diagonal of D."""
        values, Q = np.linalg.eigh(columns)
        # Where columns depend on each other D alone says how far a step goes, and without it there is none.
        kept = values > (-np.inf if ridge.any() else SINGULAR * len(values) * values[-1])
        V = np.asarray(Q[:, kept] / np.sqrt(np.maximum(values[kept], LEAST * values[-1])))
        curvature = np.zeros(V.shape[1])
        if ridge.any():
            curvature, turned = np.linalg.eigh((V.T * ridge) @ V)
            V = V @ turned
        w, U = np.linalg.eigh(outputs)
        w = np.where(w > SINGULAR * len(w) * w[-1], w, SHIFTED * w[-1] if ridge.any() else 0.0)
        curvatures = np.maximum(curvature, 0.0)[:, None] + w
        inverse = np.divide(1.0, curvatures, out=np.zeros_like(curvatures), where=curvatures > 0)
        return cls(V, np.asarray(U), inverse, (columns, outputs, ridge))

    def solve(self, gradient: Vector) -> Vector:
        """M⁻¹ g."""
        V, U = self.columns, self.outputs
        along = V.T @ gradient.reshape(len(V), len(U)) @ U
        along *= self.inverse
        found: Vector = (V @ along @ U.T).ravel()
        return found

    def times(self, step: Vector) -> Vector:
        """M d."""
        G, S, ridge = self.factors
        entries = step.reshape(len(G), len(S))
        found = G @ entries @ S
        found += ridge[:, None] * entries
        return found.ravel()

    def diagonal(self) -> Vector:
        """That of M."""
        G, S, ridge = self.factors
        found: Vector = (np.outer(np.diag(G), np.diag(S)) + ridge[:, None]).ravel()
        return found


Metric = DenseMetric | ProductMetric
