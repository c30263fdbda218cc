"""The strength of an l2 penalty for each target, by generalised cross-validation or by folds, from sums alone.

    b(α) = (G + αI)⁻¹ c     α = l2·Σw/2     G = V D Vᵀ     c' = Vᵀc
    RSS(α) = Σ w ỹ² − Σₖ c'ₖ² (dₖ + 2α)/(dₖ + α)²        df(α) = Σₖ dₖ/(dₖ + α), and 1 for the intercept
    GCV(α) = RSS(α)/Σw / (1 − df(α)/m)²

One decomposition serves all strengths and targets. Of folds the error is exact: that of the rows of a fold, from their
own sums, for the coefficients of the others. Golub, Heath and Wahba (1979), Generalized cross-validation as a method
for choosing a good ridge parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number, checked_word
from dgd.passes.blas import single_threaded_blas
from dgd.passes.sums.gram import Gram
from dgd.passes.tree import sum_siblings
from dgd.penalties import L2, Penalty

BY = ("gcv", "folds")


@dataclass(frozen=True, eq=False)
class RidgeChoice:
    """The strength that is best for each target.

    strengths: (q,), the chosen ones; tried: (k,); errors: (k, q), GCV or the mean squared error of rows held out.
    """

    strengths: Vector
    tried: Vector
    errors: Matrix

    @property
    def penalties(self) -> list[Penalty]:
        """One for each target, for `Summary.fit(penalty=...)`: the same object for the same strength."""
        made = {strength: L2(strength) for strength in self.tried.tolist()}
        return [made[strength] for strength in self.strengths.tolist()]


def ridge_choice(parts: Sequence[Gram], strengths: Any, by: Any, *, fit_intercept: bool) -> RidgeChoice:
    """The choice from the sums of all folds; GCV needs no folds."""
    checked_word("choose_ridge(by", by, BY)
    given = list(strengths) if hasattr(strengths, "__iter__") else [strengths]
    tried = np.array([checked_number("choose_ridge(strengths", each, least=0) for each in given])
    if not len(tried) or not np.isfinite(tried).all():
        raise ConfigurationError("`choose_ridge(strengths=...)` must be one or more finite numbers of 0 or more")
    if by == "folds" and len(parts) < 2:
        raise ConfigurationError(
            "`choose_ridge(by='folds')` needs a summary of folds: make it with `summarize(folds=...)`, or take by='gcv'"
        )
    with single_threaded_blas():
        if by == "gcv":
            errors = _gcv(sum_siblings(parts), tried, fit_intercept=fit_intercept)
        else:
            errors = _held_out(parts, tried, fit_intercept=fit_intercept)
    return RidgeChoice(tried[errors.argmin(axis=0)], tried, errors)


def _gcv(gram: Gram, tried: Vector, *, fit_intercept: bool) -> Matrix:
    G, c, squares = _sums(gram, fit_intercept=fit_intercept)
    values, vectors = _eigen(G)
    along = (vectors.T @ c) ** 2
    errors = np.empty((len(tried), len(squares)))
    for k, strength in enumerate(tried):
        alpha = strength * gram.weight / 2
        raised = values + alpha
        with np.errstate(divide="ignore", invalid="ignore"):
            shrunk = np.where(raised > 0, (values + 2 * alpha) / raised**2, 0.0)
            freedom = float(np.where(raised > 0, values / raised, 0.0).sum()) + fit_intercept
        left = np.maximum(squares - shrunk @ along, 0.0) / gram.weight
        # With as many degrees of freedom as rows nothing is left to judge by.
        share = 1 - freedom / gram.rows
        errors[k] = left / share**2 if share > 0 else np.inf
    return errors


def _held_out(parts: Sequence[Gram], tried: Vector, *, fit_intercept: bool) -> Matrix:
    """The squared errors of each fold, for coefficients of the others, over the weight of all."""
    errors = np.zeros((len(tried), len(parts[0].level)))
    for index, fold in enumerate(parts):
        rest = sum_siblings([part for k, part in enumerate(parts) if k != index])
        G, c, _ = _sums(rest, fit_intercept=fit_intercept)
        values, vectors = _eigen(G)
        along = vectors.T @ c
        fold = fold.moved_to(rest.about, rest.level)
        for k, strength in enumerate(tried):
            raised = values + strength * rest.weight / 2
            coef = vectors @ (along * np.where(raised > 0, 1 / np.where(raised > 0, raised, 1.0), 0.0)[:, None])
            level = rest.target_mean - rest.mean @ coef if fit_intercept else -rest.level + rest.about @ coef
            beyond = fold.target_mean - level - fold.mean @ coef
            errors[k] += fold.squares + (coef * (fold.products @ coef - 2 * fold.cross)).sum(axis=0)
            errors[k] += fold.weight * beyond * beyond
    return errors / sum(part.weight for part in parts)


def _sums(gram: Gram, *, fit_intercept: bool) -> tuple[Matrix, Matrix, Vector]:
    """Centred products, or without an intercept those about 0."""
    if fit_intercept:
        return gram.products, gram.cross, gram.squares
    gram = gram.moved_to(None, 0.0)
    mean, target = gram.mean, gram.target_mean
    return (
        gram.products + gram.weight * np.outer(mean, mean),
        gram.cross + gram.weight * np.outer(mean, target),
        gram.squares + gram.weight * target * target,
    )


def _eigen(G: Matrix) -> tuple[Vector, Matrix]:
    """Eigenvalues and vectors; what is rounding of 0 is 0."""
    values, vectors = np.linalg.eigh(G)
    least = 16 * float(np.finfo(np.float64).eps) * len(values) * max(float(values[-1]), 0.0)
    return np.where(values > least, values, 0.0), vectors
