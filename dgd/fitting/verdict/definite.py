"""Whether a symmetric matrix is safely definite, at a tenth of what its eigenvalues cost.

λ_min(H) > t if H − tI has a Cholesky factor, up to rounding of n ε times the largest diagonal entry. Higham (2002),
Accuracy and Stability of Numerical Algorithms, section 10.3.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Matrix

EPS = float(np.finfo(np.float64).eps)


def exceeds_trace(H: Matrix, part: float) -> bool:
    """Whether the least eigenvalue is surely more than a part of the trace, which is no less than the largest one.

    False says nothing.
    """
    diagonal = np.diag(H)
    if not (len(H) and np.isfinite(diagonal).all() and (diagonal > 0).all()):
        return False
    shift = (2 * part + len(H) * EPS) * float(diagonal.sum())
    try:
        np.linalg.cholesky(H - shift * np.eye(len(H)))
    except np.linalg.LinAlgError:
        return False
    return True
