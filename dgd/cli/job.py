"""A fit as a job of the shell: signals ask it to stop, what was reached is delivered, a code says how it ended."""

from __future__ import annotations

import functools
import shlex
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import click

from dgd.cli import options
from dgd.cli.configured import configured
from dgd.cli.in_options import in_options
from dgd.cli.model_out import deliver, save_so_far
from dgd.cli.options import Command, Where
from dgd.cli.output import columns, note
from dgd.cli.progress.log import logged
from dgd.cli.signals import StopRequest, stop_on_signal
from dgd.errors import ClusterLostError, DgdError
from dgd.fitting.record import Record
from dgd.passes.execution import Execution
from dgd.solvers.base import Status

NOT_CONVERGED, DIVERGED, CHECKPOINTED = 4, 6, 75


def _nothing(result: Any, execution: Execution) -> Any:
    return None


@dataclass(frozen=True)
class Job:
    """Where a fit runs and what becomes of its result, as the command line says it."""

    where: Where
    out: str | None
    overwrite: bool
    as_json: bool
    require_convergence: bool
    verbose: bool = False
    order: str = "order"
    """Of the coefficients that are printed."""

    def run(
        self, fit: Callable[[Execution, StopRequest], Any], infer: Callable[[Any, Execution], Any] = _nothing
    ) -> int:
        """The exit code; the result has been printed and saved, or the model so far where the cluster is lost.

        infer: makes an inference of the result, or None. Its error is raised once the result has been delivered.
        """
        from dgd.fitting.result_lines import passes_made

        with self.where.execution() as execution, stop_on_signal() as request:
            try:
                result = fit(execution, request)
            except ClusterLostError as error:
                if error.result is not None:
                    self._tell_checkpoint(error.result)
                    if self.out is not None:
                        save_so_far(error.result, self.out, overwrite=self.overwrite)
                raise
            self._tell_checkpoint(result)
            logged(f"{result.status.label} after {passes_made(result.n_iter_)}, loss {result.loss:.6g}")
            inference, refused = None, None
            try:
                inference = infer(result, execution)
            except DgdError as error:
                refused = error
            deliver(
                result,
                inference,
                self.out,
                overwrite=self.overwrite,
                as_json=self.as_json,
                text=lambda: self._text(result, inference),
            )
            if refused is not None:
                raise refused
        return self._exit_code(result, request)

    def progress(
        self, *, max_iter: int, tol: float, first: float = 0.0
    ) -> AbstractContextManager[Callable[[Record], None]]:
        """What shows the passes of a fit; `first`: the gradient norm of the first one, where that was made before."""
        from dgd.cli.progress.passes import pass_progress

        return pass_progress(max_iter=max_iter, tol=tol, verbose=self.verbose, first=first)

    def _text(self, result: Any, inference: Any) -> str:
        """An overview, or with all digits; below it the table of an inference."""
        from dgd.errors.columns_text import folded
        from dgd.fitting.result_lines import overview

        width = columns()
        if self.verbose:
            found = folded(result.summary(), width)
        else:
            found = overview(result, order=self.order, words=in_options, coefficients=inference is None, width=width)
        if inference is None:
            return found
        from dgd.models.inference import table

        return f"{found}\n\n{folded(table.text(inference, width), width)}"

    def _tell_checkpoint(self, result: Any) -> None:
        if result.checkpoint is not None:
            note(f"checkpoint after pass {result.n_iter_}; go on with `dgd resume {shlex.quote(result.checkpoint)}`")

    def _exit_code(self, result: Any, request: StopRequest) -> int:
        """What the fit's end means to a script."""
        if result.status is Status.INTERRUPTED:
            return CHECKPOINTED if result.checkpoint is not None else 128 + (request.signal or signal.SIGINT)
        if result.status is Status.DIVERGED:
            return DIVERGED
        return NOT_CONVERGED if self.require_convergence and not result.converged else 0


def job(command: Command) -> Command:
    """The options of a `Job`; the command gets it as `job`."""

    @options.overwrite
    @click.option("--out", metavar="MODEL.dgd", help="Save the model there.")
    @options.verbose
    @options.sort
    @click.option("--require-convergence", is_flag=True, help="Exit with code 4 unless the fit converged.")
    @options.where_to_run
    @options.resident
    @options.as_json
    @functools.wraps(command)
    def with_job(
        where: Where,
        out: str | None,
        overwrite: bool,
        as_json: bool,
        require_convergence: bool,
        verbose: bool,
        order: str,
        **others: Any,
    ) -> int:
        chosen = Job(where, out, overwrite, as_json, require_convergence, verbose, order)
        return command(job=chosen, **others)

    return with_job


def every(ctx: click.Context, param: click.Parameter, value: str) -> float | str:
    """Seconds, or "pass"."""
    if value == "pass":
        return value
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number of seconds nor 'pass'") from None


checkpoint_every = click.option(
    "--checkpoint-every",
    callback=every,
    default=configured("checkpoint_every"),
    metavar="S|pass",
    help="Seconds between two checkpoints, or after every pass [60].",
)
