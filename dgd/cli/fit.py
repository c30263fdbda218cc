"""`dgd fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.events import event_callbacks, events
from dgd.cli.from_summary import fit_summary, is_summary
from dgd.cli.grouped import GroupedCommand
from dgd.cli.inference import Asked, inference
from dgd.cli.job import Job, checkpoint_every, job
from dgd.cli.method import Chosen, method
from dgd.cli.model_out import check_place, try_model_room
from dgd.cli.output import note
from dgd.cli.progress.log import QUIET
from dgd.cli.signals import StopRequest
from dgd.fitting.verdict.stopping import MAX_ITER, TOL
from dgd.passes.execution import Execution

STANDARDIZE: dict[str, bool | str] = {"auto": "auto", "yes": True, "no": False}


@click.command(cls=GroupedCommand)
@click.argument("store")
@with_arrays
@method
@click.option("--max-iter", default=MAX_ITER, metavar="N", help=f"Passes at most [{MAX_ITER}].")
@click.option("--tol", default=TOL, metavar="T", help=f"Stop when the gradient norm has fallen to this part [{TOL:g}].")
@click.option("--max-seconds", type=float, metavar="S", help="Stop after S seconds, with the last whole pass [never].")
@click.option(
    "--standardize",
    type=click.Choice(list(STANDARDIZE)),
    default="auto",
    callback=lambda ctx, param, value: STANDARDIZE[value],
    help="Descend in standardised columns; the solution is the same [auto: unless the learning rate is a number].",
)
@click.option("--validation", metavar="STORE", help="Score each pass on another dataset [none].")
@click.option(
    "--validation-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="F",
    help="Score each pass on this part of the rows, held out [none].",
)
@click.option("--patience", type=click.IntRange(1), metavar="N", help="Stop when that has not fallen for N passes.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Draws the rows that are held out [0].")
@options.precision
@click.option("--start", metavar="MODEL.dgd", help="Begin at the coefficients of a saved model [the best constant].")
@click.option("--checkpoint", metavar="FILE", help="Bring the state of the fit there, for `dgd resume` [nowhere].")
@checkpoint_every
@events
@inference
@job
def fit(
    store: str,
    arrays: Arrays,
    chosen: Chosen,
    job: Job,
    asked: Asked | None,
    start: str | None,
    **control: Any,
) -> int:
    """Fit a linear model to the dataset STORE, a path or URL; every step is one exact pass over all the data.

    STORE may be a summary that `dgd summarize` made: the fit then needs no pass.

    Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 stop after the pass under way, or in it if it does not get on for 5 s, print and
    save what was reached, and exit with code 75 if there is a checkpoint, else with 130, 143, 129, 138; Ctrl-C twice
    stops at once. Other exit codes: 0 done, 2 usage, 3 data, 4 not converged, 5 cluster lost, 6 diverged.
    """
    from dgd.data.design.opening import as_opened, coded_for
    from dgd.data.reading import for_urls, for_validation
    from dgd.data.transforms.row_split import RowSplit
    from dgd.fitting.fit import fit as fit_dataset
    from dgd.fitting.fit import planned
    from dgd.fitting.interruption import Interruption
    from dgd.passes.opening import open_dataset

    if is_summary(store):
        return fit_summary(store, arrays, chosen, job, asked)
    written = event_callbacks(control.pop("events"))
    if job.out is not None:
        check_place(job.out, overwrite=job.overwrite)
    dataset = coded_for(arrays.open(store, job.where), intercept=chosen.fit_intercept)
    reading = as_opened(arrays.reading, dataset)
    if control["validation"] is not None and control["checkpoint"] is None:
        rows = for_validation(arrays.reading, control["validation"], dataset.source)
        others = as_opened(rows, dataset, new_rows=True)
        control["validation"] = open_dataset(control["validation"], **for_urls(others, control["validation"]))
    chosen, what = chosen.of(dataset)
    if asked is not None:
        asked.check(what, dataset)
    if job.out is not None:
        covariance = 0 if asked is None else what.n_parameters * (dataset.shape[1] + 1)
        try_model_room(Path(job.out), what.n_parameters + covariance, dataset.feature_names)
    given: dict[str, Any] = {**chosen.arguments, "precision": control.pop("precision")}
    # A checkpoint stores where the data lie, and not the data.
    data: Any = (dataset, {}) if control["checkpoint"] is None else (store, {**arrays.roles, **reading})

    def run(execution: Execution, request: StopRequest) -> Any:
        if job.verbose and not QUIET.get():
            note(str(what.choice))
            from dgd.cli.progress.passes import Waits
            from dgd.cli.progress.screen import screen

            with screen() as shown:
                ends = Interruption(None, [request, Waits(shown)])
                cost = planned(dataset, what, given["precision"], execution, measure=True, tell=ends)
            note(cost.line())
            note(cost.reading_line())
            if control["validation_fraction"] is not None:
                held_out = RowSplit(control["validation_fraction"], control["seed"]).count(0, dataset.shape[0])
                note(f"{held_out:,} of {dataset.shape[0]:,} rows are held out, drawn from every chunk")
        with job.progress(max_iter=control["max_iter"], tol=control["tol"]) as show:
            given["callbacks"] = [show, request, *written]
            return fit_dataset(data[0], **data[1], execution=execution, theta0=start, **given, **control)

    if asked is None:
        return job.run(run)
    return job.run(run, lambda result, execution: asked.infer(result, store, reading, execution))
