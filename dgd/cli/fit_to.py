"""`dgd fit-to`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays, arrays_without_offset
from dgd.cli.grouped import GroupedCommand
from dgd.cli.options import Where
from dgd.cli.output import note, print_json, say, say_folded


def numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> list[float] | None:
    """Numbers of 0 or more, with commas between."""
    try:
        return None if value is None else [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers; write it like 0.01,0.1,1") from None


@click.command("fit-to", cls=GroupedCommand)
@click.argument("store")
@arrays_without_offset
@click.option("--out", metavar="MAPS.zarr", required=True, help="Write coefficients, R² and strengths there.")
@click.option("--l2", type=click.FloatRange(0), metavar="S", help="Strength of the l2 penalty, for all targets [0].")
@click.option("--strengths", callback=numbers, metavar="S,S,…", help="Choose the best of these for each target.")
@click.option(
    "--by",
    type=click.Choice(["gcv", "folds"]),
    default="gcv",
    help="By generalised cross-validation, or by the errors of rows held out [gcv].",
)
@click.option("--folds", type=click.IntRange(2), default=5, metavar="K", help="Parts held out in turn [5].")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Draws the folds [0].")
@click.option("--intercept/--no-intercept", "fit_intercept", default=True, help="Fit an intercept or none [fit it].")
@click.option("--panel", type=click.IntRange(1), metavar="N", help="Targets at a time at most [what memory allows].")
@click.option("--plan", "only_plan", is_flag=True, help="Say what it costs; read and write nothing.")
@options.overwrite
@options.where_to_run
@options.resident
@options.as_json
def fit_to(
    store: str,
    arrays: Arrays,
    out: str,
    l2: float | None,
    only_plan: bool,
    overwrite: bool,
    where: Where,
    as_json: bool,
    **how: Any,
) -> int:
    """Fit each cell of the wide array y of STORE by least squares, and write maps of coefficients.

    y is read once, in panels of whole stored chunks. With --missing drop each target is fitted from the rows that it
    has. After an interruption the same command goes on with what is missing.
    """
    from dgd.fitting.panels.fit_to import fit_to as fit_targets
    from dgd.fitting.panels.fit_to import plan_fit_to
    from dgd.penalties import L2

    if l2 is not None and how["strengths"] is not None:
        raise click.UsageError("--l2 and --strengths exclude each other: give one of them")
    how |= {"y": arrays.y, "weight": arrays.weight, "penalty": None if l2 is None else L2(l2), **arrays.reading}
    with where.execution() as execution:
        if only_plan:
            cost = plan_fit_to(store, execution=execution, **how)
            print_json(cost.as_json()) if as_json else say_folded(str(cost))
            cost.check()
            return 0
        try:
            found = fit_targets(store, out, overwrite=overwrite, execution=execution, **how)
        except KeyboardInterrupt:
            note("what is written stays; the same command goes on with the rest")
            raise
    if as_json:
        print_json({**asdict(found), "plan": found.plan.as_json()})
    else:
        say(str(found))
    return 0
