"""`dgd resume`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from dgd.cli import options
from dgd.cli.events import event_callbacks, events
from dgd.cli.grouped import GroupedCommand
from dgd.cli.job import Job, checkpoint_every, job
from dgd.cli.model_out import check_place, try_model_room
from dgd.cli.signals import StopRequest
from dgd.passes.execution import Execution


@click.command(cls=GroupedCommand)
@click.argument("checkpoint")
@click.argument("store", required=False)
@click.option("--max-iter", type=click.IntRange(1), metavar="N", help="Passes at most, in all [those of the fit].")
@click.option("--max-seconds", type=float, metavar="S", help="Stop after the pass in which S more seconds are over.")
@checkpoint_every
@events
@options.reads_data
@click.option("--any-version", is_flag=True, help="Go on with another dgd, NumPy or BLAS; last bits may then differ.")
@job
def resume(checkpoint: str, store: str | None, job: Job, max_iter: int | None, **control: Any) -> int:
    """Go on with a fit from its CHECKPOINT, with the options that it had; the result has the same bits.

    STORE is where the data lie, if they were moved. Exit codes are those of `dgd fit`.
    """
    from dgd.fitting.checkpoint.identity import Stored
    from dgd.fitting.checkpoint.resume import resume as resume_fit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Said when the fit goes on.
        stored = Stored.read(Path(checkpoint))
    written = event_callbacks(control.pop("events"))
    if job.out is not None:
        check_place(job.out, overwrite=job.overwrite)
        try_model_room(Path(job.out), stored.parts["n_parameters"], None)

    def go_on(execution: Execution, request: StopRequest) -> Any:
        limit, tol = max_iter or stored.stopping.max_iter, stored.stopping.tol
        first = stored.state.history[0].grad_norm if stored.state.history else 0.0
        with job.progress(max_iter=limit, tol=tol, first=first) as show:
            return resume_fit(
                checkpoint,
                store,
                max_iter=max_iter,
                callbacks=[show, request, *written],
                execution=execution,
                **control,
            )

    return job.run(go_on)
