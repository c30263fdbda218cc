"""`dgd info`."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.output import columns, print_json, say, say_folded


@click.command
@click.argument("store")
@options.reads_data
@options.as_json
def info(store: str, storage_options: dict[str, Any] | None, as_json: bool) -> int:
    """Describe the dataset STORE: shape, chunks, bytes, codecs, checksums, names, and warnings with their fixes.

    Of CSV and Parquet files, the columns: see `dgd inspect`.
    """
    from dgd.data.tables.files import is_table, parquet_paths

    if is_table(store) or parquet_paths(store):
        from dgd.cli.inspect import lines
        from dgd.data.tables.inspection.inspect import inspect

        tables = inspect(store, storage_options=storage_options)
        if as_json:
            print_json(tables.as_json())
        else:
            say(lines(tables))
        return 0
    from dgd.data.zarr import info as describe

    found = describe.info(store, storage_options=storage_options)
    if as_json:
        print_json(found.as_json())
    else:
        say_folded(found.table(columns()))
    return 0
