"""`dgd inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dgd.cli import options
from dgd.cli.dialect import dialect as with_dialect
from dgd.cli.output import columns, print_json, say
from dgd.errors.columns_text import folded

if TYPE_CHECKING:
    from dgd.data.tables.inspection.inspection import Inspection
    from dgd.data.tables.text.dialect import Dialect


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--target", metavar="COL", help="The column to predict, for the command that is printed [none].")
@with_dialect
@options.reads_data
@options.as_json
def inspect(
    files: tuple[str, ...],
    target: str | None,
    dialect: Dialect | None,
    storage_options: dict[str, Any] | None,
    as_json: bool,
) -> int:
    """Read CSV and Parquet FILEs once, and say all that stands in the way of ingesting them, and the command for it."""
    from dgd.data.tables.inspection.inspect import inspect as look

    found = look(files, target=target, dialect=dialect, storage_options=storage_options)
    if as_json:
        print_json(found.as_json())
    else:
        say(lines(found))
    return 0


def lines(found: Inspection) -> str:
    """As wide as the terminal, but for commands, which are there to be pasted."""
    told = str(found).split("\n")
    return "\n".join(line if line.startswith("  dgd ") else folded(line, columns()) for line in told)
