"""Which arrays a command reads, and how they are read."""

from __future__ import annotations

import functools
import glob
import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import click

from dgd.cli import options, tables
from dgd.cli.options import Command, Where
from dgd.cli.output import note
from dgd.data.reading import MISSING, MISSING_CHUNKS, TIME_UNITS, ReadingOptions, is_url
from dgd.errors.words import size


@dataclass(frozen=True)
class Arrays:
    """The arrays of a store, as the command line names them."""

    y: str | None
    weight: str | bool | None
    """False for none, where the dataset has weights that an ingest was told of."""
    offset: str | bool | None
    reading: ReadingOptions

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `open_dataset` and `score`."""
        return {**self.roles, **self.reading}

    @property
    def roles(self) -> dict[str, Any]:
        """Without how they are read."""
        return {"y": self.y, "weight": self.weight, "offset": self.offset}

    def open(self, store: str, where: Where) -> Any:
        """The dataset; says which weights and offsets are used without having been named, and what a table becomes."""
        from dgd.data.places import is_by_columns
        from dgd.data.tables.files import parquet_paths
        from dgd.passes.opening import open_dataset

        note_parsing(store)
        # Only a table may need a pass, for its levels and means.
        options = self.reading.get("storage_options")
        may_learn = parquet_paths(store, options) is not None or is_by_columns(store, options)
        with where.execution() if may_learn else nullcontext() as execution:
            dataset = open_dataset(store, **self.arguments, execution=execution)
        note_reading(store)
        for role in ("weight", "offset"):
            name = getattr(dataset, f"{role}_name")
            if getattr(self, role) is None and name is not None and getattr(dataset, role) is not None:
                note(f"{role}s: {name}, as the dataset says (--no-{role} for none)")
        if dataset.design is not None:
            learned = f" (found in one pass, {size(dataset.bytes_read)})" if dataset.bytes_read else ""
            note(f"design: {dataset.design.line()}{learned}")
        return dataset


def note_parsing(store: str) -> None:
    """Say what is done with a table that is a text."""
    from dgd.data.tables.files import is_text

    if is_text(store) and (store == "-" or is_url(store) or glob.has_magic(store) or os.path.exists(store)):
        note(f"{store} is parsed once, into a temporary file; `dgd ingest` writes a dataset that stays")


def note_reading(store: str) -> None:
    """Say how a table that is a text was read, where that had to be guessed."""
    from dgd.data.tables.files import is_text

    if is_text(store):
        from dgd.data.tables.parquet_files.as_parquet import READ_AS

        for path, how in READ_AS.items():
            note(f"{path}: {how}")


def arrays(command: Command, *, is_fitted: bool = True) -> Command:
    """The options --y, --weight and --offset, and those of how data are read; the command gets `arrays`.

    is_fitted: whether a model is made, and no model says which columns of a table there are.
    """

    @functools.wraps(command)
    def with_arrays(offset: str | None, no_offset: bool, arrays: Arrays, **rest: Any) -> int:
        return command(arrays=replace(arrays, offset=chosen_offset(offset, none=no_offset)), **rest)

    return arrays_without_offset(with_offset(with_arrays), is_fitted=is_fitted)


def arrays_without_offset(command: Command, *, is_fitted: bool = True) -> Command:
    """The same without --offset."""

    @functools.wraps(command)
    def with_arrays(y: str | None, weight: str | None, no_weight: bool, reading: ReadingOptions, **rest: Any) -> int:
        return command(arrays=Arrays(y, _unless("weight", weight, none=no_weight), None, reading), **rest)

    found = reading(tables.design(with_arrays) if is_fitted else with_arrays)
    found = click.option("--no-weight", is_flag=True, help="No weights, though the dataset has some.")(found)
    found = click.option("--weight", metavar="NAME", help="The array of weights, one a row [as ingested].")(found)
    return click.option(
        *("--y", "--target", "--target-array", "y"),
        metavar="NAME",
        help=f"The target's array or column [{'y' if is_fitted else 'of a table the one that was fitted, else y'}].",
    )(found)


def with_offset(command: Command) -> Command:
    """The options --offset and --no-offset."""
    found = click.option("--no-offset", is_flag=True, help="No offsets, though the dataset has some.")(command)
    return click.option("--offset", metavar="NAME", help="The array added to raw predictions [as ingested].")(found)


def chosen_offset(name: str | None, *, none: bool) -> str | bool | None:
    """What --offset and --no-offset say together."""
    return _unless("offset", name, none=none)


def _unless(role: str, name: str | None, *, none: bool) -> str | bool | None:
    if none and name is not None:
        raise click.UsageError(f"--{role} and --no-{role} exclude each other: give one of them")
    return False if none else name


def reading(command: Command) -> Command:
    """The options of how data are read; the command gets those that were given as `reading`."""

    @functools.wraps(command)
    def with_reading(
        matrix: str | None,
        features: list[str] | None,
        no_decode: bool,
        time_unit: str | None,
        missing: str,
        missing_chunks: str,
        split: str | None,
        transpose: bool,
        storage_options: dict[str, Any] | None,
        **rest: Any,
    ) -> int:
        given = ReadingOptions()
        if matrix is not None:
            given["X"] = matrix
        if features is not None:
            given["features"] = features
        if no_decode:
            given["decode"] = False
        if time_unit is not None:
            given["time_unit"] = time_unit
        if missing != "error":
            given["missing"] = missing
        if missing_chunks != "error":
            given["missing_chunks"] = missing_chunks
        if split is not None:
            given["split"] = split
        if transpose:
            given["transpose"] = True
        if storage_options is not None:
            given["storage_options"] = storage_options
        return command(reading=given, **rest)

    found: Command = options.reads_data(with_reading)
    found = click.option(
        "--split",
        metavar="PART",
        help="Only the rows of a part: train:0.8:1 (fraction, seed), test:0.8:1; `dgd split` tells more [all rows].",
    )(found)
    found = click.option("--transpose", is_flag=True, help="A stored X is feature × row: read it by rows.")(found)
    found = click.option(
        "--time-unit",
        type=click.Choice(TIME_UNITS),
        metavar="UNIT",
        help="Read times as numbers in this unit: days, hours, … [refused].",
    )(found)
    found = click.option(
        "--missing-chunks",
        type=click.Choice(MISSING_CHUNKS),
        default="error",
        help="Refuse a chunk that is not in the store, or take it as the array's fill value and count it [error].",
    )(found)
    found = click.option(
        "--missing",
        type=click.Choice(MISSING),
        default="error",
        help="Missing cells: refuse them, leave their rows out and count them; of a table, fill numbers by the mean, "
        "perhaps with a column that says so [error].",
    )(found)
    found = tables.features(found)
    found = click.option("--x", "matrix", metavar="NAME", help="The matrix, such as layers/counts [X].")(found)
    return click.option(
        "--no-decode",
        is_flag=True,
        help="Read numbers as they are stored, whatever their attributes and dimension names say.",
    )(found)
