"""The leverage of a row of K classes, which is a matrix, and what it does to the row's residuals.

    W = ∂²l/∂η²      G = B Bᵀ, B = the row's Xᵀ A: the covariance of its η       (I − W G)^(−e/2) ψ      e: 1 HC2, 2 HC3

For two classes I − W G is 1 − h. With e = 2 the scores are what leaving out the row does to θ in one step, by
Woodbury's identity: (H − XᵀWX)⁻¹Xᵀψ = H⁻¹Xᵀ(I − W G)⁻¹ψ; with e = 1 their variance is W if the model is true. The
principal root does not depend on which class is the base. After Bell and McCaffrey (2002), Bias reduction in standard
errors for linear regression with multi-stage samples, whose leverages of groups are such.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Array

NEAR = 1e-4
"""Below this eigenvalue ((1 − h)^(−e/2) − 1)/h is its series, which does not cancel."""


def adjusted(residual: Array, second: Array, B: Array, exponent: int) -> tuple[Array, float]:
    """(I − W G)^(−e/2) ψ of each row, (rows, K), and the greatest eigenvalue of a W G.

    residual: ψ (rows, K); second: W (rows, K, K); B: (rows, K, k).
    """
    values, vectors = np.linalg.eigh(second)
    # W = R Rᵀ; R may be singular, as it is along a shift of all classes.
    R = vectors * np.sqrt(np.maximum(values, 0.0))[:, None]
    G = B @ B.transpose(0, 2, 1)
    inner = R.transpose(0, 2, 1) @ G
    h, U = np.linalg.eigh(inner @ R)
    h = np.maximum(h, 0.0)
    turned = U.transpose(0, 2, 1) @ (inner @ residual[:, :, None])
    # f(W G) W G ψ = R f(Rᵀ G R) Rᵀ G ψ, with f(h) = ((1 − h)^(−e/2) − 1)/h.
    change = R @ (U @ (_excess(h, exponent / 2)[:, :, None] * turned))
    return residual + change[:, :, 0], float(h.max(initial=0.0))


def _excess(h: Array, power: float) -> Array:
    """((1 − h)^(−power) − 1)/h."""
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.expm1(-power * np.log1p(-h)) / h
    series = power * (1 + (power + 1) / 2 * h * (1 + (power + 2) / 3 * h))
    return np.where(h < NEAR, series, exact)
