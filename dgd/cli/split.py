"""`dgd split`."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.output import print_json, say


@click.command
@click.argument("store")
@click.option("--fraction", metavar="F", default="0.8", help="Of the rows that are to fit [0.8].")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Another seed is another split [0].")
@click.option("--by", metavar="COL", help="Rows with the same value there are in one part [each row by itself].")
@options.reads_data
@options.as_json
def split(
    store: str, fraction: str, seed: int, by: str | None, storage_options: dict[str, Any] | None, as_json: bool
) -> int:
    """Say how many rows of STORE, a dataset or table, are to fit and to test, and the options that take them.

    Nothing is written or copied: which part a row is in follows from a hash of its number, or of its value in --by,
    and is the same on any machine, in any chunks. Fit with `--split train:F:N`, then score with `--split test`.
    """
    from dgd.data.reading import Reading
    from dgd.data.split import PARTS, Split
    from dgd.data.split_counts import rows_of

    splits = [Split.of(f"{part}:{fraction}:{seed}" + ("" if by is None else f":{by}")) for part in PARTS]
    counts = rows_of(store, splits, Reading(storage_options=storage_options))
    return _said(dict(zip(map(str, splits), counts, strict=True)), as_json=as_json)


def _said(rows: dict[str, int], *, as_json: bool) -> int:
    total = sum(rows.values())
    if as_json:
        print_json({"rows": total, "parts": rows})
        return 0
    width = max(map(len, rows))
    say("\n".join(f"--split {part:<{width}}  {count:,} of {total:,} rows" for part, count in rows.items()))
    return 0
