"""The options of how CSV files are written."""

from __future__ import annotations

import functools
from typing import Any

import click

from dgd.cli.options import Command


def dialect(command: Command) -> Command:
    """Those of `dgd.Dialect`; the command gets a `dialect`, None where none was given."""

    @click.option("--delimiter", metavar="C", help="Of CSV: between cells; `tab` for a tab [guessed, as all of these].")
    @click.option("--decimal", type=click.Choice([".", ","]), help="Of CSV: the decimal mark.")
    @click.option("--thousands", metavar="C", help="Of CSV: what groups digits.")
    @click.option("--quote", metavar="C", help="Of CSV: around cells.")
    @click.option("--encoding", metavar="NAME", help="Of CSV: such as utf-8, cp1252.")
    @click.option("--comment", metavar="C", help="Of CSV: what a line begins with that is no row.")
    @click.option("--header/--no-header", default=None, help="Of CSV: whether the first row names the columns.")
    @click.option("--skip-lines", type=click.IntRange(0), default=0, metavar="N", help="Of CSV: before the header [0].")
    @click.option("--na-value", "na_values", multiple=True, metavar="TEXT", help="Of CSV: a missing cell; repeatable.")
    @functools.wraps(command)
    def with_dialect(
        *,
        delimiter: str | None,
        decimal: str | None,
        thousands: str | None,
        quote: str | None,
        encoding: str | None,
        comment: str | None,
        header: bool | None,
        skip_lines: int,
        na_values: tuple[str, ...],
        **others: Any,
    ) -> int:
        from dgd.data.tables.text.dialect import Dialect

        given = Dialect(
            delimiter="\t" if delimiter in ("tab", "\\t") else delimiter,
            decimal=decimal,
            thousands=thousands,
            quote=quote,
            encoding=encoding,
            comment=comment,
            header=header,
            skip_lines=skip_lines,
            missing=na_values or None,
        )
        return command(dialect=None if given == Dialect() else given, **others)

    return with_dialect
