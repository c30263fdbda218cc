"""`dgd score`."""

from __future__ import annotations

from dataclasses import asdict

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.options import Where
from dgd.cli.output import print_json, say
from dgd.errors.words import finite_or_none


@click.command
@click.argument("model")
@click.argument("store")
@with_arrays
@options.where_to_run
@options.as_json
def score(model: str, store: str, arrays: Arrays, where: Where, as_json: bool) -> int:
    """Print MSE, RMSE, MAE and R² of MODEL on the dataset STORE, or accuracy and log loss, from one pass over it."""
    from dgd.models.model import load_model

    with where.execution() as execution:
        found = asdict(load_model(model).score(store, **arrays.arguments, execution=execution))
    if as_json:
        print_json({name: finite_or_none(value) for name, value in found.items()})
    else:
        if not found["rows_left_out"]:
            del found["rows_left_out"]
        width = max(map(len, found)) + 2
        say("\n".join(f"{name:<{width}}{value:.12g}" for name, value in found.items()))
    return 0
