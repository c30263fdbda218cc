"""`dgd verify`."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.options import Where
from dgd.cli.output import note, print_json, say_folded


@click.command
@click.argument("store")
@options.reads_data
@options.where_to_run
@options.as_json
def verify(store: str, storage_options: dict[str, Any] | None, where: Where, as_json: bool) -> int:
    """Read every chunk of STORE once and hold it to all that is known of it: checksums, and what dgd wrote."""
    from dgd.cli.failing import DATA
    from dgd.passes.verify import verify

    with where.execution() as execution:
        found = verify(store, storage_options=storage_options, execution=execution)
    if as_json:
        print_json(found.as_json())
    else:
        say_folded(found.table())
    if found.whole:
        return 0
    note("error: the store is damaged; restore the chunks that are named, or write it again")
    return DATA
