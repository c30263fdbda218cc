"""Results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from dgd.cli.progress.line import clear_line
from dgd.cli.progress.log import logged
from dgd.errors.columns_text import folded
from dgd.errors.words import visible, without_secrets

PRINTED = "dgd.printed"
"""Of a command's context: whether a document is on stdout, beside which there can be no other."""


@contextmanager
def noted_warnings() -> Iterator[None]:
    """Warnings as lines on stderr."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
        yield


def print_json(document: dict[str, Any]) -> None:
    """A document on stdout; it must hold no NaN, which JSON does not know."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[PRINTED] = True
    clear_line()
    click.echo("\n".join(line if line.isprintable() else _escaped(line) for line in text.split("\n")))


def _escaped(line: str) -> str:
    """The same JSON, without what steers a terminal."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def say(text: str) -> None:
    """Lines of a result on stdout."""
    clear_line()
    click.echo(_shown(text))


def say_folded(text: str) -> None:
    """The same, no wider than the terminal."""
    say(folded(text, columns()))


def print_text(text: str) -> None:
    """A text for another program on stdout, as it is; on a terminal without what steers it."""
    clear_line()
    click.echo(_shown(text) if sys.stdout.isatty() else text, nl=False)


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr; and in the log."""
    clear_line()
    click.echo(_shown(without_secrets(text)), err=True)
    logged(text)


def _shown(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def columns() -> int | None:
    """Of the terminal that a result is printed on; None where it goes elsewhere."""
    try:
        return (os.get_terminal_size(sys.stdout.fileno()).columns or None) if sys.stdout.isatty() else None
    except (OSError, ValueError):
        return None


def on_terminal() -> bool:
    """Whether somebody is watching stderr."""
    return sys.stderr.isatty()
