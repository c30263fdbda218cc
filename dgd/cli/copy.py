"""`dgd copy`."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays, arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.output import print_json, say
from dgd.cli.progress.counts import rows_of_all
from dgd.cli.redo import redo_command
from dgd.data.reading import is_url
from dgd.errors.words import without_secrets


@click.command(cls=GroupedCommand)
@click.argument("store")
@click.argument("out", metavar="OUT.zarr")
@arrays
@click.option("--chunk-rows", type=click.IntRange(1), metavar="N", help="Rows of a chunk [4 MiB of X].")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), help="Of X [as it is].")
@click.option(
    "--compression",
    type=click.Choice(["none", "zstd", "blosc", "gzip"]),
    default="none",
    help="Of the chunks [none, the fastest to read].",
)
@click.option("--sparse/--dense", default=None, help="X by its non-zero values, as AnnData's CSR, or not [as it is].")
@click.option("--memory-limit", callback=options.size, metavar="SIZE", help="Memory it may use, like 2GiB [all].")
@options.overwrite
@options.as_json
def copy(
    store: str,
    out: str,
    arrays: Arrays,
    chunk_rows: int | None,
    dtype: str | None,
    compression: str,
    sparse: bool | None,
    memory_limit: int | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Write the dataset STORE, a path or URL, again as OUT.zarr: in other chunks, decoded, with checksums.

    X, y, weight and offset go along where they are called so; missing cells stay missing.
    """
    from dgd.passes.copying import copy as write
    from dgd.passes.execution import Execution

    place, target = (without_secrets(each) if is_url(each) else os.path.abspath(each) for each in (store, out))
    with rows_of_all() as progress:
        written = write(
            store,
            out,
            **arrays.arguments,
            chunk_rows=chunk_rows,
            dtype=dtype,
            compression=compression,
            sparse=sparse,
            overwrite=overwrite,
            progress=progress,
            redo=redo_command(click.get_current_context(), place, target),
            execution=Execution(threads=1, memory_limit=memory_limit),
        )
    if as_json:
        print_json(asdict(written))
    else:
        left_out = f", {written.rows_left_out:,} with a missing cell left out" if written.rows_left_out else ""
        say(f"{written.path}: {written.rows:,} rows × {written.features} features{left_out}")
    return 0
