"""The sums at θ that statistics are made of: what the fit knows already, and what a pass or a read of targets adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.transforms.summed_rows import SummedRows
from dgd.errors import DataError
from dgd.fitting.inference.fitted import Fitted, Passes
from dgd.fitting.inference.options import InferenceOptions
from dgd.fitting.summary.products import LEAST_LEFT
from dgd.losses import Loss
from dgd.models.inference.fit_statistics import FitStatistics, normal_log_likelihood
from dgd.passes.sums.moments import TargetMoments, TargetSums
from dgd.passes.sums.residuals import Counted, Residuals, ResidualSums, RowCounts
from dgd.passes.sums.row_sums import Part
from dgd.penalties import NoPenalty
from dgd.solvers.base import Status


@dataclass(frozen=True, eq=False)
class Facts:
    """Sums over the rows that were fitted; vectors have a number for each output, or one for all classes."""

    weight: float
    all_rows: int
    """The rows, those of weight 0 among them."""
    rows: float
    """m: the rows of a weight above 0, or Σw where a weight is a number of rows."""
    loss: Vector
    saturated: Vector
    targets: TargetSums
    log_weight: float
    log_base: Vector
    squares: Vector | None = None
    curvature: Vector | None = None
    pearson: Vector | None = None


def facts_of(
    fitted: Fitted, options: InferenceOptions, passes: Passes, parts: tuple[Part, ...], *, held_bytes: int
) -> tuple[Facts, list[Any]]:
    """The sums, and those of `parts`; without a pass where nothing is missing."""
    loss, targets = fitted.method.loss, fitted.known.targets
    estimated = not loss.is_likelihood or (options.dispersion == "pearson" and not loss.quadratic)
    value = None if parts or estimated else _known_loss(fitted)
    if value is not None and targets is not None:
        weight, found, sums = targets.moments.weight, [], None
        residuals = ResidualSums(value, np.array([targets.saturated]), value, value, value)
    else:
        sums = passes.sums((Residuals(), TargetMoments(), *parts), held_bytes=held_bytes)
        residuals, targets, *found = sums.parts
        weight = sums.weight
    counts = _counts(fitted, passes)
    squares = residuals.loss if loss.quadratic else residuals.squares
    made = Facts(
        weight=weight,
        all_rows=counts.rows,
        rows=weight if options.weights == "frequency" else float(counts.counted),
        loss=residuals.loss,
        saturated=residuals.saturated,
        targets=targets,
        log_weight=0.0 if options.weights == "frequency" else counts.log_weight,
        log_base=counts.log_base,
        squares=squares if loss.quadratic or sums is not None else None,
        curvature=None if sums is None else residuals.curvature,
        pearson=None if sums is None else residuals.pearson,
    )
    return made, list(found)


def _known_loss(fitted: Fitted) -> Vector | None:
    """Σ w·value of each output, from what the passes of the fit know; None where a pass must say."""
    targets, hessian = fitted.known.targets, fitted.hessian
    if fitted.factor is not None:
        hessian = fitted.factor.T @ fitted.factor
    if fitted.mean_loss is None or targets is None:
        return None
    if fitted.method.outputs is None or fitted.method.loss.shift_is_free:
        return np.array([fitted.mean_loss * targets.moments.weight])
    if hessian is None or not fitted.method.loss.quadratic or not isinstance(fitted.method.penalty, NoPenalty):
        return None
    if fitted.dataset.offset is not None or fitted.status is not Status.CONVERGED:
        return None
    # At the optimum Σ w r² = Σ w y² − Σ w η², both about the mean where there is an intercept.
    first, moments = int(fitted.method.fit_intercept), targets.moments
    total = moments.squares if first else moments.squares + moments.weight * moments.mean**2
    z = fitted.known.coordinates.from_user(fitted.theta).reshape(fitted.parameters, -1)[first:]
    H = hessian - np.outer(hessian[:, 0], hessian[0]) / hessian[0, 0] if first else hessian
    H = H[first:, first:] * (moments.weight / fitted.method.loss.gradient_scale)
    left = np.asarray(total - np.einsum("jk,jk->k", z, H @ z))
    return left if (left > LEAST_LEFT * total).all() else None


def _counts(fitted: Fitted, passes: Passes) -> RowCounts:
    """Rows that count, and constants of the likelihood: from targets and weights alone, or without a read."""
    loss, q = fitted.method.loss, 1 if fitted.method.loss.shift_is_free else fitted.outputs
    has_base = type(loss).log_base is not Loss.log_base
    if isinstance(y := fitted.dataset.y, SummedRows):
        return RowCounts(y.shape[0], y.counted, y.log_weight, np.zeros(q))
    unsure = fitted.split is not None and fitted.dataset.missing != "error"
    if fitted.dataset.weight is None and not has_base and not unsure:
        held = 0 if fitted.split is None else fitted.split.count(0, fitted.dataset.shape[0])
        left_out = 0 if fitted.known.left_out is None else fitted.known.left_out.rows
        rows = fitted.dataset.shape[0] - held - left_out
        return RowCounts(rows, rows, 0.0, np.zeros(q))
    (found,) = passes.of_targets((Counted(),)).parts
    counts: RowCounts = found
    return counts


def statistics_of(fitted: Fitted, facts: Facts, options: InferenceOptions) -> FitStatistics:
    """How well the fit describes its rows. Raises DataError where there are no more rows than coefficients."""
    loss, p, q = fitted.method.loss, fitted.parameters, fitted.outputs
    parameters = p * (q - 1) if loss.shift_is_free else p
    left = facts.rows - parameters
    if not left > 0:
        raise DataError(
            f"{facts.rows:,.12g} rows leave no degrees of freedom beside {parameters:,} coefficients, and so no "
            f"standard errors; fit fewer columns, or more rows"
        )
    common: dict[str, Any] = {
        "rows": facts.rows,
        "parameters": parameters,
        "intercept": fitted.method.fit_intercept,
        "loss": facts.loss,
    }
    if loss.quadratic:
        return FitStatistics(dispersion=facts.loss / left, **common, **_of_squares(fitted, facts, left))
    dispersion = np.ones(len(facts.loss))
    if (options.dispersion == "pearson" or loss.has_dispersion) and facts.pearson is not None:
        dispersion = facts.pearson / left
    if not (loss.is_likelihood or loss.has_dispersion):
        assert facts.squares is not None
        return FitStatistics(dispersion=facts.squares / left, **common)
    estimated = options.dispersion == "pearson" or loss.has_dispersion
    likelihood = None if estimated else facts.log_base - facts.loss
    return FitStatistics(
        dispersion=dispersion,
        log_likelihood=likelihood,
        deviance=2 * (facts.loss - facts.saturated),
        null_deviance=_null_deviance(fitted, facts),
        **common,
    )


def degrees_of_freedom(fitted: Fitted, statistics: FitStatistics, clusters: int | None) -> float:
    """Of t: where φ is estimated those of the residuals, or of the groups; else infinite, the normal distribution."""
    if not (fitted.method.loss.quadratic or fitted.method.loss.has_dispersion):
        return math.inf
    return statistics.df_residual if clusters is None else clusters - 1.0


def _of_squares(fitted: Fitted, facts: Facts, left: float) -> dict[str, Any]:
    """R² and likelihood of the squared loss."""
    found: dict[str, Any] = {
        "log_likelihood": normal_log_likelihood(facts.loss, facts.rows, facts.log_weight),
        "deviance": facts.loss,
    }
    if fitted.dataset.offset is not None:
        return found
    moments, intercept = facts.targets.moments, fitted.method.fit_intercept
    level = 0.0 if fitted.known.centre is None else fitted.known.centre.level
    total = moments.squares if intercept else moments.squares + moments.weight * (moments.mean + level) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(total > 0, 1 - facts.loss / total, np.nan)
    adjusted = 1 - (1 - r2) * (facts.rows - intercept) / left
    return {**found, "r2": r2, "adjusted_r2": adjusted, "null_deviance": total}


def _null_deviance(fitted: Fitted, facts: Facts) -> Vector | None:
    """That of the best constant; None where an offset leaves it unknown."""
    if fitted.dataset.offset is not None:
        return None
    loss, moments = fitted.method.loss, facts.targets.moments
    if loss.shift_is_free or fitted.method.outputs is None:
        null = np.array([loss.null_value(moments.mean, moments.variance)])
    else:
        null = np.array([loss.null_value(moments.mean[[k]], moments.variance[[k]]) for k in range(len(moments.mean))])
    return 2 * (null * moments.weight - facts.saturated)
