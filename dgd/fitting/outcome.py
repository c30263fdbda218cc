"""From a finished run to the result: the user's coordinates, what to say about it, and a model with its provenance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dgd._typing import Vector
from dgd._version import __version__
from dgd.data.dataset import Dataset
from dgd.data.design.left_out import cells_by_column
from dgd.errors import ValueRangeError
from dgd.errors.words import finite_or_none
from dgd.fitting.auto_solver import Choice
from dgd.fitting.known import Known
from dgd.fitting.least_norm import shortest
from dgd.fitting.loop import Run
from dgd.fitting.objective import Objective
from dgd.fitting.problem import Method
from dgd.fitting.result import Result
from dgd.fitting.verdict.certificate import Certificate, certify
from dgd.fitting.verdict.collinear import is_wide, nearly_collinear
from dgd.fitting.verdict.divergence import columns_to_blame
from dgd.fitting.verdict.explained import about_zero, explained
from dgd.fitting.verdict.no_optimum import what_separates
from dgd.losses import LOSSES, Loss
from dgd.models.model import Model
from dgd.passes.plan import Plan
from dgd.solvers.base import Status


def result_of(objective: Objective, run: Run, cost: Plan | None, method: Method) -> Result:
    """The run in the user's coordinates, with a model that says where it came from."""
    known, dataset = run.state.known, objective.dataset
    # The change of variables rounds: a bound that the solver kept to the bit is kept here as well.
    theta = objective.to_user(run.point, known)
    theta = method.within_bounds(theta if method.by_the_book else shortest(theta, objective, known))
    if not np.isfinite(theta).all():
        raise ValueRangeError(
            f"the parameters that fit array {dataset.X.name!r} are beyond the range of float64; rescale its columns, "
            f"or the target",
            array=dataset.X.name,
        )
    last = run.state.last
    certificate = run.certificate or (None if last is None else certify(objective, last, known))
    if last is not None and run.status is Status.CONVERGED and is_wide(objective, certificate, last, known):
        run = replace(run, status=Status.ILL_CONDITIONED)
    unlike = objective.executor.unlike()
    caution = _caution(objective, run, certificate, unlike)
    return Result(
        theta=theta,
        status=run.status,
        history=run.history,
        loss=run.loss,
        model=_model(theta, run, objective, method),
        plan=cost,
        advice="; ".join(part for part in (run.state.solver.advice if run.state.last else "", caution) if part),
        caution=caution,
        same_bits=not unlike,
        choice=_choice(run, method),
        explained=explained(objective, run.loss, run.point, known),
        uncentered_r2=about_zero(objective, run.loss, run.point, known),
        certificate=certificate,
        rows_held_out=objective.rows_held_out,
        rows_left_out=0 if known.left_out is None else known.left_out.rows,
        chunks_filled=known.chunks_filled,
        missing_cells=_missing_cells(dataset, known),
        bytes_before_first_pass=dataset.bytes_read + (0 if objective.null is None else objective.null.bytes_read),
        loss_is_before_last_step=run.loss_is_before_last_step,
    )


def _choice(run: Run, method: Method) -> Choice:
    """The solver, and why; with what an R factor or a sample has brought."""
    because = "; ".join(part for part in (method.choice.because, run.state.factor, run.state.sample) if part)
    return replace(method.choice, because=because)


def _missing_cells(dataset: Dataset, known: Known) -> dict[str, int]:
    if known.left_out is None:
        return {}
    found = known.left_out.by_column(dataset.feature_names, dataset.target_name)
    return found if dataset.design is None else cells_by_column(dataset.design, found)


def _caution(objective: Objective, run: Run, certificate: Certificate | None, unlike: str) -> str:
    """What lessens trust in the coefficients, and the columns to blame where something went wrong."""
    if run.state.last is None:
        return "no pass was finished: these are the coefficients that it began with"
    within, blame, known = "", "", run.state.known
    if run.status is Status.DIVERGED:
        blame = columns_to_blame(objective, run.state.last, known)
    elif run.status is Status.NO_OPTIMUM:
        blame = what_separates(objective, known, getattr(run.state.solver, "step", None))
    else:
        blame = nearly_collinear(objective, known, wide=run.status is Status.ILL_CONDITIONED)
    if run.status is Status.CONVERGED and objective.precision == "single" and run.state.threshold == known.rounding:
        within = "converged to single precision: what is left of the gradient is rounding"
    if run.status is Status.ILL_CONDITIONED and certificate is not None:
        within = f"within {certificate.distance:.1g} of the optimal coefficients"
    return "; ".join(part for part in (within, blame, unlike) if part)


def _model(theta: Vector, run: Run, objective: Objective, method: Method) -> Model:
    dataset = objective.dataset
    coef = theta[1:] if method.fit_intercept else theta
    intercept: float | Vector = theta[0] if method.fit_intercept else np.zeros(theta.shape[1:])
    return Model(
        coef=np.ascontiguousarray(coef.T),
        intercept=float(intercept) if theta.ndim == 1 else np.array(intercept),
        loss=method.loss.name,
        classes=method.loss.labels,
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        design=dataset.design and dataset.design.for_new_rows(),
        provenance={
            "dgd": __version__,
            "numpy": np.__version__,
            "dataset": dataset.source,
            "fingerprint": dataset.identity,
            "rows": dataset.shape[0],
            "weight": None if dataset.weight is None else dataset.weight_name or dataset.weight.name,
            "offset": None if dataset.offset is None else dataset.offset_name or dataset.offset.name,
            "split": None if dataset.part is None else str(dataset.part.split),
            "rows_held_out": objective.rows_held_out,
            "chunks_filled": run.state.known.chunks_filled,
            "rows_left_out": 0 if run.state.known.left_out is None else run.state.known.left_out.rows,
            "loss": _with_parameters(method.loss),
            "solver": method.choice.name,
            "learning_rate": method.rate if isinstance(method.rate, (str, float)) else repr(method.rate),
            "penalty": repr(method.penalty),
            "status": run.status.name.lower(),
            "passes": len(run.history),
            "loss_value": finite_or_none(run.loss),
            "loss_is_before_last_step": run.loss_is_before_last_step,
        },
        link=method.loss,
    )


def _with_parameters(loss: Loss) -> str:
    """A loss of this package as it is written, such as `Tweedie(power=1.5)`; the name of any other."""
    return repr(loss) if loss.labels is None and type(loss) in LOSSES.values() else loss.name
