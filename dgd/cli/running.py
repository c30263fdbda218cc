"""Runs the command that was asked for: warnings as notes, errors as lines and exit codes, and the end of the log."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dgd.cli.failing import fail
from dgd.cli.output import PRINTED, noted_warnings
from dgd.cli.progress.counts import tables_shown
from dgd.cli.progress.line import clear_line
from dgd.cli.progress.log import GIVEN, LOG, logged
from dgd.errors import DgdError

CLOSED_PIPE = 141


def run(commands: click.Group, context: click.Context, given: Sequence[str]) -> int:
    """The exit code."""
    context.meta[GIVEN] = given
    try:
        with noted_warnings(), tables_shown():
            code = _code(commands, context, given)
        logged(f"ended with exit code {code}")
        return code
    except BaseException as error:
        logged(f"ended by {type(error).__name__}: {error}")
        raise
    finally:
        clear_line()
        if (log := LOG.get()) is not None:
            log.close()


def _code(commands: click.Group, context: click.Context, given: Sequence[str]) -> int:
    try:
        return int(commands.invoke(context) or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        # Whoever read stdout has left, as `| head` does.
        return CLOSED_PIPE
    except (click.UsageError, KeyboardInterrupt, DgdError, OSError) as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            raise
        return fail(error, as_json="--json" in given and not context.meta.get(PRINTED))
