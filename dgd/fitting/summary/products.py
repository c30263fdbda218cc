"""A first pass that sums centred products, and what follows from them without another one: value and gradient anywhere.

    F(θ) = F(θ₀) + gᵀd + ½ dᵀH d        ∇f(θ) = g + H d        d = θ − θ₀

With x̃ = x − x̄, ỹ = y − ȳ and e = b₀ + x̄ᵀb − ȳ:  Σ w r² = bᵀG b − 2bᵀc + Σ w ỹ² + W e²  and  Σ w r x = G b − c + W e x̄,
where G = Σ w x̃x̃ᵀ and c = Σ w x̃ỹ. Rounding of these sums says how many digits a solution has by them alone; with fewer
than `DIGITS` the loss and the gradient are summed again, at the solution.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Matrix, Vector
from dgd.data.centre import Centre, centre_of, near
from dgd.data.kinds import coded
from dgd.data.transforms.missing import check_counts
from dgd.fitting.coefficient_prox import least_subgradient
from dgd.fitting.known import Known, Pass
from dgd.fitting.objective import Objective
from dgd.fitting.question import Question
from dgd.fitting.verdict.certificate import ROUNDINGS
from dgd.passes.executor import PassResult
from dgd.passes.sums.gradient import NullSums
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.gram_sum import FAR, GramSum
from dgd.passes.sums.moments import TargetSums
from dgd.solvers.base import Evaluation, vector_norm

DIGITS = 8.0
"""Of each coefficient, for which one pass is enough."""
SINGLE_DIGITS = 3.0
"""The same in single precision."""
TINY = 1e-6
"""Coefficients below this part of the largest, in standardised columns, are not asked for all of these digits."""
STANDARD_ERROR, SINGLE_STANDARD_ERROR = 1e-4, 1.0
"""Nor are those below this part of their standard error, which the rows leave open; in double and single precision."""
LEAST_LEFT = 1e-6
"""A part of the loss at the best constant: of less, a difference of sums has too few digits."""
REACHED = 16.0
"""A gradient of so many times what rounding makes of its sums is one of a minimum."""
SUMMED = 4.0
"""Units in the last place of a sum of products."""


def products_question(objective: Objective, theta: Vector) -> Question:
    """Centred products of columns and targets, of which all else follows."""
    return Question(GramSum(objective.precision), theta, None, objective.unknown(), hessian=True)


def products_pass(objective: Objective, theta: Vector, result: PassResult[Gram], *, standardize: bool) -> Pass:
    """From a pass over products value, gradient and Hessian at the coefficients of θ, with the best intercept.

    θ is zero, or as near to it as bounds allow.
    """
    check_counts(result.value.weight, result.left_out, objective.dataset.feature_names)
    gram, centre = _centred(objective, result.value)
    known = replace(objective.unknown(), passes=1, centre=centre, left_out=result.left_out, chunks_filled=result.filled)
    with np.errstate(over="ignore", invalid="ignore"):
        known = _coordinates(objective, known, gram, standardize=standardize)
        null, at = (_with_best_intercept(objective, gram, each) for each in (np.zeros_like(theta), theta))
        scale = objective.loss.gradient_scale / gram.weight
        H = known.coordinates.hessian_of_products(gram.products, gram.mean, gram.weight) * scale
        left, null_gradient = _sums(objective, gram, null)
        squares = NullSums(gram.weight * left / max(objective.dataset.shape[0], 1), null_gradient)
        known = replace(known, hessian=H, products_rounding=_rounding(objective, gram))
        known = objective.measured(known, squares, null_gradient, scale)
        total, gradient = _sums(objective, gram, at)
        evaluation = objective.evaluation(
            known.coordinates.from_user(at),
            total / gram.weight,
            known.coordinates.gradient(gradient * scale),
            known,
            hessian=True,
        )
    return Pass(evaluation, known, result.bytes_read, result.resident, times=result.times)


def _centred(objective: Objective, gram: Gram) -> tuple[Gram, Centre | None]:
    """The sums for columns and targets less a centre, as later passes subtract it; none without an intercept."""
    if not objective.centres:
        return gram.moved_to(None, 0.0), None
    spread, target_spread = np.sqrt(gram.moments.variance), np.sqrt(gram.target_moments.variance)
    found = np.where(spread > 0, gram.about + gram.mean, gram.about)
    about = centre_of(found, spread, objective.dataset.dtype, coded=coded(objective.dataset.kinds))
    level = near(gram.level + gram.target_mean, target_spread)
    level = np.where(np.isfinite(level), level, 0.0)
    gram = gram.moved_to(about, level)
    return gram, Centre(about, level if objective.outputs is not None else float(level[0]))


def _coordinates(objective: Objective, known: Known, gram: Gram, *, standardize: bool) -> Known:
    moments = gram.moments
    known = replace(known, size=moments.root_mean_square, targets=TargetSums(gram.target_moments, 0.0), yardstick=None)
    if standardize:
        return replace(known, coordinates=objective.standardised(moments))
    columns = None if known.centre is None else known.centre.columns
    # Of a constant the intercept takes the whole: its own gradient is then exactly 0.
    varying = None if columns is None else np.where(moments.squares > 0, columns, 0.0)
    known = replace(known, coordinates=objective.raw(varying))
    if objective.measures_standardised:
        known = replace(known, yardstick=objective.standardised(moments))
    return known


def _with_best_intercept(objective: Objective, gram: Gram, theta: Vector) -> Vector:
    """θ with the intercept that is best beside its coefficients, where one is fitted."""
    theta = theta.copy()
    if objective.fit_intercept:
        mean = gram.target_mean if objective.outputs is not None else gram.target_mean[0]
        theta[0] = mean - gram.mean @ theta[1:]
    return theta


def _sums(objective: Objective, gram: Gram, theta: Vector) -> tuple[float, Vector]:
    """Σ w r², and Σ w r with Σ w r x, the intercept's entry first."""
    columns = theta.reshape(theta.shape[0], -1)
    intercept, coef = (columns[0], columns[1:]) if objective.fit_intercept else (0.0, columns)
    beyond = intercept + gram.mean @ coef - gram.target_mean
    slope = gram.products @ coef - gram.cross
    squares = float(np.sum((coef * (slope - gram.cross)).sum(axis=0) + gram.squares + gram.weight * beyond * beyond))
    sums = gram.weight * beyond
    gradient = np.concatenate([sums[None], slope + np.outer(gram.mean, sums)])
    return squares, gradient if objective.outputs is not None else gradient[:, 0]


def _rounding(objective: Objective, gram: Gram) -> float:
    """Of products of standardised columns, which are sums of numbers that are at most so much larger."""
    spread = np.sqrt(gram.moments.variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.where(spread > 0, abs(gram.mean) / spread, 0.0)
    # A column of a mean that is not subtracted is summed from about 0.
    most = min(float(away.max(initial=0.0)), FAR) if objective.fit_intercept else 0.0
    epsilon = float(np.finfo(np.float64 if objective.precision == "double" else np.float32).eps)
    return SUMMED * epsilon * (1 + most * most)


def without_a_pass(objective: Objective, known: Known, first: Evaluation, point: Vector) -> Pass | None:
    """Value and gradient at a point, from those of the first pass; None where that has too few digits.

    known, first: after a pass over products; point: where the solver would have the next pass.
    """
    if not known.products_rounding or not first.finite or first.hessian is None:
        return None
    found = at_point(objective, known, first, point)
    if leaves_nothing(objective, found):
        return None
    enough = DIGITS if objective.precision == "double" else SINGLE_DIGITS
    return found if digits(objective, found, first) >= enough else None


def leaves_nothing(objective: Objective, found: Pass) -> bool:
    """Whether so little is left of the loss at the best constant that a difference of sums does not tell it."""
    return not found.evaluation.value > LEAST_LEFT * null_loss(objective, found.known)


def at_point(objective: Objective, known: Known, first: Evaluation, point: Vector) -> Pass:
    """Value and gradient at a point, from those of the first pass and their Hessian."""
    assert first.hessian is not None
    d = (point - first.point).reshape(len(first.hessian), -1)
    slope = first.gradient.reshape(d.shape)
    bent = first.hessian @ d
    penalty, coordinates = known.coordinates.penalty(objective.penalty), known.coordinates
    coef = coordinates.coef_part(point)
    nonsmooth = penalty.nonsmooth_value(coef)
    gradient = (slope + bent).ravel()
    evaluation = replace(
        first,
        point=point,
        value=first.smooth_value + float(np.sum(d * (slope + bent / 2))) + nonsmooth,
        gradient=gradient,
        nonsmooth=nonsmooth,
        subgradient=least_subgradient(penalty, coordinates, coef, gradient),
    )
    return Pass(evaluation, replace(known, noise=_noise(objective, known, coef)))


def digits(objective: Objective, found: Pass, first: Evaluation) -> float:
    """How many digits each coefficient of a minimum has for sure, by sums alone; 0 where it is none.

    Rounding of the products makes u of a gradient, and H⁻¹u of the coefficients. Of those that l1 or bounds hold where
    they are, nothing is open.
    """
    assert first.hessian is not None
    last, H = found.evaluation, first.hessian
    d, slope = ((last.point - first.point).reshape(len(H), -1), first.gradient.reshape(len(H), -1))
    residue = found.known.products_rounding * (np.abs(H) @ np.abs(d) + np.abs(slope))
    if not last.grad_norm <= REACHED * vector_norm(residue.ravel()):
        return 0.0
    own = int(objective.fit_intercept)
    z = found.known.coordinates.coef_part(last.point).reshape(len(H) - own, d.shape[1])
    noise = _noise_by_output(objective, found.known, z) / found.known.coordinates.scale[:, None]
    part, held = H[own:, own:], _held(objective, found)[own:]
    open_part = STANDARD_ERROR if objective.precision == "double" else SINGLE_STANDARD_ERROR
    left = open_part * np.sqrt(2 * max(last.value, 0.0) / z.shape[1] / objective.dataset.shape[0]) * np.ones(z.shape[1])
    if (held == held[:, :1]).all():
        return _digits(part, z, noise, left, ~held[:, 0])
    each = (
        _digits(part, z[:, k : k + 1], noise[:, k : k + 1], left[k : k + 1], ~held[:, k]) for k in range(z.shape[1])
    )
    return min(each)


def _held(objective: Objective, found: Pass) -> NDArray[np.bool_]:
    """(p, q): which coefficients l1 or bounds hold where they are, and those of constant columns."""
    last = found.evaluation
    assert last.hessian is not None
    kinks, flat = objective.prox(found.known).kinks, np.diag(last.hessian) == 0
    held = np.zeros(last.point.shape, dtype=bool)
    if kinks is not None:
        held = ((last.point == 0) & (kinks.l1 > 0)) | (last.point <= kinks.lower) | (last.point >= kinks.upper)
    fixed: NDArray[np.bool_] = held.reshape(len(flat), -1) | flat[:, None]
    return fixed


def _digits(H: Matrix, z: Matrix, noise: Matrix, left: Vector, free: NDArray[np.bool_]) -> float:
    """−log₁₀ of the largest error of a coefficient, as a part of it, or of what need not be told from 0.

    left: by target, what times the root of H⁻¹'s diagonal is that.
    """
    H, noise = H[np.ix_(free, free)], noise[free]
    size = np.sqrt(np.diag(H))
    S = H / size / size[:, None]
    if not (np.isfinite(S).all() and np.isfinite(noise).all()):
        return 0.0
    try:
        np.linalg.cholesky(S)
        inverse = np.linalg.inv(S)
    except np.linalg.LinAlgError:
        return 0.0
    error = np.sqrt((inverse * inverse) @ (noise / size[:, None]) ** 2) / size[:, None]
    least = np.maximum(abs(z[free]), TINY * abs(z).max(axis=0, initial=0.0))
    least = np.maximum(least, np.outer(np.sqrt(np.maximum(np.diag(inverse), 0.0)) / size, left))
    with np.errstate(divide="ignore", invalid="ignore"):
        worst = float(np.nan_to_num(error / least, nan=0.0, posinf=np.inf).max(initial=0.0))
    return math.inf if worst == 0 else max(0.0, -math.log10(worst))


def null_loss(objective: Objective, known: Known) -> float:
    """That of the best constant prediction, or without an intercept of 0."""
    assert known.targets is not None
    moments = known.targets.moments
    return float(np.sum(moments.variance + (0.0 if objective.fit_intercept else moments.mean**2)))


def _noise(objective: Objective, known: Known, coef: Vector) -> Vector | None:
    """What rounding of the products makes of a gradient at these coefficients, by each of them in the user's units."""
    if known.noise is None:
        return None
    noise: Vector = _noise_by_output(objective, known, coef.reshape(len(coef), -1)).max(axis=1)
    return np.maximum(known.noise, noise / ROUNDINGS)


def _noise_by_output(objective: Objective, known: Known, coef: Matrix) -> Matrix:
    """The same for each output: the roundings of H z − c are independent of each other."""
    assert known.targets is not None
    assert known.size is not None
    reach = np.sqrt((known.size / known.coordinates.scale) ** 2 @ coef**2 + known.targets.moments.variance)
    noise: Matrix = np.outer(known.size, known.products_rounding * abs(objective.loss.gradient_scale) * reach)
    return noise
