"""`dgd summarize`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.model_out import check_place
from dgd.cli.options import Where
from dgd.cli.output import print_json, say_folded
from dgd.errors import ConfigurationError
from dgd.errors.words import counted, size

if TYPE_CHECKING:
    from dgd.fitting.summary.summary import Summary

OF_A_NEW_ONE = {"folds", "by", "seed", "by_chunk", "method", "precision", "overwrite"}


@click.command(cls=GroupedCommand)
@click.argument("store")
@with_arrays
@click.option("--out", metavar="SUMMARY.dgd", required=True, help="Save the summary there.")
@click.option("--folds", type=click.IntRange(2), metavar="K", help="Keep the sums of K folds apart [all in one].")
@click.option(
    "--by",
    type=click.Choice(["rows", "chunks"]),
    default="rows",
    help="Folds of rows, by a hash of their numbers, or of whole chunks [rows].",
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Draws the folds [0].")
@click.option("--by-chunk", is_flag=True, help="Keep the sums of each chunk apart, to replace one that has changed.")
@click.option(
    "--method",
    type=click.Choice(["gram", "qr"]),
    default="gram",
    help="Sum products, or an R factor for columns that nearly depend on each other [gram].",
)
@options.precision
@click.option("--update", is_flag=True, help="Go on with the summary that is there: read appended chunks alone.")
@options.overwrite
@options.where_to_run
@options.as_json
def summarize(
    store: str,
    arrays: Arrays,
    out: str,
    update: bool,
    overwrite: bool,
    where: Where,
    as_json: bool,
    **how: Any,
) -> int:
    """Sum what every least-squares fit asks of the dataset STORE, in one pass.

    `dgd fit SUMMARY.dgd` then needs none, whatever the penalty, the bounds or the columns.
    """
    from dgd.data.design.opening import as_known
    from dgd.fitting.summary.files import DOCUMENT
    from dgd.fitting.summary.summarize import summarize as summarize_rows
    from dgd.fitting.summary.summary import load_summary

    if update:
        given = options.given(OF_A_NEW_ONE)
        if given:
            raise click.UsageError(f"--update goes on with a summary as it was made, without {given}")
        if not (Path(out) / DOCUMENT).is_file():
            raise ConfigurationError(f"there is no summary at {out} to go on with; make it without --update")
    else:
        check_place(out, overwrite=overwrite, document=DOCUMENT, noun="summary")
    before = load_summary(out) if update else None
    if before is not None and len(before.parts) > 1 and not before.by_chunk:
        raise ConfigurationError(
            f"{out} keeps {len(before.parts)} folds apart, to which no chunk is added; make it again with --overwrite"
        )
    if before is not None and before.design is not None:
        if given := options.given({"features", "drop", "categorical", "formula"}):
            raise click.UsageError(f"--update reads the table by the design of the summary, without {given}")
        arrays = replace(arrays, reading=as_known(arrays.reading, before.design))
    dataset = arrays.open(store, where)
    with where.execution() as execution:
        if before is None:
            found = summarize_rows(dataset, execution=execution, **how)
        else:
            found = before.update(dataset, execution=execution)
    found.save(out, overwrite=update or overwrite)
    if as_json:
        print_json(_as_json(found, out))
    else:
        text = "\n".join(f"{name:<14}{text}" for name, text in _table(found, out, before))
        say_folded(text)
    return 0


def _table(summary: Summary, out: str, before: Summary | None) -> list[tuple[str, str]]:
    n, q = summary.shape
    rows = f"{summary.rows:,}" + ("" if before is None else f", {summary.rows - before.rows:,} of them new")
    if summary.rows_left_out:
        rows += f"; {summary.rows_left_out:,} with a missing cell were left out"
    parts = f"apart for each of {counted(len(summary.parts), 'chunk' if summary.by_chunk else 'fold')}"
    if len(summary.parts) == 1:
        parts = "of all rows together"
    what = "products" if summary.method == "gram" else "R factors" if len(summary.parts) > 1 else "an R factor"
    return [
        ("rows", rows),
        ("columns", f"{n:,}, and {counted(q, 'target')}"),
        ("sums", f"{what}, {parts}"),
        ("read", size(summary.bytes_read)),
        ("summary", f"saved to {out}"),
    ]


def _as_json(summary: Summary, out: str) -> dict[str, Any]:
    n, q = summary.shape
    return {
        "summary": out,
        "rows": summary.rows,
        "rows_left_out": summary.rows_left_out,
        "weight": summary.weight,
        "features": n,
        "targets": q,
        "feature_names": None if summary.feature_names is None else list(summary.feature_names),
        "method": summary.method,
        "parts": len(summary.parts),
        "by_chunk": summary.by_chunk,
        "bytes_read": summary.bytes_read,
    }
