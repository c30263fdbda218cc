"""`dgd fit SUMMARY.dgd`: a fit from a summary, which needs no pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.inference import Asked
from dgd.cli.job import Job
from dgd.cli.method import Chosen
from dgd.cli.model_out import check_place
from dgd.losses import Squared

OF_ROWS = {
    "y", "weight", "offset", "matrix", "no_decode", "time_unit", "missing", "missing_chunks", "transpose",
    "storage_options", "solver", "learning_rate", "max_iter", "tol", "max_seconds", "standardize", "validation",
    "validation_fraction", "patience", "seed", "precision", "start", "checkpoint", "checkpoint_every",
    "events",
}  # fmt: skip
"""Options of `dgd fit` that rows are needed for."""


def is_summary(store: str) -> bool:
    """Whether it is the folder of a summary."""
    from dgd.fitting.summary.files import DOCUMENT

    return "://" not in store and (Path(store) / DOCUMENT).is_file()


def fit_summary(store: str, arrays: Arrays, chosen: Chosen, job: Job, asked: Asked | None) -> int:
    """Fit from the summary, as `Summary.fit` does, and deliver the result as of any fit."""
    from dgd.fitting.summary.summary import load_summary

    given = options.given(OF_ROWS)
    if not isinstance(chosen.loss, Squared):
        given = given or f"--loss {chosen.loss.name}"
    if asked is not None and asked.arguments["groups"] is not None:
        given = given or "--groups"
    if given:
        raise click.UsageError(f"{store} is a summary, and {given} needs rows: fit the data")
    if job.out is not None:
        check_place(job.out, overwrite=job.overwrite)
    summary = load_summary(store)

    def run(execution: Any, request: Any) -> Any:
        return summary.fit(
            penalty=chosen.penalty, features=arrays.reading.get("features"), fit_intercept=chosen.fit_intercept
        )

    if asked is None:
        return job.run(run)
    return job.run(run, lambda result, execution: result.inference(**asked.arguments, execution=execution))
