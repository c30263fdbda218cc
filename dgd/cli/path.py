"""`dgd path`."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.kept_passes import checkpoint, until_stopped
from dgd.cli.kinds import Kind, kind
from dgd.cli.options import Where
from dgd.cli.output import print_json, say


@click.command(cls=GroupedCommand)
@click.argument("store")
@with_arrays
@kind
@checkpoint
@options.where_to_run
@options.resident
@options.as_json
def path(store: str, arrays: Arrays, kind: Kind, where: Where, checkpoint: str | None, as_json: bool) -> int:
    """Fit a penalty at many strengths to the dataset STORE, in the passes of one fit.

    From the least strength under which every coefficient is 0 down to next to none. The squared loss takes one pass.

    Ctrl-C and SIGTERM stop it; with --checkpoint it exits with 75, and the same command goes on.
    """
    from dgd.fitting.many.path import path as fit_path

    dataset = arrays.open(store, where)
    with where.execution() as execution:
        arguments: dict[str, Any] = {**kind.arguments, "checkpoint": checkpoint, "execution": execution}
        found, code = until_stopped(
            lambda: fit_path(dataset, penalty=kind.penalty, **arguments), checkpoint, kind.arguments["loss"]
        )
    if found is None:
        return code
    if as_json:
        print_json(found.as_json())
    else:
        say(str(found))
    return 0
