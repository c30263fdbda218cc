"""The command line: `dgd demo | ingest | inspect | copy | info | split | verify | plan | fit | fit-to | cv | path |
summarize | resume | show | predict | score | report | export | deploy | doctor | config | guide`.

Exit codes: 0 done · 1 a bug, or what `dgd doctor` calls a fault · 2 usage · 3 data missing, corrupt or invalid · 4 not
converged (with --require-convergence) · 5 cluster lost · 6 diverged · 75 stopped, with a checkpoint · 129, 130, 138 and
143 stopped by SIGHUP, SIGINT, SIGUSR1 and SIGTERM · 141 stdout closed.
Results go to stdout, everything else to stderr; with --json an error is a document on stdout as well. The only folder
that imports click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextvars import copy_context
from importlib import import_module

import click

from dgd._version import __version__
from dgd.cli.signals import forget_early, interrupt_on_signal

WIDEST, NARROWEST = 80, 50
"""Columns of help texts."""
VARIABLE = "_DGD_COMPLETE"
"""By which a shell asks for completion."""

COMMANDS = {
    "demo": "Fit data bigger than memory, and check every claim.",
    "ingest": "Write CSV or Parquet files as a dataset.",
    "inspect": "Say what is in CSV or Parquet files, and how they are ingested.",
    "copy": "Write a dataset again: other chunks, columns, checksums.",
    "info": "Describe a dataset, with warnings.",
    "split": "Say which rows are to fit and to test.",
    "verify": "Read a dataset once, and say what is damaged.",
    "plan": "Say what a fit costs: bytes, tasks, memory.",
    "fit": "Fit a linear model.",
    "fit-to": "Fit more targets than memory holds, such as the pixels of a map.",
    "cv": "Compare penalties by cross-validation.",
    "path": "Fit a penalty at many strengths.",
    "summarize": "Sum what least-squares fits ask of the rows.",
    "resume": "Go on with a fit from its checkpoint.",
    "show": "Show a model: coefficients, design, where it comes from.",
    "predict": "Predict with a model.",
    "score": "Measure a model's error on a dataset.",
    "report": "Draw a fit or a model as one HTML file.",
    "export": "Write a model as CSV, SQL or ONNX.",
    "deploy": "Files for Slurm, Kubernetes, SSH hosts, and so on.",
    "doctor": "Check this machine, a cluster and a dataset, with fixes.",
    "config": "Settings, and where each comes from: config show.",
    "guide": "Read about fitting, stores, memory, clusters.",
}
"""Each is the function of its name in the file of its name, imported when it is asked for."""
STOPPABLE = {"fit", "resume"}
"""Those that SIGUSR1 asks to stop; it ends the others."""


class Commands(click.Group):
    """Lists the commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one uses them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"dgd.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or an error that names those whose names are alike."""
        if not STOPPABLE.intersection(args[:1]):
            forget_early()
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What `dgd --help` says of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dgd", message="%(prog)s %(version)s")
def commands() -> None:
    """Exact linear models from chunked arrays, bigger than memory, on one machine or a Dask cluster.

    \b
    dgd ingest data.csv --target price train.zarr
    dgd fit train.zarr --out model.dgd
    dgd predict model.dgd test.zarr --out predictions.zarr
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    # What the options --log and --quiet say holds for this command alone.
    return copy_context().run(_main, arguments)


def _main(arguments: Sequence[str] | None) -> int:
    if VARIABLE in os.environ and arguments is None:
        from dgd.cli.completion import complete

        return complete(commands, VARIABLE, os.environ[VARIABLE])
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show ≤ or × gets a question mark, not a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with (
            interrupt_on_signal(),
            commands.make_context("dgd", list(given), terminal_width=_width()) as context,
        ):
            from dgd.cli.running import run

            return run(commands, context, given)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except (click.UsageError, KeyboardInterrupt) as error:
        from dgd.cli.failing import fail

        return fail(error, as_json="--json" in given)


def _width() -> int:
    """Of help texts: click asks by `shutil`, whose import takes longer than the rest of the help."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(1).columns
    except (OSError, ValueError):
        columns = WIDEST
    return max(min(columns, WIDEST) - 2, NARROWEST)
