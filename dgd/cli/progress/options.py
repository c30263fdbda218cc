"""The options --quiet and --log."""

from __future__ import annotations

from collections.abc import Callable

import click

from dgd.cli.configured import configured
from dgd.cli.progress.log import GIVEN, LOG, QUIET, Log


def progress(command: Callable[..., int]) -> Callable[..., int]:
    """The options --quiet and --log, which whatever shows progress knows of."""
    found = click.option(
        "--log",
        default=configured("log"),
        metavar="FILE",
        expose_value=False,
        is_eager=True,
        callback=_log,
        help="Add what happens to a file, a line for each pass, with the clock [do not].",
    )(command)
    return click.option(
        "--quiet",
        is_flag=True,
        default=configured("quiet"),
        expose_value=False,
        callback=_quiet,
        help="No progress on stderr.",
    )(found)


def _log(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    if path is not None and not ctx.resilient_parsing:
        log = Log(path)
        LOG.set(log)
        log.begin(ctx.meta.get(GIVEN, []))


def _quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    QUIET.set(value)
