"""Which arrays a command reads, and how they are read."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import click

from dgd.cli import options
from dgd.cli.options import Command
from dgd.data.reading import MISSING, MISSING_CHUNKS, TIME_UNITS, ReadingOptions


@dataclass(frozen=True)
class Arrays:
    """The arrays of a store, as the command line names them."""

    y: str | None
    weight: str | None
    offset: str | None
    reading: ReadingOptions

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `open_dataset` and `score`."""
        return {"y": self.y, "weight": self.weight, "offset": self.offset, **self.reading}

    def open(self, store: str) -> Any:
        """The dataset."""
        from dgd.data.opening import open_dataset

        return open_dataset(store, **self.arguments)


def arrays(command: Command) -> Command:
    """The options --y, --weight and --offset, and those of how data are read; the command gets `arrays`."""

    @functools.wraps(command)
    def with_arrays(y: str | None, weight: str | None, offset: str | None, reading: ReadingOptions, **rest: Any) -> int:
        return command(arrays=Arrays(y, weight, offset, reading), **rest)

    found = reading(with_arrays)
    found = click.option("--offset", metavar="NAME", help="The array added to each raw prediction [none].")(found)
    found = click.option("--weight", metavar="NAME", help="The array of weights, one a row [none].")(found)
    return click.option("--y", "--target-array", "y", metavar="NAME", help="The array of targets [y].")(found)


def reading(command: Command) -> Command:
    """The options of how data are read; the command gets those that were given as `reading`."""

    @functools.wraps(command)
    def with_reading(
        matrix: str | None,
        features: str | None,
        no_decode: bool,
        time_unit: str | None,
        missing: str,
        missing_chunks: str,
        transpose: bool,
        storage_options: dict[str, Any] | None,
        **rest: Any,
    ) -> int:
        given = ReadingOptions()
        if matrix is not None:
            given["X"] = matrix
        if features is not None:
            given["features"] = [name.strip() for name in features.split(",")]
        if no_decode:
            given["decode"] = False
        if time_unit is not None:
            given["time_unit"] = time_unit
        if missing != "error":
            given["missing"] = missing
        if missing_chunks != "error":
            given["missing_chunks"] = missing_chunks
        if transpose:
            given["transpose"] = True
        if storage_options is not None:
            given["storage_options"] = storage_options
        return command(reading=given, **rest)

    found = options.storage_options(with_reading)
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
        help="What to do with rows that have a missing cell: refuse them, or leave them out and count them [error].",
    )(found)
    found = click.option(
        "--features",
        metavar="A,B,…",
        help="Columns of X by name, or variables of a store without X [all columns].",
    )(found)
    found = click.option("--x", "matrix", metavar="NAME", help="The matrix, such as layers/counts [X].")(found)
    return click.option(
        "--no-decode",
        is_flag=True,
        help="Read numbers as they are stored, whatever their attributes and dimension names say.",
    )(found)
