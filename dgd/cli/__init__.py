"""The command line: `dgd demo | ingest | inspect | copy | info | split | verify | plan | fit | fit-to | cv | path |
summarize | resume | predict | score | report | export | deploy | guide`.

Exit codes: 0 done · 1 a bug · 2 usage · 3 data missing, corrupt or invalid · 4 not converged (with
--require-convergence) · 5 cluster lost · 6 diverged · 75 stopped, with a checkpoint · 129, 130, 138 and 143
stopped by SIGHUP, SIGINT, SIGUSR1 and SIGTERM · 141 stdout closed.
Results go to stdout, everything else to stderr. The only folder that imports click.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from dgd._version import __version__
from dgd.cli.output import in_options, note, noted_warnings
from dgd.cli.signals import interrupt_on_signal
from dgd.errors import ClusterLostError, ConfigurationError, DgdError

USAGE, DATA, CLUSTER, INTERRUPTED, CLOSED_PIPE = 2, 3, 5, 130, 141

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
    "predict": "Predict with a model.",
    "score": "Measure a model's error on a dataset.",
    "report": "Draw a fit or a model as one HTML file.",
    "export": "Write a model as CSV, SQL or ONNX.",
    "deploy": "Files for Slurm, Kubernetes, SSH hosts, and so on.",
    "guide": "Read about fitting, stores, memory, clusters.",
}
"""Each is the function of its name in the file of its name, imported when it is asked for."""


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
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show ≤ or × gets a question mark, not a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with (
            noted_warnings(),
            interrupt_on_signal(),
            commands.make_context("dgd", list(sys.argv[1:] if arguments is None else arguments)) as context,
        ):
            return int(commands.invoke(context) or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        note(f"error: {error.format_message()} (see `{error.ctx.command_path if error.ctx else 'dgd'} --help`)")
        return USAGE
    except KeyboardInterrupt:
        note("stopped")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read stdout has left, as `| head` does.
        return CLOSED_PIPE
    except (DgdError, OSError) as error:
        note("error: " + in_options(" ".join(str(error).split())))
        return exit_code(error)


def exit_code(error: Exception) -> int:
    """The exit code of an error."""
    if isinstance(error, ConfigurationError):
        return USAGE
    if isinstance(error, ClusterLostError) or type(error).__module__.startswith("distributed"):
        return CLUSTER
    return DATA


__all__ = ["main"]
