"""`dgd plan`."""

from __future__ import annotations

import click

from dgd.cli import options
from dgd.cli.method import Chosen, method
from dgd.cli.options import Where
from dgd.cli.output import print_json


@click.command
@click.argument("store")
@options.arrays
@method
@options.precision
@options.where_to_run
@options.resident
@options.as_json
def plan(
    store: str,
    y: str | None,
    weight: str | None,
    offset: str | None,
    chosen: Chosen,
    precision: str,
    where: Where,
    as_json: bool,
) -> int:
    """Say what fitting the dataset STORE costs: solver, bytes and tasks per pass, memory, and how fast it will be.

    Of the data only the first chunks are read, to measure the last.

    Exits with code 2 if the fit would not fit, and says what to change.
    """
    from dgd.data.opening import open_dataset
    from dgd.fitting.fit import plan as plan_fit

    dataset = open_dataset(store, y, weight=weight, offset=offset)
    chosen, what = chosen.of(dataset)
    with where.execution() as execution:
        cost = plan_fit(dataset, precision=precision, measure=True, execution=execution, **chosen.arguments)
    if as_json:
        print_json({**cost.as_json(), "solver": what.choice.name, "because": what.choice.because})
    else:
        click.echo(f"{'solver':<16}{what.choice.name}: {what.choice.because}")
        click.echo(cost.table())
    cost.check()
    return 0
