"""Squared losses of many penalties from centred products: no pass, no rows.

    F(b) = 1/Σw (bᵀGb − 2 bᵀc + s) + l1 |b| + ½ l2 b²        b₀ = ȳ − x̄ᵀb

One strength of l2 for all columns: G = V Λ Vᵀ, and b = V (Λ + ½ l2 Σw)⁻¹ Vᵀc for every strength. Anything else: the
minimum of the quadratic with its kinks, each from the one before it, among the columns that the strong rule keeps,

    |∂f/∂bⱼ| ≥ 2 l1 − l1₀ at the solution for l1₀:  Tibshirani et al. (2012), Strong rules for discarding predictors

and among those as well that turn out to violate ∂F ∋ 0, until none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.passes.sums.gram import Gram
from dgd.penalties import Penalty
from dgd.solvers.base import Kinks
from dgd.solvers.steps.quadratic_model import Mask, quadratic_minimum

UNEVEN = 1e6
"""Where the variances of columns differ by more, each strength is solved by itself, in standardised columns."""
VIOLATED = 1e-9
"""By which part of the largest gradient a column must violate its condition to be let in."""


def path_of(gram: Gram, penalties: Sequence[Penalty], *, fit_intercept: bool, ridge: Vector | None = None) -> Vector:
    """θ of each penalty in their order, (L, n + 1, q), or (L, n, q) without an intercept, for columns as stored.

    ridge: `ridge_strengths` of the penalties, where they are known.
    """
    G, c, mean, target_mean = _equations(gram, fit_intercept=fit_intercept)
    ridge = ridge_strengths(penalties, len(G)) if ridge is None else ridge
    coefs = _by_eigenvectors(G, c, gram.weight * ridge / 2)
    if coefs is None:
        coefs = np.stack([_one_target(G, c[:, k], gram.weight, penalties) for k in range(c.shape[1])], axis=-1)
    if not fit_intercept:
        return coefs
    levels = target_mean - np.einsum("j,ljk->lk", mean, coefs)
    return np.concatenate([levels[:, None], coefs], axis=1)


def losses(gram: Gram, thetas: Vector, *, fit_intercept: bool) -> Vector:
    """The mean squared error of each θ on the rows of a Gram, for each target: (L, q)."""
    coefs = thetas[:, 1:] if fit_intercept else thetas
    levels = thetas[:, 0] if fit_intercept else np.zeros_like(thetas[:, 0])
    bent = _by_rows(gram.products, coefs) - 2 * gram.cross
    squares = gram.squares + (coefs * bent).sum(axis=1)
    beyond = gram.level + gram.target_mean - levels - np.einsum("j,ljk->lk", gram.about + gram.mean, coefs)
    found: Vector = np.maximum(squares / gram.weight, 0.0) + beyond * beyond
    return found


def without(parts: Sequence[Gram], fold: int) -> Gram:
    """The sum of all but one."""
    return reduce(add, [part for k, part in enumerate(parts) if k != fold])


def null_gradient(gram: Gram, *, fit_intercept: bool) -> tuple[Vector, float]:
    """The mean loss's gradient by the coefficients at the best constant, (n, q), and the mean curvature of a column."""
    G, c, _, _ = _equations(gram, fit_intercept=fit_intercept)
    return -2 * c / gram.weight, 2 * float(np.diag(G).mean()) / gram.weight


def _equations(gram: Gram, *, fit_intercept: bool) -> tuple[Matrix, Matrix, Vector, Vector]:
    """G, c and the means; without an intercept of the columns as they are, not of deviations."""
    mean, target_mean = gram.about + gram.mean, gram.level + gram.target_mean
    if fit_intercept:
        return gram.products, gram.cross, mean, target_mean
    return (
        gram.products + gram.weight * np.outer(mean, mean),
        gram.cross + gram.weight * np.outer(mean, target_mean),
        mean,
        target_mean,
    )


def ridge_strengths(penalties: Sequence[Penalty], n_features: int) -> Vector:
    """l2 of each penalty, (L,); empty unless each is one strength of l2 above 0, for all columns."""
    if not all(penalty.is_smooth for penalty in penalties):
        return np.zeros(0)
    strengths = np.stack([penalty.curvature(np.zeros(n_features)) for penalty in penalties])
    alike = bool((strengths == strengths[:, :1]).all() and (strengths[:, 0] > 0).all())
    return strengths[:, 0] if alike else np.zeros(0)


def _by_eigenvectors(G: Matrix, c: Matrix, ridge: Vector) -> Vector | None:
    """(L, n, q); None where penalties are more than one strength of l2, or columns are of very different scales."""
    diagonal = np.diag(G)
    if not len(ridge) or diagonal.max() > UNEVEN * diagonal.min():
        return None
    values, vectors = np.linalg.eigh(G)
    inverse = 1 / (np.maximum(values, 0.0) + ridge[:, None])
    found: Vector = _by_rows(vectors, inverse[:, :, None] * (vectors.T @ c))
    return found


def _by_rows(A: Matrix, b: Vector) -> Vector:
    """A times each (n, q) of b, (L, n, q), as one product of matrices."""
    L, n, q = b.shape
    flat = np.dot(A, b.transpose(1, 0, 2).reshape(n, L * q))
    return np.ascontiguousarray(flat.reshape(len(A), L, q).transpose(1, 0, 2))


def _one_target(G: Matrix, c: Vector, weight: float, penalties: Sequence[Penalty]) -> Vector:
    """(L, n): warm starts, and strong rules where the penalty before allows them."""
    b, before = np.zeros(len(G)), None
    found = []
    H, g0 = 2 * G / weight, -2 * c / weight
    for penalty in penalties:
        kinks, curvature = _kinks(penalty, len(G)), penalty.curvature(b)
        bent = H + np.diag(curvature)
        slope = g0 + bent @ b
        keep: Mask = b != 0
        if before is not None:
            keep = keep | (abs(slope) >= 2 * kinks.l1 - before) | ~_may_rest(kinks)
        while True:
            b = _among(keep, b, bent, g0, kinks)
            slope = g0 + bent @ b
            wrong = ~keep & ((abs(slope) > kinks.l1 + VIOLATED * float(abs(g0).max())) | ~_may_rest(kinks))
            if not wrong.any():
                break
            keep = keep | wrong
        before = kinks.l1
        found.append(b)
    return np.stack(found)


def _among(keep: Mask, b: Vector, H: Matrix, g0: Vector, kinks: Kinks) -> Vector:
    """The minimum over the columns kept; the others are 0."""
    chosen = np.flatnonzero(keep)
    solved = np.zeros_like(b)
    if len(chosen):
        part = H[np.ix_(chosen, chosen)]
        start = np.clip(b[chosen], kinks.lower[chosen], kinks.upper[chosen])
        gradient = g0[chosen] + part @ start
        its = Kinks(kinks.l1[chosen], kinks.lower[chosen], kinks.upper[chosen])
        solved[chosen], _ = quadratic_minimum(start, gradient, part, its)
    return solved


def _may_rest(kinks: Kinks) -> Mask:
    """Which coefficients l1 may hold at 0, within bounds."""
    may: Mask = (kinks.l1 > 0) & (kinks.lower <= 0) & (kinks.upper >= 0)
    return may


def _kinks(penalty: Penalty, n: int) -> Kinks:
    known = penalty.kinks(np.zeros(n))
    if known is None:
        return Kinks(np.zeros(n), np.full(n, -np.inf), np.full(n, np.inf))
    return Kinks(*known)


def freedom(gram: Gram, ridge: Vector, *, fit_intercept: bool) -> Vector:
    """The degrees of freedom of (G + ridge)⁻¹c for each ridge, the intercept's among them: Σ λ/(λ + ridge)."""
    G, _, _, _ = _equations(gram, fit_intercept=fit_intercept)
    values = np.maximum(np.linalg.eigvalsh(G), 0.0)
    taken: Vector = (values / (values + ridge[:, None])).sum(axis=1) + int(fit_intercept)
    return taken
