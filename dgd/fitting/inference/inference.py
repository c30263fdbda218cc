"""From a fit to its inference: what is allowed, what passes are needed, and which covariance.

classical   squared: φ (XᵀWX)⁻¹, φ = RSS/(m − p)       likelihoods: (Σ w·E[l″]·xxᵀ)⁻¹, the inverse information
            gamma, tweedie, inverse Gaussian: φ times that, φ = Pearson's χ²/(m − p)
            huber and other losses of η − y alone: k² · Σψ²/(m − p) / (Σψ′/m)² · (XᵀX)⁻¹ with
            k = 1 + p/m · var(ψ′)/mean(ψ′)²; Huber (1981), Robust Statistics, 7.6.10
HC0 …       A M Aᵀ with the scores' M (`dgd.passes.sums.sandwich`): for every loss, whatever the rows' variance is
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.rows import Rows
from dgd.errors import DataError
from dgd.errors.words import counted
from dgd.fitting.inference.facts import Facts, degrees_of_freedom, facts_of, statistics_of
from dgd.fitting.inference.fitted import Fitted, Passes, passes_over
from dgd.fitting.inference.information import DIGITS_LOST, Information, of_factor, of_hessian, of_sums
from dgd.fitting.inference.options import InferenceOptions, check_size, group_count
from dgd.fitting.inference.selected_covariance import selected_covariance
from dgd.fitting.inference.under_hypothesis import LikelihoodRatio
from dgd.models.inference.collinearity import Condition, condition_of, inflation
from dgd.models.inference.inference import Inference
from dgd.models.inference.uncertainty import Uncertainty, square_root
from dgd.models.model import Model
from dgd.passes.execution import Execution
from dgd.passes.sums.hessian import Expected, Gram, Hessian, HessianSum
from dgd.passes.sums.row_sums import Part
from dgd.passes.sums.sandwich import GroupScores, Sandwich
from dgd.solvers.base import Status

FEW_GROUPS = 30
MOST_LEVERAGE = 1 - 1e-9
EXPONENTS = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2, "cluster": 0}


def infer(fitted: Fitted, model: Model, options: InferenceOptions, where: Execution) -> Inference:
    """The inference of a fit; see `Result.inference`."""
    options.check(fitted)
    check_size(fitted)
    groups = options.group_rows(fitted)
    with passes_over(fitted, where) as passes:
        if options.is_wide(fitted):
            return selected_covariance(fitted, model, options, passes, groups)
        facts, information, gram = _summed(fitted, options, passes)
        statistics = statistics_of(fitted, facts, options)
        covariance = _classical(fitted, facts, information, gram, options)
        clusters = None
        if options.cov != "classical":
            covariance, clusters = _sandwich(fitted, facts, information, options, passes, groups)
        basis = information if gram is None else gram
    df = degrees_of_freedom(fitted, statistics, clusters)
    uncertainty = Uncertainty(
        cov=options.cov,
        root=basis.about_means(covariance, fitted.means_rounding(basis.coordinates)),
        centre=fitted.means(basis.coordinates),
        df=df,
        dispersion=np.broadcast_to(statistics.dispersion, (fitted.outputs,)).copy(),
        joint=information.joint,
    )
    first = 0 if fitted.method.fit_intercept else 1
    condition = _condition(fitted, information)
    found = Inference(
        names=fitted.names,
        outputs=_labels(fitted),
        estimates=_estimates(fitted, model),
        cov=options.cov,
        conf=options.conf,
        statistics=statistics,
        model=replace(model, uncertainty=uncertainty),
        notes=_notes(fitted, options, information, clusters, condition),
        passes=passes.count,
        clusters=clusters,
        df=df,
        joint=information.joint,
        vif=_inflation(fitted, information),
        condition=condition,
        root=uncertainty.user_root()[:, first:],
        refit=LikelihoodRatio(fitted, information, statistics, where),
    )
    return found if options.only is None else options.selected(found)


def _summed(fitted: Fitted, options: InferenceOptions, passes: Passes) -> tuple[Facts, Information, Information | None]:
    """What is known at θ, with one pass for what is not; the Gram matrix where that loss's covariance has it."""
    loss, expects = fitted.method.loss, options.expects(fitted.method.loss)
    needs_gram = options.cov == "classical" and not (loss.is_likelihood or loss.has_dispersion)
    parts: tuple[Part, ...] = (Expected(Hessian()),) if expects else () if fitted.has_hessian else (Hessian(),)
    parts += (Gram(),) if needs_gram else ()
    p = fitted.parameters
    q = fitted.outputs if not loss.quadratic else 1
    held = 8 * p * p * (q * q if loss.shift_is_free else q)
    facts, found = facts_of(fitted, options, passes, parts, held_bytes=held * max(len(parts), 1))
    gram = found.pop() if needs_gram else None
    if fitted.factor is not None:
        information = of_factor(fitted, fitted.factor, facts.weight)
    elif fitted.hessian is not None and not expects:
        information = of_hessian(fitted, fitted.hessian, facts.weight)
    else:
        information = of_sums(fitted, _values(found[0]))
    return facts, information, None if gram is None else of_sums(fitted, _values(gram))


def _values(found: HessianSum) -> Vector:
    return found.values


def _classical(
    fitted: Fitted, facts: Facts, information: Information, gram: Information | None, options: InferenceOptions
) -> Vector:
    """The root of the covariance the loss has where its model is true, (q, p, k) in coordinates z."""
    if gram is None:
        statistics = statistics_of(fitted, facts, options)
        return np.sqrt(statistics.dispersion)[:, None, None] * information.inverse_root
    assert facts.squares is not None
    assert facts.curvature is not None
    m, p = facts.rows, fitted.parameters
    share = facts.curvature / m
    # ψ′ is 0 or 1 for huber, whose mean square is then its mean.
    k = 1 + p / m * (share * (1 - share)) / share**2
    factor = k**2 * (facts.squares / (m - p)) / share**2
    return np.sqrt(factor)[:, None, None] * gram.inverse_root


def _sandwich(
    fitted: Fitted,
    facts: Facts,
    information: Information,
    options: InferenceOptions,
    passes: Passes,
    groups: Rows | None,
) -> tuple[Vector, int | None]:
    """A √M of the scores, in one pass, and the number of groups."""
    part = Sandwich(
        bread=information.for_columns(information.inverse_root),
        joint=information.joint,
        leverage=EXPONENTS[options.cov],
        frequency=options.weights == "frequency",
        by_group=groups is not None,
    )
    k = information.inverse_root.shape[2]
    each = k if groups is None else group_count(groups)
    (found,) = passes.sums((part,), groups=groups, held_bytes=8 * k * each * fitted.outputs).parts
    parameters = k if information.joint else fitted.parameters
    correction, clusters = 1.0, None
    if isinstance(found, GroupScores):
        clusters, meat = _clusters(found, facts), found.meat
        correction = clusters / (clusters - 1) * (facts.rows - 1) / (facts.rows - parameters)
    else:
        meat = found.values
        if options.cov == "HC1":
            correction = facts.rows / (facts.rows - parameters)
        if found.leverage > MOST_LEVERAGE:
            raise DataError(
                f"the covariance {options.cov} divides by 1 − h, and a row has the leverage h = 1: a coefficient is "
                f"made from it alone; take cov='HC1', or leave out that column or row"
            )
    roots = np.stack([square_root(each * correction) for each in meat])
    return np.matmul(information.inverse_root, roots), clusters


def _clusters(found: GroupScores, facts: Facts) -> int:
    if found.rows != facts.all_rows:
        raise DataError(
            f"{facts.all_rows - found.rows:,} rows that were fitted have no group (a missing cell); give each one",
            array="groups",
        )
    if len(found.labels) < 2:
        raise DataError("the rows are in one group, and a covariance by groups needs two or more", array="groups")
    return len(found.labels)


def _labels(fitted: Fitted) -> tuple[Any, ...] | None:
    if fitted.method.outputs is None:
        return None
    if fitted.method.loss.shift_is_free and fitted.method.loss.labels is not None:
        return tuple(fitted.method.loss.labels)
    return tuple(range(fitted.outputs))


def _estimates(fitted: Fitted, model: Model) -> Vector:
    coef = model.coef.T
    if not fitted.method.fit_intercept:
        return np.ascontiguousarray(coef)
    return np.concatenate([np.asarray(model.intercept)[None], coef])


def _inflation(fitted: Fitted, information: Information) -> Vector | None:
    if information.joint:
        return None
    found = [
        inflation(H, A, intercept=fitted.method.fit_intercept)
        for H, A in zip(information.matrices, information.inverse_root, strict=True)
    ]
    return found[0] if fitted.method.outputs is None else np.stack(found, axis=1)


def _condition(fitted: Fitted, information: Information) -> Condition | None:
    """Of the first output's columns; None for classes, whose information is not one of columns."""
    if information.joint:
        return None
    root = np.linalg.inv(information.inverse_root[0]) if information.root is None else information.root
    scale = information.coordinates.scale
    first = int(fitted.method.fit_intercept)
    raw = np.empty_like(root)
    raw[:, first:] = root[:, first:] * scale
    if first:
        raw[:, 0] = root[:, 0]
        raw[:, 1:] += root[:, :1] * fitted.means(information.coordinates)
    return condition_of(raw, fitted.names)


def _notes(
    fitted: Fitted,
    options: InferenceOptions,
    information: Information,
    clusters: int | None,
    condition: Condition | None,
) -> tuple[str, ...]:
    notes = options.notes(fitted)
    if fitted.status is not Status.CONVERGED:
        notes.append(f"θ is not known to be the optimum, which these numbers are for: {fitted.status.value}")
    if information.rounding > DIGITS_LOST:
        digits = max(0, int(-math.log10(information.rounding)))
        notes.append(f"about {counted(digits, 'digit')} are right: columns are near each other")
    if clusters is not None and clusters < FEW_GROUPS:
        notes.append(f"{counted(clusters, 'group')} are few: intervals by group tend to be too narrow")
    if condition is not None and condition.warning():
        notes.append(condition.warning())
    return tuple(notes)
