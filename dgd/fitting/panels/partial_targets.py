"""Targets that lack some rows: each is solved from the products of the rows that it has.

M = Σ w [1 z][1 z]ᵀ over its rows        G, c: centred        b(α) = V diag(1/s) β,  (G + α diag(1/s²)) β = c
RSS(α) = Σ w (y − ȳ)² − 2 βᵀc + βᵀGβ     df(α) = trace (G + α diag(1/s²))⁻¹ G
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Array, Integers, Matrix, Vector
from dgd.fitting.panels.basis import Factored
from dgd.fitting.panels.missing_cells import matrices_of

BATCH = 256
"""Targets that are solved at a time."""
LEAST = 1e-8
"""Of the least curvature in orthonormal columns: with less, a difference of products has fewer than 8 digits."""

Found = tuple[Matrix, Vector, Vector, Integers]


def partial_targets(
    found: Factored, strengths: Vector, products: Matrix, squares: Vector, gone: Matrix, rows: Vector
) -> Found:
    """Coefficients (n, w), intercept less the level, R² and number of the strength; NaN where rows are too few.

    products: (1 + r, w), squares: (w,), over the rows that there are; gone: (pairs, w), over those that are not.
    """
    parts = [slice(low, low + BATCH) for low in range(0, len(squares), BATCH)]
    solved = [_batch(found, strengths, products[:, p], squares[p], gone[:, p], rows[p]) for p in parts]
    coef, shift, r2, best = zip(*solved, strict=True)
    return np.concatenate(coef, axis=1), np.concatenate(shift), np.concatenate(r2), np.concatenate(best)


def _batch(found: Factored, strengths: Vector, products: Matrix, squares: Vector, gone: Matrix, rows: Vector) -> Found:
    M = found.products.sum(axis=0) - matrices_of(gone, found.basis.rank)
    weight, border, G = M[:, 0, 0], M[:, 0, 1:], M[:, 1:, 1:]
    mean = products[0] / weight
    c, around = products[1:].T, np.maximum(squares - products[0] * mean, 0.0)
    whole = squares
    if found.fit_intercept:
        G = G - border[:, :, None] * border[:, None, :] / weight[:, None, None]
        c, whole = c - border * mean[:, None], around
    errors, betas, lefts = [], [], []
    for strength in strengths:
        beta, left, freedom, sure = _solved(G, c, whole, strength * weight / 2, found.values)
        share = 1 - (freedom + found.fit_intercept) / rows
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.where(share > 0, left / share**2, np.inf)
        errors.append(np.where(sure, error, np.nan))
        betas.append(np.where(sure[:, None], beta, np.nan))
        lefts.append(left)
    table = np.array(errors)
    best = np.where(np.isnan(table), np.inf, table).argmin(axis=0)
    # Where the first strength is not sure, and none is better, the coefficients are NaN.
    unsure = np.isnan(table).all(axis=0)
    at = np.arange(len(best))
    beta = np.array(betas)[best, at]
    beta[unsure] = np.nan
    coef = found.vectors @ (beta / found.values).T
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - np.array(lefts)[best, at] / around
    r2[~np.isfinite(r2) | unsure] = np.nan
    shift = np.zeros(len(best))
    if found.fit_intercept:
        shift = mean - (border * beta).sum(axis=1) / weight
    return coef, np.where(unsure, np.nan, shift), r2, best


def _solved(G: Array, c: Matrix, whole: Vector, alpha: Vector, values: Vector) -> tuple[Matrix, Vector, Vector, Array]:
    """β, the residual squares, the degrees of freedom, and where the rows suffice."""
    A = G + alpha[:, None, None] * np.diag(1 / values**2)
    sure = np.linalg.eigvalsh(A)[:, 0] > LEAST if len(values) else np.ones(len(A), bool)
    A = np.where(sure[:, None, None], A, np.eye(len(values)))
    inverse = np.linalg.solve(A, np.concatenate([c[:, :, None], G], axis=2))
    beta = inverse[:, :, 0]
    freedom = np.trace(inverse[:, :, 1:], axis1=1, axis2=2)
    left = np.maximum(whole - 2 * (beta * c).sum(axis=1) + np.einsum("ki,kij,kj->k", beta, G, beta), 0.0)
    return beta, left, freedom, sure
