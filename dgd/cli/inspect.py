"""`dgd inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dgd.cli import options
from dgd.cli.dialect import dialect as with_dialect
from dgd.cli.output import print_json, say

if TYPE_CHECKING:
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
        say(str(found))
    return 0
