"""Dataset + loss + penalty + executor → value and gradient at a point. One evaluation is one pass, counted here.

    F(θ) = 1/Σw · Σᵢ wᵢ·loss(xᵢᵀθ + offsetᵢ, yᵢ) + penalty(b)        ∇ = gradient_scale/Σw · Xᵀ(w·derivative) + ∇penalty

The scale is applied once, to the reduced sums; the penalty is added here, on the coefficients the user sees. The
objective knows neither which executor nor which store it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.dataset import Dataset
from dgd.errors import DataError
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.epoch import EpochFold, EpochSoFar
from dgd.losses import Loss
from dgd.passes.executor import Executor
from dgd.passes.sums.gradient import GradientSum, Partial, TargetSums
from dgd.passes.sums.loss import LossSum
from dgd.penalties import NoPenalty, Penalty
from dgd.solvers.base import Epoch, Evaluation, vector_norm


@dataclass
class Objective:
    """The mean loss of a dataset plus a penalty, as a function of the solver's coordinates."""

    dataset: Dataset
    loss: Loss
    executor: Executor
    penalty: Penalty = field(default_factory=NoPenalty)
    fit_intercept: bool = True
    precision: str = "double"
    validation: Dataset | None = None
    """Rows that are scored at each point and never fitted."""
    outputs: int | None = field(init=False)
    coordinates: Coordinates = field(init=False)
    passes: int = field(default=0, init=False)
    bytes_read: int = field(default=0, init=False)
    """Stored bytes that the last pass read."""
    resident: int = field(default=0, init=False)
    """Chunks that the last pass found in memory."""
    targets: TargetSums | None = field(default=None, init=False)
    """What the first pass has summed of the targets."""
    origin: Vector | None = field(default=None, init=False)
    """∇ of the mean loss at θ = 0, from the first pass, where that is made elsewhere; in the user's coordinates."""
    hessian: Matrix | None = field(default=None, init=False)
    """That of a quadratic loss, which needs to be summed only once; else the last one."""

    def __post_init__(self) -> None:
        assert self.dataset.y is not None
        n = self.dataset.shape[1]
        self.outputs = self.loss.n_outputs(self.dataset.y.shape)
        self.penalty.check(n)
        self.coordinates = Coordinates.identity(n, intercept=self.fit_intercept, outputs=self.outputs)
        self._penalty = self.penalty

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """The shape of θ."""
        return self.coordinates.theta_shape

    def prox(self, point: Vector, step: float | Vector) -> Vector:
        """The prox of what is not smooth, on the coefficients alone."""
        point = point.copy()
        coef = self.coordinates.coef_part(point)
        coef[...] = self._penalty.prox(coef, self.coordinates.coef_part(step) if isinstance(step, np.ndarray) else step)
        return point

    def standardise_at(self, theta: Vector, *, hessian: bool = False) -> Evaluation:
        """The first evaluation, at θ in the user's coordinates; its pass also sums what standardising needs."""
        partial = self._sweep(theta, moments=True, hessian=hessian)
        assert partial.moments is not None
        self.coordinates = Coordinates.standardising(
            partial.moments,
            intercept=self.fit_intercept,
            outputs=self.outputs,
            ridge=self.penalty.curvature(np.zeros(self.dataset.shape[1])) / self.loss.gradient_scale,
        )
        self._penalty = self.penalty.scaled(self.coordinates.scale)
        return self._evaluation(self.coordinates.from_user(theta), partial, hessian=hessian)

    def evaluate(self, asked: Vector | Epoch, *, hessian: bool = False) -> Evaluation:
        """Value and gradient at a point of the solver's coordinates, or an epoch of steps from there."""
        if isinstance(asked, Epoch):
            return self._epoch(asked)
        partial = self._sweep(self.coordinates.to_user(asked), hessian=hessian)
        return self._evaluation(asked, partial, hessian=hessian)

    def validate(self, point: Vector) -> float | None:
        """The objective on the validation rows, penalty included; None where there are none."""
        if self.validation is None:
            return None
        swept = self.executor.sweep(self.validation, LossSum(self.loss, *self._split(self.coordinates.to_user(point))))
        self.bytes_read += swept.bytes_read
        if not swept.value.weight_sum > 0:
            raise DataError("the weights of the validation rows sum to 0: no row counts", array="weight")
        coef = self.coordinates.coef_part(point)
        with np.errstate(over="ignore", invalid="ignore"):
            penalty = self._penalty.value(coef) + self._penalty.nonsmooth_value(coef)
        return swept.value.loss_sum / swept.value.weight_sum + penalty

    @property
    def origin_norm(self) -> float:
        """‖∇F(0)‖ in the solver's coordinates, with l1 or bounds the least subgradient's; 0 where it is not known.

        A start that is nearly the optimum has hardly a gradient to compare with, and one that is far away has one that
        anything compares well with; this one does not depend on the start.
        """
        if self.origin is None or not np.isfinite(self.origin).all():
            return 0.0
        gradient = self.coordinates.gradient(self.origin)
        subgradient = self._subgradient(self.coordinates.coef_part(np.zeros_like(gradient)), gradient)
        return vector_norm(gradient if subgradient is None else subgradient)

    def explained(self, value: float, point: Vector) -> float | None:
        """1 − (loss − saturated)/(null − saturated): R² for the squared loss, the share of deviance for the others.

        The null model is the best constant prediction. None where an offset or the loss leaves it unknown, or where the
        targets are all the same.
        """
        if self.targets is None or self.dataset.offset is not None:
            return None
        moments = self.targets.moments
        with np.errstate(divide="ignore", invalid="ignore"):
            null = self.loss.null_value(moments.mean, moments.variance)
            saturated = self.targets.saturated / moments.weight
        coef = self.coordinates.coef_part(point)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = value - self._penalty.value(coef) - self._penalty.nonsmooth_value(coef)
            explained = 1 - (loss - saturated) / (null - saturated) if null - saturated > 0 else float("nan")
        return explained if np.isfinite(explained) else None

    def _split(self, theta: Vector) -> tuple[float | Vector, Vector]:
        """Intercept and coefficients."""
        if not self.fit_intercept:
            return 0.0, theta
        return theta[0] if self.outputs is not None else float(theta[0]), theta[1:]

    def _sweep(self, theta: Vector, *, moments: bool = False, hessian: bool = False) -> Partial:
        intercept, coef = self._split(theta)
        summand = GradientSum(
            loss=self.loss,
            intercept=intercept,
            coef=coef,
            precision=self.precision,
            with_moments=moments,
            with_targets=self.passes == 0,
            with_origin=self.passes == 0 and bool(theta.any()),
            with_hessian=hessian and not (self.loss.quadratic and self.hessian is not None),
        )
        swept = self.executor.sweep(self.dataset, summand)
        self._count(swept.bytes_read, swept.resident, swept.value.weight_sum)
        self.targets = self.targets or swept.value.targets
        if swept.value.origin_sum is not None:
            self.origin = swept.value.origin_sum * (self.loss.gradient_scale / swept.value.weight_sum)
        return swept.value

    def _count(self, bytes_read: int, resident: int, weight_sum: float) -> None:
        self.passes += 1
        self.bytes_read, self.resident = bytes_read, resident
        if not weight_sum > 0:
            raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")

    def _evaluation(self, point: Vector, partial: Partial, *, hessian: bool) -> Evaluation:
        scale = self.loss.gradient_scale / partial.weight_sum
        coef = self.coordinates.coef_part(point)
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = self.coordinates.gradient(partial.gradient_sum * scale)
            coef_gradient = self.coordinates.coef_part(gradient)
            coef_gradient += self._penalty.gradient(coef)
            nonsmooth = self._penalty.nonsmooth_value(coef)
            if partial.hessian_sum is not None:
                self.hessian = self.coordinates.hessian(partial.hessian_sum * scale)
            return Evaluation(
                point=point,
                value=partial.loss_sum / partial.weight_sum + self._penalty.value(coef) + nonsmooth,
                gradient=gradient,
                nonsmooth=nonsmooth,
                subgradient=self._subgradient(coef, gradient),
                hessian=self._with_penalty(self.hessian, coef) if hessian else None,
            )

    def _subgradient(self, coef: Vector, gradient: Vector) -> Vector | None:
        if self._penalty.is_smooth:
            return None
        subgradient = gradient.copy()
        part = self.coordinates.coef_part(subgradient)
        part[...] = self._penalty.subgradient(coef, part.copy())
        return subgradient

    def _with_penalty(self, hessian: Matrix | None, coef: Vector) -> Matrix | None:
        """∇²f: that of the loss, and on its diagonal that of the penalty."""
        if hessian is None:
            return None
        diagonal = np.zeros(len(hessian))
        self.coordinates.coef_part(diagonal)[...] = self._penalty.curvature(coef)
        return hessian + np.diag(diagonal)

    def _epoch(self, epoch: Epoch) -> Evaluation:
        start = EpochSoFar(epoch.point, epoch.step, 0.0, np.zeros_like(epoch.point), 0.0)
        fold = EpochFold(self.loss, self._penalty, self.coordinates, epoch)
        order = [int(k) for k in epoch.chunk_order(self.dataset.n_chunks)]
        folded = self.executor.fold(self.dataset, fold, start, order)
        end = folded.value
        self._count(folded.bytes_read, folded.resident, end.weight_sum)
        coef = self.coordinates.coef_part(end.point)
        nonsmooth = self._penalty.nonsmooth_value(coef)
        return Evaluation(
            point=end.point,
            value=end.loss_sum / end.weight_sum + self._penalty.value(coef) + nonsmooth,
            gradient=end.gradient_sum / end.batches,
            nonsmooth=nonsmooth,
            steps=end.step - epoch.step,
        )
