"""Fits of one dataset by several penalties, on all rows and without each fold, in lock-step.

With F folds and L penalties these are L·(F + 1) fits. A pass reads the data once for all of them, and tells the loss on
the rows that a fit leaves out as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.data.folds import Folds
from dgd.fitting.checkpoint.journal import Journal
from dgd.fitting.checkpoint.journalled import JournalledExecutor
from dgd.fitting.checkpoint.reached import Reached
from dgd.fitting.loop import descend, minimise
from dgd.fitting.many.exact_null import exact_null
from dgd.fitting.many.lockstep import Lockstep, Member
from dgd.fitting.many.references import References, most_hessians
from dgd.fitting.null_model import NullModel, null_models
from dgd.fitting.objective import Objective
from dgd.fitting.outcome import result_of
from dgd.fitting.problem import Method
from dgd.fitting.result import Result
from dgd.fitting.state import FitState
from dgd.fitting.verdict.stopping import Stopping
from dgd.passes.plan import Need, Plan
from dgd.passes.session import Session
from dgd.passes.sums.many import ManySums
from dgd.penalties import NoPenalty
from dgd.solvers import Status

NEAR = 0.1
"""The part of its first gradient at which a fit of all rows is followed by those without a fold."""


@dataclass(frozen=True)
class AtNull:
    """At the best constant: the mean loss's gradient by the coefficients, (n,) or (n, q); the variances of columns."""

    gradient: Vector
    variance: Vector
    constant: float | Vector


@dataclass(frozen=True, eq=False)
class OneFit:
    """A fit of all rows, or of all but one fold, within the others."""

    method: Method
    objective: Objective
    without: int | None
    member: Member
    reached: Reached

    @classmethod
    def of(
        cls,
        method: Method,
        objective: Objective,
        without: int | None,
        stopping: Stopping,
        reached: Reached | None = None,
    ) -> OneFit:
        """From the best constant, or from a state that was reached."""
        reached = reached or Reached()
        descent = descend(
            objective,
            method.solver,
            method.within_bounds(objective.start(None)),
            standardize=True,
            stopping=stopping,
            callbacks=(),
            reached=reached,
        )
        return cls(method, objective, without, Member(descent, without).begin(), reached)

    @property
    def is_near(self) -> bool:
        """Whether its next step hardly changes what folds do to it: then those begin here."""
        if self.member.run is not None:
            return True
        evaluation, state = self.reached.evaluation, self.reached.state
        return evaluation is not None and state is not None and evaluation.grad_norm <= NEAR * state.known.null_norm

    def without_fold(self, first: OneFit, stopping: Stopping) -> OneFit:
        """A fit without the fold that `first` leaves out, from the θ at which this one is next evaluated.

        It has the coordinates of this fit, so that both ask for one and the same θ. `first` knows its null model.
        """
        state, known = self.reached.going_on, first.reached.going_on.known
        known = replace(known, coordinates=state.known.coordinates, centre=state.known.centre)
        run, asked = self.member.run, self.member.asked
        start = run.point if run is not None else asked.point if asked is not None else state.start
        assert start is not None
        begun = FitState(self.method.solver.init(start, tol=stopping.tol), known, start)
        reached = Reached(self.method.solver, begun)
        return OneFit.of(self.method, first.objective, first.without, stopping, reached)

    def result(self, cost: Plan) -> Result:
        """What the fit returns."""
        assert self.member.run is not None
        return result_of(self.objective, self.member.run, cost, self.method)


@dataclass
class ManyFits:
    """The fits, their plan and what they have cost. `methods`: one for each penalty, which differ in nothing else."""

    running: Session
    dataset: Dataset
    method: Method
    folds: Folds | None
    precision: str
    stopping: Stopping
    plan: Plan
    nulls: list[NullModel]
    lockstep: Lockstep

    @classmethod
    def begin(
        cls,
        running: Session,
        dataset: Dataset,
        method: Method,
        folds: Folds | None,
        *,
        penalties: int,
        precision: str,
        stopping: Stopping,
        journal: Journal | None = None,
        exactly: bool = False,
    ) -> ManyFits:
        """Plan and find the best constants. Raises PlanError where not all of them fit into memory together.

        journal: where passes are kept, and taken from. exactly: whether the best constant is needed to the last digits.
        """
        count = 1 if folds is None else folds.count
        points = penalties * (1 if folds is None else 1 + count)
        need = method.need(dataset, precision)
        most = most_hessians(dataset.shape[0], dataset.shape[1] + 1, count, points, max(need.hessian_bytes, 1))
        need = many(need, dataset, points=points, folds=count, hessians=most)
        cost = running.plan(dataset, need)
        dataset = running.start(dataset, cost)
        nulls = null_models(dataset, method.loss, running.executor, folds) if method.fit_intercept else []
        if exactly and nulls:
            nulls[0] = exact_null(nulls[0], dataset, method.loss, running.executor)
        executor = running.executor if journal is None else JournalledExecutor(running.executor, journal)
        running = replace(running, executor=executor)
        lockstep = Lockstep(lambda sums: executor.sweep(dataset, sums), method.loss, precision, folds, References(most))
        return cls(running, dataset, method, folds, precision, stopping, cost, nulls, lockstep)

    def at_null(self) -> AtNull:
        """What a grid of penalties is made of; the pass is the first of the fits as well."""
        fits = self._first([replace(self.method, penalty=NoPenalty())])
        evaluation, known = fits[0].reached.evaluation, fits[0].reached.going_on.known
        assert evaluation is not None
        coordinates = known.coordinates
        scale = coordinates.scale if self.method.outputs is None else coordinates.scale[:, None]
        nothing = 0.0 if self.method.outputs is None else np.zeros(self.method.outputs)
        constant = self.nulls[0].constant + self.nulls[0].level if self.nulls else nothing
        # In centred columns: what a coefficient gains while the intercept keeps the mean.
        return AtNull(coordinates.coef_part(evaluation.gradient) * scale, coordinates.scale**2, constant)

    def run(self, methods: Sequence[Method]) -> tuple[list[OneFit], list[list[OneFit]]]:
        """For each method the fit of all rows, and the fits without each fold.

        Those begin where the first is when it is near its end: each fold then moves it a little.
        """
        first = self._first(methods)
        whole, rest = first[: len(methods)], first[len(methods) :]
        begun: dict[int, list[OneFit]] = {}
        while True:
            for k, fit in enumerate(whole):
                if k not in begun and fit.is_near:
                    begun[k] = [fit.without_fold(each, self.stopping) for each in rest[k :: len(methods)]]
            members = [each.member for fit in (whole, *begun.values()) for each in fit]
            if all(member.asked is None for member in members):
                return whole, [begun[k] for k in range(len(methods))]
            self.lockstep.step(members)

    def _first(self, methods: Sequence[Method]) -> list[OneFit]:
        """The fits after their first pass, at the best constants: of all rows, then without each fold."""
        folds = range(0 if self.folds is None else self.folds.count)
        fits = [
            OneFit.of(method, self._objective(method, fold), fold, self.stopping)
            for fold in (None, *folds)
            for method in methods
        ]
        self.lockstep.step([fit.member for fit in fits])
        return fits

    def _objective(self, method: Method, without: int | None) -> Objective:
        null = self.nulls[0 if without is None else 1 + without] if self.nulls else None
        return Objective(
            self.dataset,
            method.loss,
            self.running.executor,
            penalty=method.penalty,
            fit_intercept=method.fit_intercept,
            precision=self.precision,
            measures_standardised=True,
            null=null,
        )

    def refined(self, fit: OneFit, stopping: Stopping) -> Result:
        """A fit of all rows, gone on with alone until `stopping`."""
        run = fit.member.run
        assert run is not None
        if run.status is Status.CONVERGED:
            known = fit.reached.going_on.known
            further = replace(fit.reached.going_on, threshold=stopping.threshold(known.null_norm, known.rounding))
            reached = Reached(fit.reached.solver, further, fit.reached.evaluation, fit.reached.passes)
            run = minimise(
                fit.objective,
                fit.method.solver,
                run.state.start,
                standardize=True,
                stopping=stopping,
                reached=reached,
            )
            self.lockstep.models.extend([1] * (len(run.history) - fit.reached.passes))
        return result_of(fit.objective, run, self.plan, fit.method)

    def held_out(self, fits: Sequence[OneFit]) -> list[float]:
        """The loss of each fit on the fold it leaves out; one more pass if one ended where it was not evaluated."""
        losses = [fit.member.held_out_loss for fit in fits]
        missing = [k for k, loss in enumerate(losses) if loss is None]
        if missing:
            thetas = np.stack([fits[k].result(self.plan).theta for k in missing])
            first = int(self.method.fit_intercept)
            intercepts = thetas[:, 0] if first else np.zeros_like(thetas[:, 0])
            coefs = np.moveaxis(thetas[:, first:], 0, 1)
            totals = self.lockstep.score(ManySums(self.method.loss, intercepts, coefs, (), self.folds))
            for column, k in enumerate(missing):
                fold = fits[k].without
                losses[k] = float(totals.loss[fold, column] / totals.weight[fold])
        return [loss for loss in losses if loss is not None]


def many(need: Need, dataset: Dataset, *, points: int, folds: int, hessians: int) -> Need:
    """What the passes of so many fits need, where those of one need that."""
    return replace(
        need,
        outputs=need.outputs * points,
        folds=folds,
        hessian_bytes=need.hessian_bytes * folds * hessians,
        bytes_per_row=need.bytes_per_row + (dataset.row_bytes if folds > 1 else 0),
    )
