"""`dgd predict`."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.arrays import chosen_offset, with_offset
from dgd.cli.arrays import reading as with_reading
from dgd.cli.options import Where
from dgd.cli.output import note, print_json, say
from dgd.errors.words import visible

LINES = 10_000
OF = ("mean", "observation")


@click.command
@click.argument("model")
@click.argument("store")
@click.option("--out", metavar="PRED.zarr", help="Write the predictions there, chunk by chunk [print them].")
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
    """Predict with MODEL for every row of the dataset STORE; without --out, print a line a row."""
    from dgd.models.model import load_model
    from dgd.models.predict import predict as predict_rows
    from dgd.models.predict import predict_to

    fitted = load_model(model)
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
            return 0
        predict_to(fitted, store, out, overwrite=overwrite, **common)
    note(f"predictions written to {out}")
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
