"""`dgd score`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import click
import numpy as np

from dgd.cli import options
from dgd.cli.arrays import Arrays, note_parsing, note_reading
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.options import Where
from dgd.cli.output import print_json, say
from dgd.errors.words import finite_or_none, visible

OF_THE_LOSS = ("loss", "deviance", "d2")
"""Shown where they are other figures than those of the squared loss."""


@click.command(cls=GroupedCommand)
@click.argument("model")
@click.argument("store")
@partial(with_arrays, is_fitted=False)
@click.option("--by", metavar="COL", help="The figures of each group of rows as well, by this column or array.")
@options.where_to_run
@options.as_json
def score(model: str, store: str, arrays: Arrays, by: str | None, where: Where, as_json: bool) -> int:
    """Print the error of MODEL on the dataset or table STORE, from one pass over it.

    Of numbers MSE, RMSE, MAE, R² and the deviance; of classes accuracy, log loss, Brier score, AUC and a calibration
    table.
    """
    from dgd.models.model import load_model

    fitted = load_model(model)
    note_parsing(store)
    with where.execution() as execution:
        found = asdict(fitted.score(store, **arrays.arguments, by=by, execution=execution))
    note_reading(store)
    if as_json:
        print_json(_finite(found) if by is not None else _finite({k: v for k, v in found.items() if k != "groups"}))
        return 0
    groups, bins = found.pop("groups"), found.pop("calibration", ())
    shown = {name: value for name, value in found.items() if _is_shown(name, value, fitted)}
    width = max(map(len, shown)) + 2
    say("\n".join(f"{name:<{width}}{value:.12g}" for name, value in shown.items()))
    if bins:
        say("\ncalibration\n" + _table(list(bins)))
    if groups:
        rows = [{by: str(label), **{name: group[name] for name in shown}} for label, group in groups.items()]
        say("\n" + _table(rows))
    return 0


def _is_shown(name: str, value: Any, model: Any) -> bool:
    """Whether a figure says something that the others do not."""
    loss = model.loss
    if name == "uncentered_r2":
        return loss == "squared" and not np.any(model.intercept)
    if name == "rows_left_out" or name == "auc_bound":
        return bool(value > 0)
    return not (name in OF_THE_LOSS and (loss == "squared" or value != value))


def _table(rows: list[dict[Any, Any]]) -> str:
    """A line for each row below the names."""
    cells = [[str(name) for name in rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    return visible(value) if isinstance(value, str) else f"{value:.6g}"


def _finite(value: Any) -> Any:
    """A value for JSON; labels of groups become texts."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else finite_or_none(value)
