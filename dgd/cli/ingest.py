"""`dgd ingest`."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import asdict

import click

from dgd.cli import options
from dgd.cli.output import print_json, say
from dgd.cli.progress import writing_progress
from dgd.cli.redo import redo_command
from dgd.errors.words import visible


def column_names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """The names in a comma-separated list; one that holds a comma itself stands in double quotes."""
    return None if value is None else [name.strip() for name in next(csv.reader([value], skipinitialspace=True))]


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.argument("out", metavar="OUT.zarr")
@click.option("--target", required=True, metavar="COL", help="The column to predict.")
@click.option("--features", callback=column_names, metavar="A,B,…", help="Columns of X, in this order [all others].")
@click.option("--weight", metavar="COL", help="The column of weights [none].")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", help="Of X [float64].")
@click.option("--chunk-rows", type=click.IntRange(1), metavar="N", help="Rows of a chunk [4 MiB of X].")
@click.option(
    "--compression",
    type=click.Choice(["none", "zstd", "blosc", "gzip"]),
    default="none",
    help="Of the chunks [none, the fastest to read].",
)
@options.overwrite
@options.quiet
@options.as_json
def ingest(
    files: tuple[str, ...],
    out: str,
    target: str,
    features: list[str] | None,
    weight: str | None,
    dtype: str,
    chunk_rows: int | None,
    compression: str,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Write the rows of CSV and Parquet FILEs, one after the other, as one dataset OUT.zarr."""
    from dgd.data.tables.ingest import ingest as write

    with writing_progress(_of_bytes(files), quiet=quiet) as progress:
        written = write(
            files,
            out,
            target=target,
            features=features,
            weight=weight,
            dtype=dtype,
            chunk_rows=chunk_rows,
            compression=compression,
            overwrite=overwrite,
            progress=progress,
            redo=redo_command(click.get_current_context(), *map(os.path.abspath, [*files, out])),
        )
    if as_json:
        print_json(asdict(written))
    else:
        say(f"{written.path}: {written.rows:,} rows × {len(written.features)} features, target {visible(target)}")
        say(f"features: {_listed(written.features)}")
        if written.left_out:
            say(f"left out: {_listed(written.left_out)} (the index of a DataFrame; --features takes it by name)")
    return 0


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(visible, names[:20]))
    return shown if len(names) <= 20 else f"{shown}, … and {len(names) - 20:,} more"


def _of_bytes(files: tuple[str, ...]) -> Callable[[int, int], tuple[float, str]]:
    total = sum(os.path.getsize(path) for path in files if os.path.isfile(path))

    def say_bytes(rows: int, bytes_read: int) -> tuple[float, str]:
        text = f"{rows:,} rows  {bytes_read / 1e6:.1f} of {total / 1e6:.1f} MB"
        return min(1.0, bytes_read / max(total, 1)), text

    return say_bytes
