"""Dataset + loss + penalty + executor → value and gradient at a point. One evaluation is one pass.

    F(θ) = 1/Σw · Σᵢ wᵢ·loss(xᵢᵀθ + offsetᵢ, yᵢ) + penalty(b)        ∇ = gradient_scale/Σw · Xᵀ(w·derivative) + ∇penalty

The scale is applied once, to the reduced sums. What passes find out about the problem is `Known`,
a value that goes from one pass to the next; the objective itself does not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.dataset import Dataset
from dgd.data.row_split import RowSplit
from dgd.errors import DataError
from dgd.fitting.coefficient_prox import CoefficientProx
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.epoch import EpochFold, EpochSoFar
from dgd.fitting.split_sums import OnHeldOut, OnTraining, OnTrainingFold
from dgd.losses import Loss
from dgd.passes.executor import Executor
from dgd.passes.sums.gradient import GradientAtZero, LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.loss import LossOnly
from dgd.passes.sums.moments import ColumnMoments, TargetMoments, TargetSums
from dgd.passes.sums.row_sums import Part, RowSums, Sums
from dgd.penalties import NoPenalty, Penalty
from dgd.solvers.base import Epoch, Evaluation, no_prox, vector_norm


@dataclass(frozen=True)
class Known:
    """What the passes so far have found out about a problem."""

    coordinates: Coordinates
    """The solver's: the user's own, or standardised by the first pass."""
    passes: int = 0
    targets: TargetSums | None = None
    hessian: Matrix | None = None
    """That of a quadratic loss, which is summed only once; else the last one."""
    origin_norm: float = 0.0
    """‖∇F(0)‖ in the solver's coordinates (with l1 or bounds of the least subgradient); 0 where it is not known.

    Unlike the gradient at the start it does not depend on where a fit starts.
    """


@dataclass(frozen=True)
class Pass:
    """One evaluation, what is known after it, and what it cost."""

    evaluation: Evaluation
    known: Known
    bytes_read: int = 0
    resident: int = 0
    """Chunks that were in memory."""
    validation_sum: Sums | None = None
    """Of the rows held out, where the pass read them at the same point."""


@dataclass(frozen=True)
class Objective:
    """The mean loss of a dataset plus a penalty, as a function of the solver's coordinates."""

    dataset: Dataset
    loss: Loss
    executor: Executor
    penalty: Penalty = field(default_factory=NoPenalty)
    fit_intercept: bool = True
    precision: str = "double"
    validation: Dataset | RowSplit | None = None
    """Rows that are scored at each point and never fitted: others, or some of each chunk."""

    def __post_init__(self) -> None:
        self.penalty.check(self.dataset.shape[1])

    @property
    def outputs(self) -> int | None:
        """The columns of θ; None where θ is a vector."""
        assert self.dataset.y is not None
        return self.loss.n_outputs(self.dataset.y.shape)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """The shape of θ."""
        return self.unknown().coordinates.theta_shape

    @property
    def rows_held_out(self) -> int:
        """The rows of the dataset that are validated on and not fitted."""
        return self.validation.count(0, self.dataset.shape[0]) if isinstance(self.validation, RowSplit) else 0

    def unknown(self) -> Known:
        """Before any pass: the solver's coordinates are the user's."""
        n = self.dataset.shape[1]
        return Known(Coordinates.identity(n, intercept=self.fit_intercept, outputs=self.outputs))

    def prox(self, known: Known) -> CoefficientProx | Any:
        """The prox of what is not smooth, in the solver's coordinates."""
        if self.penalty.is_smooth:
            return no_prox
        return CoefficientProx(known.coordinates.penalty(self.penalty), known.coordinates)

    def standardise_at(self, theta: Vector, *, hessian: bool = False) -> Pass:
        """The first pass, at θ in the user's coordinates, which also sums what standardising needs."""
        parts: tuple[Part, ...] = (ColumnMoments(),)
        return self._pass(theta, None, self.unknown(), parts, hessian=hessian)

    def evaluate(self, asked: Vector | Epoch, known: Known, *, hessian: bool = False) -> Pass:
        """Value and gradient at a point of the solver's coordinates, or an epoch of steps from there."""
        if isinstance(asked, Epoch):
            return self._epoch(asked, known)
        return self._pass(known.coordinates.to_user(asked), asked, known, (), hessian=hessian)

    def standardised(self, sums: Any) -> Coordinates:
        """The coordinates in which columns have mean 0 and deviation 1."""
        return Coordinates.standardising(
            sums,
            intercept=self.fit_intercept,
            outputs=self.outputs,
            ridge=self.penalty.curvature(np.zeros(self.dataset.shape[1])) / self.loss.gradient_scale,
        )

    def validate(self, point: Vector, last: Pass) -> tuple[float | None, int]:
        """The objective on the validation rows, penalty included, and the bytes read for it; None without them."""
        if self.validation is None:
            return None, 0
        sums, bytes_read = last.validation_sum, 0
        if sums is None or point is not last.evaluation.point:
            chunk_sum = self._row_sums(last.known.coordinates.to_user(point), (LossOnly(),), precision="double")
            if isinstance(self.validation, RowSplit):
                result = self.executor.sweep(self.dataset, OnHeldOut(chunk_sum, self.validation))
            else:
                result = self.executor.sweep(self.validation, chunk_sum)
            sums, bytes_read = result.value, result.bytes_read
        if not sums.weight > 0:
            raise DataError("the weights of the validation rows sum to 0: no row counts", array="weight")
        return sums.parts[0] / sums.weight + self._penalty_value(point, last.known), bytes_read

    def explained(self, value: float, point: Vector, known: Known) -> float | None:
        """1 − (loss − saturated)/(null − saturated): R² for the squared loss, the part of the deviance for the others.

        The null model is the best constant prediction. None where an offset or the loss leaves it unknown, or where the
        targets are all the same.
        """
        if known.targets is None or self.dataset.offset is not None:
            return None
        moments = known.targets.moments
        with np.errstate(divide="ignore", invalid="ignore"):
            null = self.loss.null_value(moments.mean, moments.variance)
            saturated = known.targets.saturated / moments.weight
        penalty, coef = known.coordinates.penalty(self.penalty), known.coordinates.coef_part(point)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = value - penalty.value(coef) - penalty.nonsmooth_value(coef)
            explained = 1 - (loss - saturated) / (null - saturated) if null - saturated > 0 else float("nan")
        return explained if np.isfinite(explained) else None

    def _penalty_value(self, point: Vector, known: Known) -> float:
        penalty, coef = known.coordinates.penalty(self.penalty), known.coordinates.coef_part(point)
        with np.errstate(over="ignore", invalid="ignore"):
            return penalty.value(coef) + penalty.nonsmooth_value(coef)

    def _row_sums(self, theta: Vector, parts: tuple[Part, ...], *, precision: str) -> RowSums:
        intercept: float | Vector = 0.0
        coef = theta
        if self.fit_intercept:
            intercept, coef = theta[0] if theta.ndim == 2 else float(theta[0]), theta[1:]
        return RowSums(self.loss, intercept, coef, parts, precision)

    def _pass(
        self, theta: Vector, point: Vector | None, known: Known, parts: tuple[Part, ...], *, hessian: bool
    ) -> Pass:
        """Sum what is asked for at θ; `point` is θ in the solver's coordinates, None where this pass finds them."""
        first = known.passes == 0
        sums_hessian = hessian and not (self.loss.quadratic and known.hessian is not None)
        asked: tuple[Part, ...] = (LossAndGradient(), *parts)
        asked += (TargetMoments(),) if first else ()
        asked += (GradientAtZero(),) if first and theta.any() else ()
        asked += (Hessian(),) if sums_hessian else ()
        chunk_sum = self._row_sums(theta, asked, precision=self.precision)
        held_out = None
        if isinstance(self.validation, RowSplit):
            scored = self._row_sums(theta, (LossOnly(),), precision="double")
            both = self.executor.sweep(self.dataset, OnTraining(chunk_sum, self.validation, scored))
            sums, held_out = both.value.training, both.value.held_out
            bytes_read, resident = both.bytes_read, both.resident
        else:
            result = self.executor.sweep(self.dataset, chunk_sum)
            sums, bytes_read, resident = result.value, result.bytes_read, result.resident
        if not sums.weight > 0:
            raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
        found = {type(part): total for part, total in zip(asked, sums.parts, strict=True)}
        known = replace(known, passes=known.passes + 1, targets=found.get(TargetMoments, known.targets))
        if point is None:
            known = replace(known, coordinates=self.standardised(found[ColumnMoments]))
            point = known.coordinates.from_user(theta)
        scale = self.loss.gradient_scale / sums.weight
        coordinates, loss = known.coordinates, found[LossAndGradient]
        with np.errstate(over="ignore", invalid="ignore"):
            if sums_hessian:
                known = replace(known, hessian=coordinates.hessian(found[Hessian] * scale))
            if GradientAtZero in found:
                known = replace(known, origin_norm=self._origin_norm(found[GradientAtZero] * scale, coordinates))
            gradient = coordinates.gradient(loss.gradient * scale)
            evaluation = self._evaluation(point, loss.loss / sums.weight, gradient, known, hessian=hessian)
        return Pass(evaluation, known, bytes_read, resident, held_out)

    def _evaluation(self, point: Vector, mean: float, gradient: Vector, known: Known, *, hessian: bool) -> Evaluation:
        """F and its gradient, from the mean loss and its gradient in the solver's coordinates."""
        coordinates, penalty = known.coordinates, known.coordinates.penalty(self.penalty)
        coef, coef_gradient = coordinates.coef_part(point), coordinates.coef_part(gradient)
        coef_gradient += penalty.gradient(coef)
        nonsmooth = penalty.nonsmooth_value(coef)
        return Evaluation(
            point=point,
            value=mean + penalty.value(coef) + nonsmooth,
            gradient=gradient,
            nonsmooth=nonsmooth,
            subgradient=_subgradient(penalty, coordinates, coef, gradient),
            hessian=_with_curvature(known.hessian, penalty, coordinates, coef) if hessian else None,
        )

    def _origin_norm(self, gradient: Vector, coordinates: Coordinates) -> float:
        if not np.isfinite(gradient).all():
            return 0.0
        gradient = coordinates.gradient(gradient)
        zero = coordinates.coef_part(np.zeros_like(gradient))
        subgradient = _subgradient(coordinates.penalty(self.penalty), coordinates, zero, gradient)
        return vector_norm(gradient if subgradient is None else subgradient)

    def _epoch(self, epoch: Epoch, known: Known) -> Pass:
        start = EpochSoFar(epoch.point, epoch.step, 0.0, np.zeros_like(epoch.point), 0.0)
        penalty = known.coordinates.penalty(self.penalty)
        fold: Any = EpochFold(self.loss, penalty, known.coordinates, epoch)
        if isinstance(self.validation, RowSplit):
            fold = OnTrainingFold(fold, self.validation)
        order = [int(k) for k in epoch.chunk_order(self.dataset.n_chunks)]
        result = self.executor.fold(self.dataset, fold, start, order)
        end = result.value
        if not end.weight_sum > 0:
            raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
        coef = known.coordinates.coef_part(end.point)
        nonsmooth = penalty.nonsmooth_value(coef)
        evaluation = Evaluation(
            point=end.point,
            value=end.loss_sum / end.weight_sum + penalty.value(coef) + nonsmooth,
            gradient=end.gradient_sum / end.batches,
            nonsmooth=nonsmooth,
            steps=end.step - epoch.step,
        )
        return Pass(evaluation, replace(known, passes=known.passes + 1), result.bytes_read, result.resident)


def _subgradient(penalty: Penalty, coordinates: Coordinates, coef: Vector, gradient: Vector) -> Vector | None:
    if penalty.is_smooth:
        return None
    subgradient = gradient.copy()
    part = coordinates.coef_part(subgradient)
    part[...] = penalty.subgradient(coef, part.copy())
    return subgradient


def _with_curvature(hessian: Matrix | None, penalty: Penalty, coordinates: Coordinates, coef: Vector) -> Matrix | None:
    """∇²f: that of the loss, and on its diagonal that of the penalty."""
    if hessian is None:
        return None
    diagonal = np.zeros(len(hessian))
    coordinates.coef_part(diagonal)[...] = penalty.curvature(coef)
    return hessian + np.diag(diagonal)
