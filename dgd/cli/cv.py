"""`dgd cv`."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.kept_passes import checkpoint, until_stopped
from dgd.cli.kinds import Kind, kind
from dgd.cli.model_out import check_place
from dgd.cli.options import Where
from dgd.cli.output import note, print_json, say


@click.command(cls=GroupedCommand)
@click.argument("store")
@with_arrays
@kind
@click.option("--folds", type=click.IntRange(2), default=5, metavar="K", help="Parts held out in turn [5].")
@click.option(
    "--by",
    type=click.Choice(["rows", "chunks"]),
    default="rows",
    help="Folds of rows, by a hash of their numbers, or of whole chunks [rows].",
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Draws the folds [0].")
@click.option(
    "--choose",
    type=click.Choice(["min", "one_se"]),
    default="min",
    help="The least mean loss, or the strongest penalty within one standard error of it [min].",
)
@click.option("--out", metavar="MODEL.dgd", help="Save the fit of all rows by the chosen penalty [do not].")
@options.overwrite
@checkpoint
@options.where_to_run
@options.resident
@options.as_json
def cv(
    store: str,
    arrays: Arrays,
    kind: Kind,
    where: Where,
    out: str | None,
    overwrite: bool,
    checkpoint: str | None,
    as_json: bool,
    **control: Any,
) -> int:
    """Compare penalties on the dataset STORE by cross-validation, in the passes of one fit.

    Each strength is fitted without each fold and scored on it; all rows are fitted by the one that is chosen. The
    squared loss takes one pass in all.

    Ctrl-C and SIGTERM stop it; with --checkpoint it exits with 75, and the same command goes on.
    """
    from dgd.fitting.many.cross_validate import cross_validate

    if out is not None:
        check_place(out, overwrite=overwrite)
    dataset = arrays.open(store, where)
    with where.execution() as execution:
        arguments: dict[str, Any] = {**kind.arguments, **control, "checkpoint": checkpoint, "execution": execution}
        found, code = until_stopped(
            lambda: cross_validate(dataset, penalties=kind.penalty, **arguments), checkpoint, kind.arguments["loss"]
        )
    if found is None:
        return code
    if out is not None:
        found.result.model.save(out, overwrite=overwrite)
        note(f"model saved to {out}")
    if as_json:
        print_json(found.as_json())
    else:
        say(str(found))
    return 0
