"""The option --events: what happens in a fit, as lines of JSON in a file."""

from __future__ import annotations

from typing import Any

import click

events = click.option(
    "--events",
    metavar="FILE",
    help="Add a line of JSON to a file at the start, after each pass, and at the end; for `dgd report` [none].",
)


def event_callbacks(path: str | None) -> list[Any]:
    """The callback that writes them, if a file was given. Raises where it cannot be written."""
    if path is None:
        return []
    from dgd.fitting.callbacks.events import Events

    return [Events(path)]
