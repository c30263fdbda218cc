"""A diagnosis of a model on a dataset, from one pass: what `dgd.report` draws."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

from dgd.data.reading import ReadingOptions
from dgd.errors import DataError
from dgd.models.predictor import Predictor
from dgd.models.score import figures, need_of, opened_to_score, part_of
from dgd.models.scoring.diagnosis import (
    CHUNK_BYTES,
    OF_RESIDUALS,
    Diagnosis,
    DiagnosisSum,
    ResidualSums,
    chunk_losses,
    of_rankings,
    of_residuals,
    with_timing,
)
from dgd.passes.execution import Execution
from dgd.passes.session import session
from dgd.passes.sums.row_sums import Part, RowSums

MOST_CURVES = 6
"""Classes that have a ROC curve of their own."""


def diagnose(
    model: Predictor,
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    execution: Execution,
    reading: ReadingOptions,
) -> Diagnosis:
    """Score the model on the rows, and keep what a report draws; one pass, in bounded memory that is planned.

    Raises what `dgd.score` raises.
    """
    dataset, _, _ = opened_to_score("report", model, data, y, weight, offset, reading)
    loss = model.loss_itself
    part, kept = part_of(model, dataset)
    numbers = model.classes is None and not model.outputs
    parts: tuple[Part, ...] = (part, ResidualSums(model)) if numbers else (part,)
    need = need_of(model, dataset, kept)
    need = replace(
        need,
        hessian_bytes=need.hessian_bytes + OF_RESIDUALS * numbers,
        held_bytes=need.held_bytes + 2 * CHUNK_BYTES * dataset.n_chunks,
    )
    with session(execution) as running:
        dataset = running.open(dataset, need)
        resources = running.executor.resources(dataset)
        began = time.perf_counter()
        found = running.executor.sweep(dataset, DiagnosisSum(RowSums(loss, model.intercept, model.coef.T, parts)))
        seconds = time.perf_counter() - began
    sums, left_out = found.value.sums, 0 if found.left_out is None else found.left_out.rows
    if not sums.weight > 0:
        raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
    score = figures(sums.parts[0], loss, left_out, offset=dataset.offset is not None)
    made = Diagnosis(score, chunk_losses(found.value.chunks), **(of_residuals(sums.parts[1]) if numbers else {}))
    if model.classes is not None:
        made = replace(made, roc=_roc(model, sums.parts[0].rankings))
    threads = resources.processes * min(resources.threads, dataset.n_chunks)
    return with_timing(made, seconds, found.value.seconds, threads, found.bytes_read)


def _roc(model: Predictor, rankings: Any) -> Any:
    """Of two classes the curve of the second; of several one for each of the first; none of several targets."""
    assert model.classes is not None
    if model.of_two:
        return () if math.prod(model.outputs) > 1 else of_rankings(rankings, model.classes[1:])
    return of_rankings(rankings[:MOST_CURVES], model.classes[: len(rankings[:MOST_CURVES])]) if rankings else ()
