"""A metric: a matrix near the Hessian, of all rows or of a sample, that turns steps.

    direction −M⁻¹g        parabola ∇fᵀd + ½ dᵀM d

M need not be the Hessian at the point where it is used: pairs of steps and gradients correct it (`pairs`), and
conjugate gradients are preconditioned by it. With M from a sample: Roosta-Khorasani and Mahoney (2019), Sub-sampled
Newton methods; for least squares Avron, Maymounkov and Toledo (2010), Blendenpik; Meng, Saunders and Mahoney (2014),
LSRN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dgd._typing import Matrix, Vector
from dgd.solvers.steps.newton_step import inverse


@dataclass(frozen=True, slots=True)
class Metric:
    """M (p, p) and its inverse, symmetric; in the solver's coordinates.

    q outputs may share one, where a point is (p, q) in a row: each method then takes all p·q entries.
    """

    matrix: Matrix
    inverse: Matrix

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
