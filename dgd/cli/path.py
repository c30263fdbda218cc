"""`dgd path`."""

from __future__ import annotations

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.kinds import Kind, kind
from dgd.cli.options import Where
from dgd.cli.output import print_json, say


@click.command
@click.argument("store")
@with_arrays
@kind
@options.where_to_run
@options.resident
@options.as_json
def path(store: str, arrays: Arrays, kind: Kind, where: Where, as_json: bool) -> int:
    """Fit a penalty at many strengths to the dataset STORE, in the passes of one fit.

    From the least strength under which every coefficient is 0 down to next to none. The squared loss takes one pass.
    """
    from dgd.fitting.many.path import path as fit_path

    dataset = arrays.open(store)
    with where.execution() as execution:
        found = fit_path(dataset, penalty=kind.penalty, execution=execution, **kind.arguments)
    if as_json:
        print_json(found.as_json())
    else:
        say(str(found))
    return 0
