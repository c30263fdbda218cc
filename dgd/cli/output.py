"""Results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

import click


def print_json(document: dict[str, Any]) -> None:
    """A document on stdout; it must hold no NaN, which JSON does not know."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr."""
    click.echo(text, err=True)


def on_terminal() -> bool:
    """Whether somebody is watching stderr."""
    return sys.stderr.isatty()
