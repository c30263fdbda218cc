"""The plan of a fit: with room for a sample of the rows, where one is taken, or for an R factor."""

from __future__ import annotations

from dataclasses import replace

from dgd.data.dataset import Dataset
from dgd.data.transforms.row_split import RowSplit
from dgd.fitting.problem import Method
from dgd.fitting.sampled.metric import metric_bytes, metric_sample
from dgd.fitting.sampled.size import SampleSize, sample_size
from dgd.fitting.summary.hand_over import planned_with_factor
from dgd.passes.plan import Plan
from dgd.passes.session import Session

MATRICES = 5
"""Of a start: the Hessian, that over the sample and what it lacks, its inverse, and what is factored."""
TWICE = 2
"""The rows as they come from the chunks, and in one piece."""


def planned_with_sample(
    running: Session,
    dataset: Dataset,
    method: Method,
    precision: str,
    split: RowSplit | None = None,
    *,
    starts_anywhere: bool = True,
) -> tuple[Plan, str, SampleSize | None]:
    """The plan, why no pass may sum an R factor, and the sample that the first pass takes, if there is room for it.

    starts_anywhere: whether no θ was given to start from, so that a sample may say where.
    """
    sample = (sample_size(method, dataset) if starts_anywhere else None) or metric_sample(method, dataset)
    if sample is not None:
        need, matrix = method.need(dataset, precision, split, compiled=True), 8 * method.n_parameters**2
        if sample.metric:
            matrices, matrix = metric_bytes(sample, getattr(running.executor, "threads", 1), method.outputs or 1), 0
        else:
            matrices = MATRICES * matrix
        held = TWICE * sample.nbytes + matrices
        plan = running.plan(
            dataset,
            replace(need, held_bytes=need.held_bytes + held, hessian_bytes=max(need.hessian_bytes, matrix)),
        )
        if plan.fits:
            return replace(plan, sample=str(sample), sample_bytes=held), "", sample
    return *planned_with_factor(running, dataset, method, precision, split), None
