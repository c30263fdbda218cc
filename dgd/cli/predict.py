"""`dgd predict`."""

from __future__ import annotations

import sys
from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import chosen_offset, note_parsing, note_reading, with_offset
from dgd.cli.arrays import reading as with_reading
from dgd.cli.grouped import GroupedCommand
from dgd.cli.options import Where
from dgd.cli.output import note, print_json, say
from dgd.errors.words import visible

LINES = 10_000
OF = ("mean", "observation")


@click.command(cls=GroupedCommand)
@click.argument("model")
@click.argument("store")
@click.option(
    "--out",
    metavar="FILE",
    help="Write the predictions there: p.parquet, p.csv, p.csv.gz, p.zarr; - is CSV on stdout [print them].",
)
@click.option("--id", "ids", multiple=True, metavar="COL", help="A column that goes along; repeatable [as ingested].")
@with_offset
@click.option("--probabilities", is_flag=True, help="The probability of each class, not the class.")
@click.option("--interval", type=float, metavar="P", help="Prediction, standard error and an interval of confidence P.")
@click.option("--interval-of", type=click.Choice(OF), default="mean", help="Of what the interval is [mean].")
@with_reading
@options.overwrite
@options.where_to_run
@options.as_json
def predict(
    model: str,
    store: str,
    out: str | None,
    ids: tuple[str, ...],
    offset: str | None,
    no_offset: bool,
    probabilities: bool,
    interval: float | None,
    interval_of: str,
    reading: dict[str, Any],
    overwrite: bool,
    where: Where,
    as_json: bool,
) -> int:
    """Predict with MODEL for every row of STORE, a dataset or table; without --out, print a line a row.

    A table (Parquet, CSV) has the rows in their order and each column by its name; columns of the input are found by
    name, in any order. It appears when it is whole: an interrupted one is never there.
    """
    from dgd.models.model import load_model
    from dgd.models.prediction.columns_by_name import listed, unused_columns
    from dgd.models.prediction.predict import predict as predict_rows
    from dgd.models.prediction.predict_to import predict_to

    if ids and out is None:
        raise click.UsageError("--id goes into a table: give --out p.parquet, --out p.csv or --out -")
    if as_json and out == "-":
        raise click.UsageError("--json and --out - exclude each other: both write to stdout")
    fitted = load_model(model)
    note_parsing(store)
    with where.execution() as execution:
        common: dict[str, Any] = {
            "offset": chosen_offset(offset, none=no_offset),
            "probabilities": probabilities,
            "execution": execution,
            **reading,
        }
        common |= {"interval": interval, "interval_of": interval_of}
        if out is None:
            show(predict_rows(fitted, store, **common), as_json=as_json)
            note_reading(store)
            return 0
        sink: Any = sys.stdout.buffer if out == "-" else out
        predict_to(fitted, store, sink, ids=ids or None, overwrite=overwrite, **common)
    note_reading(store)
    if out == "-":
        sys.stdout.flush()
    else:
        note(f"predictions written to {out}")
    unused = () if reading.get("features") else unused_columns(fitted, store, [*ids, offset])
    if unused:
        note(f"columns that the model does not know were not read: {listed(unused)}")
    if as_json:
        print_json({"out": out})
    return 0


def show(predicted: Any, *, as_json: bool) -> None:
    """Print predictions, as JSON or a row a line."""
    if as_json:
        print_json({"predictions": predicted.tolist()})
    else:
        print_lines(predicted)


def print_lines(rows: Any) -> None:
    """A row a line: a label, or numbers with all their digits."""
    for start in range(0, len(rows), LINES):
        say("\n".join(map(line, rows[start : start + LINES].tolist())))


def line(row: Any) -> str:
    """A label on its line, a number with all its digits, several with spaces between."""
    return visible(row) if isinstance(row, str) else " ".join(map(repr, row)) if isinstance(row, list) else repr(row)
