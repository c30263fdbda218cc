"""`dgd ingest`."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dgd.cli import options, tables
from dgd.cli.dialect import dialect as with_dialect
from dgd.cli.output import print_json, say
from dgd.cli.progress.counts import row_counts
from dgd.cli.redo import redo_command
from dgd.errors.words import counted, visible

if TYPE_CHECKING:
    from dgd.data.tables.ingest import Ingested
    from dgd.data.tables.text.dialect import Dialect


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.argument("out", metavar="OUT.zarr")
@click.option("--target", metavar="COL", help="The column to predict [none: rows to predict].")
@tables.features
@tables.drop
@click.option("--weight", metavar="COL", help="The column of weights, which fits then use [none].")
@click.option("--offset", metavar="COL", help="The column of offsets, which fits then use [none].")
@click.option("--id", "ids", multiple=True, metavar="COL", help="A column to go with predictions; repeatable.")
@click.option(
    "--missing",
    type=click.Choice(["error", "drop", "keep"]),
    default="error",
    help="Missing cells: an error, their rows left out, or kept as NaN [error].",
)
@with_dialect
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", help="Of X [float64].")
@click.option("--chunk-rows", type=click.IntRange(1), metavar="N", help="Rows of a chunk [4 MiB of X].")
@click.option(
    "--compression",
    type=click.Choice(["none", "zstd", "blosc", "gzip"]),
    default="none",
    help="Of the chunks [none, the fastest to read].",
)
@options.reads_data
@options.overwrite
@options.as_json
def ingest(
    files: tuple[str, ...],
    out: str,
    target: str | None,
    features: list[str] | None,
    drop: list[str],
    weight: str | None,
    offset: str | None,
    ids: tuple[str, ...],
    missing: str,
    dialect: Dialect | None,
    dtype: str,
    chunk_rows: int | None,
    compression: str,
    storage_options: dict[str, Any] | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Write the rows of CSV and Parquet FILEs, one after the other, as one dataset OUT.zarr."""
    from dgd.data.tables.ingest import ingest as write

    with row_counts(lambda: _bytes_of(files)) as progress:
        written = write(
            files,
            out,
            target=target,
            features=features,
            drop=drop,
            weight=weight,
            offset=offset,
            ids=ids,
            missing=missing,
            dialect=dialect,
            dtype=dtype,
            chunk_rows=chunk_rows,
            compression=compression,
            overwrite=overwrite,
            storage_options=storage_options,
            progress=progress,
            redo=redo_command(click.get_current_context(), *map(_absolute, [*files, out])),
        )
    if as_json:
        print_json(asdict(written))
    else:
        _say(written)
    return 0


def _absolute(path: str) -> str:
    return path if path == "-" or "://" in path else os.path.abspath(path)


def _say(written: Ingested) -> None:
    target = "" if written.target is None else f", target {visible(written.target)}"
    say(f"{written.path}: {written.rows:,} rows × {len(written.features)} features{target}")
    say(f"features: {_listed(written.features)}")
    if written.levels:
        levels = ", ".join(f"{visible(name)} {count:,}" for name, count in written.levels.items())
        say(f"text, as codes of levels: {levels}")
    carried = {"weights": written.weight, "offsets": written.offset, "ids": _listed(written.ids) or None}
    for what, name in carried.items():
        if name is not None:
            say(f"{what}: {visible(name)}")
    if written.left_out:
        say(f"left out: {_listed(written.left_out)} (the index of a DataFrame; --features takes it by name)")
    if written.files_kept:
        say(f"kept: {counted(written.files_kept, 'file')} that the interrupted run had read")
    if written.missing:
        cells = ", ".join(f"{visible(name)} {count:,}" for name, count in written.missing.items())
        rows = counted(written.rows_left_out, "row") + " with a missing cell"
        say(f"left out: {rows} ({cells})" if written.rows_left_out else f"missing cells kept as NaN: {cells}")
    for path, how in written.read_as.items():
        say(f"{path}: {visible(how)}")


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(visible, names[:20]))
    return shown if len(names) <= 20 else f"{shown}, … and {len(names) - 20:,} more"


def _bytes_of(files: tuple[str, ...]) -> int:
    """Of all files; 0 where one is a folder or a URL."""
    return sum(map(os.path.getsize, files)) if all(map(os.path.isfile, files)) else 0
