"""Text of HTML: whatever is put into it is inert."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from dgd.errors.words import visible

LONGEST = 200
"""Characters of one cell; what comes from files may be longer."""


def escaped(value: Any) -> str:
    """The text of a value, in one line of at most 200 characters, with nothing in it that HTML or a reader obeys."""
    text = visible(str(value))
    return html.escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def table(rows: Iterable[Sequence[Any]], head: Sequence[Any] = ()) -> str:
    """A table of escaped cells."""
    cells = ["<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    top = "<tr>" + "".join(f"<th>{escaped(cell)}</th>" for cell in head) + "</tr>" if head else ""
    return f"<table>{top}{''.join(cells)}</table>"


def facts(title: str, pairs: Iterable[tuple[str, Any]]) -> str:
    """A title above a table of names and values, as notebooks show an object."""
    return f"<div><b>{escaped(title)}</b>{table(pairs)}</div>"
