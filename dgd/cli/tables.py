"""The options that say which columns of a table are used, and as what."""

from __future__ import annotations

import csv
import functools
from typing import Any

import click

from dgd.cli.options import Command
from dgd.data.reading import ReadingOptions


def column_names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """The names in a comma-separated list; one that holds a comma itself stands in double quotes."""
    if value is None:
        return None
    return [name.strip() for name in next(csv.reader([value], skipinitialspace=True)) or [""]]


def all_names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """The names in several such lists."""
    return [name for value in values for name in column_names(ctx, param, value) or ()]


def features(command: Command) -> Command:
    """The options --features and --feature; the command gets the names as `features`, None for none."""

    @click.option("--features", callback=column_names, metavar="A,B,…", help="Columns of X, by name [all others].")
    @click.option("--feature", "more_features", multiple=True, metavar="NAME", help="The same, one name; repeatable.")
    @functools.wraps(command)
    def with_features(features: list[str] | None, more_features: tuple[str, ...], **others: Any) -> int:
        return command(
            features=[*(features or ()), *more_features] if features or more_features else features, **others
        )

    return with_features


def drop(command: Command) -> Command:
    """The option --drop."""
    option = click.option(
        "--drop", multiple=True, callback=all_names, metavar="A,B,…", help="Columns that are no features [none]."
    )
    return option(command)


def design(command: Command) -> Command:
    """The options --drop, --categorical and --formula; what they say is part of `reading`."""

    @drop
    @click.option(
        "--categorical",
        multiple=True,
        callback=all_names,
        metavar="A,B,…",
        help="Columns of a table that are categories, whatever they hold [those of text].",
    )
    @click.option("--formula", metavar="TEXT", help="X of a table by a formula: 'y ~ a + C(b) + poly(c, 2)' [columns].")
    @functools.wraps(command)
    def with_design(
        reading: ReadingOptions, drop: list[str], categorical: list[str], formula: str | None, **others: Any
    ) -> int:
        if drop:
            reading["drop"] = drop
        if categorical:
            reading["categorical"] = categorical
        if formula is not None:
            reading["design"] = formula
        return command(reading=reading, **others)

    return with_design
