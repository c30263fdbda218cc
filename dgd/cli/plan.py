"""`dgd plan`."""

from __future__ import annotations

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.method import Chosen, method
from dgd.cli.options import Where
from dgd.cli.output import print_json, say_folded


@click.command(cls=GroupedCommand)
@click.argument("store")
@with_arrays
@method
@options.precision
@options.where_to_run
@options.resident
@options.as_json
def plan(
    store: str,
    arrays: Arrays,
    chosen: Chosen,
    precision: str,
    where: Where,
    as_json: bool,
) -> int:
    """Say what fitting the dataset STORE costs: solver, bytes and tasks per pass, memory, and how fast it will be.

    Of the data only the first chunks are read, to measure the last.

    Exits with code 2 if the fit would not fit, and says what to change.
    """
    from dgd.data.design.opening import coded_for
    from dgd.fitting.fit import plan as plan_fit

    dataset = coded_for(arrays.open(store, where), intercept=chosen.fit_intercept)
    chosen, what = chosen.of(dataset)
    with where.execution() as execution:
        cost = plan_fit(dataset, precision=precision, measure=True, execution=execution, **chosen.arguments)
    if as_json:
        print_json({**cost.as_json(), "solver": what.choice.name, "because": what.choice.because})
    else:
        solver = f"{'solver':<16}{what.choice.name}: {what.choice.because}"
        say_folded(f"{solver}\n{cost.table()}")
    cost.check()
    return 0
