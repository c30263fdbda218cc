"""Dataset + loss + penalty + executor → value and gradient at a point. One evaluation is one pass.

    F(θ) = 1/Σw · Σᵢ wᵢ·loss(xᵢᵀθ + offsetᵢ, yᵢ) + penalty(b)        ∇ = gradient_scale/Σw · Xᵀ(w·derivative) + ∇penalty

The scale is applied once, to the reduced sums. What passes find out about the problem is `Known`,
a value that goes from one pass to the next; the objective itself does not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.centre import Centre, centre_of
from dgd.data.dataset import Dataset
from dgd.data.kinds import coded
from dgd.data.sampled_rows import Sampling
from dgd.data.transforms.missing import check_counts
from dgd.data.transforms.row_split import RowSplit
from dgd.errors import DataError
from dgd.fitting.coefficient_prox import CoefficientProx, least_subgradient, with_curvature
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.epoch import EpochFold, EpochPart, Pause, run_epoch
from dgd.fitting.known import Known, Pass, Validated
from dgd.fitting.null_model import NullModel
from dgd.fitting.question import Question
from dgd.fitting.split_sums import BothSums, OnHeldOut, OnTraining, OnTrainingFold
from dgd.fitting.verdict.measure import Measure
from dgd.losses import Loss
from dgd.passes.executor import Executor, PassResult
from dgd.passes.sums.gradient import AtNull, LossAndGradient, NullSums
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.loss import LossOnly
from dgd.passes.sums.moments import ColumnMoments, Moments, TargetMoments
from dgd.passes.sums.row_sums import Part, RowSums, Sums
from dgd.penalties import NoPenalty, Penalty
from dgd.penalties.parts import check_penalty, penalises_intercept
from dgd.solvers.base import VALUE_ROUNDING, Epoch, Evaluation, Solver, no_prox, vector_norm

SINGLE_VALUE_ROUNDING = 16 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Objective:
    """The mean loss of a dataset plus a penalty, as a function of the solver's coordinates."""

    dataset: Dataset
    loss: Loss
    executor: Executor
    penalty: Penalty = field(default_factory=NoPenalty)
    fit_intercept: bool = True
    precision: str = "double"
    measures_standardised: bool = False
    """Whether gradients are measured in standardised columns where the solver's are others."""
    null: NullModel | None = None
    """The best constant, and the level of the targets; None: it is 0, and nothing is centred."""
    products: bool = False
    """Whether the first pass sums centred products of columns and targets."""
    no_factor: str = ""
    """Why no pass may sum their R factor, if none may: a plan that does not fit."""
    validation: Dataset | RowSplit | None = None
    """Rows that are scored at each point and never fitted: others, or some of each chunk."""
    sampling: Sampling | None = None
    """Which rows the first pass copies aside, if it does."""
    first_hessian: bool = True
    """Whether that pass sums a Hessian as well, where it is asked for one."""
    then: Solver | None = None
    """What goes on from their minimum; None: the solver of the fit."""
    compiled: bool = False
    """Whether compiled code sums what it can."""

    def __post_init__(self) -> None:
        check_penalty(self.penalty, self.dataset.shape[1], self.outputs, intercept=self.fit_intercept)

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
    def centres(self) -> bool:
        """Whether columns are centred: an intercept is there to take that up."""
        return self.null is not None

    @property
    def rows_held_out(self) -> int:
        """The rows of the dataset that are validated on and not fitted."""
        return self.validation.count(0, self.dataset.shape[0]) if isinstance(self.validation, RowSplit) else 0

    def unknown(self) -> Known:
        """Before any pass: the solver's coordinates are the user's."""
        return Known(self.raw(None), centre=None if self.null is None else Centre(None, self.null.level))

    @property
    def _kind(self) -> dict[str, Any]:
        whole = penalises_intercept(self.penalty)
        return {"intercept": self.fit_intercept, "outputs": self.outputs, "whole": whole}

    def raw(self, centre: Vector | None) -> Coordinates:
        """The user's own, of columns less their centre."""
        return Coordinates.identity(self.dataset.shape[1], centre=centre, **self._kind)

    def to_user(self, point: Vector, known: Known) -> Vector:
        """θ for columns and targets as they are, from a point of the solver's coordinates."""
        theta = known.coordinates.to_user(point)
        return theta if known.centre is None else known.centre.to_user(theta)

    def start(self, theta: Vector | None) -> Vector:
        """θ for targets less their level: the user's, by default the best constant."""
        if theta is not None:
            return theta if self.null is None else Centre(None, self.null.level).from_user(theta)
        return np.zeros(self.theta_shape) if self.null is None else self.null.theta(self.theta_shape)

    def prox(self, known: Known) -> CoefficientProx | Any:
        """The prox of what is not smooth, in the solver's coordinates."""
        if self.penalty.is_smooth:
            return no_prox
        return CoefficientProx(known.coordinates.penalty(self.penalty), known.coordinates)

    def evaluate(self, asked: Vector | Epoch, known: Known, *, hessian: bool = False) -> Pass:
        """Value and gradient at a point of the solver's coordinates, or an epoch of steps from there."""
        if isinstance(asked, Epoch):
            return self.epoch(asked, known)
        question = self.ask(known.coordinates.to_user(asked), asked, known, hessian=hessian)
        return self.without_pass(asked, known) or self.answer(question, self.sweep(question))

    def standardised(self, sums: Any) -> Coordinates:
        """The coordinates in which columns have mean 0 and deviation 1."""
        ridge = self.penalty.curvature(np.zeros(self.dataset.shape[1])) / self.loss.gradient_scale
        return Coordinates.standardising(sums, ridge=ridge, **self._kind)

    def validate(self, point: Vector, last: Pass) -> Validated:
        """The objective on the validation rows, penalty included, and what reading them cost."""
        if self.validation is None:
            return Validated()
        sums, found = last.validation_sum, Validated()
        if sums is None or point is not last.evaluation.point:
            theta = last.known.coordinates.to_user(point)
            chunk_sum = self.row_sums(last.known, theta, (LossOnly(),), precision="double")
            if isinstance(self.validation, RowSplit):
                result = self.executor.sweep(self.dataset, OnHeldOut(chunk_sum, self.validation))
            else:
                result = self.executor.sweep(self.validation, chunk_sum)
            sums, found = result.value, Validated(None, result.bytes_read, result.times)
        if not sums.weight > 0:
            raise DataError("the weights of the validation rows sum to 0: no row counts", array="weight")
        return replace(found, loss=sums.parts[0] / sums.weight + self._penalty_value(point, last.known))

    def mean_loss(self, value: float, point: Vector, known: Known) -> float:
        """Of a value of the objective at a point, without the penalty."""
        return value - self._penalty_value(point, known)

    def _penalty_value(self, point: Vector, known: Known) -> float:
        penalty, coef = known.coordinates.penalty(self.penalty), known.coordinates.penalised_part(point)
        with np.errstate(over="ignore", invalid="ignore"):
            return penalty.value(coef) + penalty.nonsmooth_value(coef)

    def row_sums(self, known: Known, theta: Vector, parts: tuple[Part, ...], *, precision: str) -> RowSums:
        """At a θ of the known centre; before the first pass there is none but the targets' level."""
        intercept: float | Vector = 0.0
        if self.fit_intercept:
            intercept, theta = theta[0] if theta.ndim == 2 else float(theta[0]), theta[1:]
        own = self.centres and known.passes == 0
        return RowSums(self.loss, intercept, theta, parts, precision, known.centre, own, compiled=self.compiled)

    def ask(self, theta: Vector, point: Vector | None, known: Known, *, hessian: bool = False) -> Question:
        """What a pass is to sum at θ; `point` is θ in the solver's coordinates, None where this pass finds them."""
        first = known.passes == 0
        sampling = self.sampling if first else None
        hessian = hessian and (sampling is None or self.first_hessian)
        sums_hessian = hessian and not (self.loss.quadratic and known.hessian is not None)
        parts: tuple[Part, ...] = (LossAndGradient(),)
        parts += (Hessian(),) if sums_hessian else ()  # first, for columns that were multiplied have their moments
        parts += (ColumnMoments(),) if first and (point is None or self.measures_standardised) else ()
        parts += (TargetMoments(), self._at_null(theta)) if first else ()
        sums = replace(self.row_sums(known, theta, parts, precision=self.precision), sampling=sampling)
        return Question(sums, theta, point, known, hessian)

    def sweep(self, question: Question) -> PassResult[Any]:
        """One pass: the sums that a question asks for, over all rows to fit, and the loss over those held out."""
        if not isinstance(self.validation, RowSplit):
            return self.executor.sweep(self.dataset, question.sums)
        assert isinstance(question.sums, RowSums)
        scored = self.row_sums(question.known, question.theta, (LossOnly(),), precision="double")
        return self.executor.sweep(self.dataset, OnTraining(question.sums, self.validation, scored))

    def answer(self, question: Question, result: PassResult[Any]) -> Pass:
        """The evaluation that the sums of a pass make, and what is known after it."""
        assert isinstance(question.sums, RowSums)
        theta, point, known = question.theta, question.point, question.known
        value: Any = result.value
        sums, held_out = (value.training, value.held_out) if isinstance(value, BothSums) else (value, None)
        check_counts(sums.weight, result.left_out, self.dataset.feature_names)
        if question.sums.own:
            sums, known, theta = self._centred(sums, known, theta)
        found = {type(part): total for part, total in zip(question.sums.parts, sums.parts, strict=True)}
        known = replace(
            known,
            passes=known.passes + 1,
            targets=found.get(TargetMoments, known.targets),
            left_out=result.left_out,
            chunks_filled=result.filled,
        )
        if ColumnMoments in found:
            known = replace(known, size=found[ColumnMoments].root_mean_square)
        if point is None:
            known = replace(known, coordinates=self.standardised(found[ColumnMoments]))
            point = known.coordinates.from_user(theta)
        elif ColumnMoments in found:
            known = replace(known, yardstick=self.standardised(found[ColumnMoments]))
        scale = self.loss.gradient_scale / sums.weight
        coordinates, loss = known.coordinates, found[LossAndGradient]
        with np.errstate(over="ignore", invalid="ignore"):
            if Hessian in found:
                known = replace(known, hessian=coordinates.hessian(found[Hessian].values * scale))
            if AtNull in found:
                known = self.measured(known, found[AtNull], loss.gradient, scale)
            gradient = coordinates.gradient(loss.gradient * scale)
            evaluation = self.evaluation(point, loss.loss / sums.weight, gradient, known, hessian=question.hessian)
        return Pass(evaluation, known, result.bytes_read, result.resident, held_out, sums.sample, result.times)

    def without_pass(self, asked: Vector, known: Known) -> Pass | None:
        """What is known at a point before any row is read; None where a pass must say."""
        return None

    def measured(self, known: Known, null: NullSums, gradient: Vector, scale: float) -> Known:
        """With the norm of the gradient at the best constant, and of what rounding makes of a gradient."""
        how = Measure(self.penalty, self.dataset.shape[0], self.precision, centred=self.centres)
        return how.known(known, null, gradient, scale)

    def evaluation(self, point: Vector, mean: float, gradient: Vector, known: Known, *, hessian: bool) -> Evaluation:
        """F and its gradient, from the mean loss and its gradient in the solver's coordinates."""
        coordinates, penalty = known.coordinates, known.coordinates.penalty(self.penalty)
        coef = coordinates.penalised_part(point)
        coordinates.penalised_part(gradient)[...] += penalty.gradient(coef)
        nonsmooth = penalty.nonsmooth_value(coef)
        return Evaluation(
            point=point,
            value=mean + penalty.value(coef) + nonsmooth,
            gradient=gradient,
            nonsmooth=nonsmooth,
            subgradient=least_subgradient(penalty, coordinates, coef, gradient),
            hessian=with_curvature(known.hessian, penalty, coordinates, coef) if hessian else None,
            rounding=known.rounding,
            value_rounding=VALUE_ROUNDING if self.precision == "double" else SINGLE_VALUE_ROUNDING,
        )

    def _centred(self, sums: Sums, known: Known, theta: Vector) -> tuple[Sums, Known, Vector]:
        """The sums, what is known and θ for the centre of all rows, where each chunk had its own."""
        moments = next((total for total in sums.parts if isinstance(total, Moments)), None)
        if moments is None or sums.about is None:
            return sums.moved_to(None), known, theta
        spread = np.sqrt(moments.variance)
        mean = np.where(spread > 0, sums.about + moments.mean, sums.about)
        about = centre_of(mean, spread, self.dataset.dtype, coded=coded(self.dataset.kinds))
        centre = Centre(about, 0.0 if known.centre is None else known.centre.level)
        # Of a constant the intercept takes the whole: its own gradient is then exactly 0.
        varying = None if about is None else np.where(spread > 0, about, 0.0)
        known = replace(known, centre=centre, coordinates=self.raw(varying))
        return sums.moved_to(about), known, Centre(about).from_user(theta)

    def _at_null(self, theta: Vector) -> AtNull:
        null = self.start(None)
        return AtNull(None if (theta == null).all() else null[0] if self.fit_intercept else 0.0)

    def grad_norm(self, evaluation: Evaluation, known: Known) -> float:
        """The norm of the gradient, or of the least subgradient, as it is measured."""
        if known.yardstick is None:
            return evaluation.grad_norm
        slope = evaluation.gradient if evaluation.subgradient is None else evaluation.subgradient
        return vector_norm(known.coordinates.gradient_in(known.yardstick, slope))

    def epoch(self, epoch: Epoch, known: Known, *, part: EpochPart | None = None, pause: Pause | None = None) -> Pass:
        """An epoch of steps; `part`: what has been run of it, `pause`: called with that, now and then."""
        penalty = known.coordinates.penalty(self.penalty)
        fold: Any = EpochFold(self.loss, penalty, known.coordinates, epoch, known.centre)
        fold = OnTrainingFold(fold, self.validation) if isinstance(self.validation, RowSplit) else fold
        part = run_epoch(self.executor, self.dataset, fold, epoch, part, pause)
        end = part.so_far
        check_counts(end.weight_sum, part.left_out, self.dataset.feature_names)
        coef = known.coordinates.penalised_part(end.point)
        nonsmooth = penalty.nonsmooth_value(coef)
        evaluation = Evaluation(
            point=end.point,
            value=end.loss_sum / end.weight_sum + penalty.value(coef) + nonsmooth,
            gradient=end.gradient_sum / end.batches,
            nonsmooth=nonsmooth,
            steps=end.step - epoch.step,
        )
        known = replace(known, passes=known.passes + 1, left_out=part.left_out, chunks_filled=part.filled)
        return Pass(evaluation, known, part.bytes_read, part.resident, times=part.times)
