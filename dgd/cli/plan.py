"""`dgd plan`."""

from __future__ import annotations

import click

from dgd import api
from dgd.cli import options
from dgd.cli.options import Where
from dgd.cli.output import print_json


@click.command
@click.argument("store")
@options.arrays
@options.precision
@options.memory_limit
@options.where_to_run
@options.as_json
def plan(
    store: str,
    y: str | None,
    weight: str | None,
    precision: str,
    memory_limit: int | None,
    where: Where,
    as_json: bool,
) -> int:
    """Say what fitting the dataset STORE costs, without reading it: bytes and tasks per pass, memory per process.

    Exits with code 2 if the fit would not fit, and says what to change.
    """
    dataset = api.open_dataset(store, y, weight=weight)
    with where.client() as client:
        cost = api.plan(dataset, precision=precision, **where.limits(client, memory_limit))
    if as_json:
        print_json(cost.as_json())
    else:
        click.echo(cost.table())
    cost.check()
    return 0
