"""Text of HTML: whatever is put into it is inert."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from dgd.errors.words import visible

LONGEST = 200
"""Characters of one cell; what comes from files may be longer."""
NUMBER = re.compile(r"-?[0-9][0-9,]{,30}(?:\.[0-9]{,30})?(?:e[-+]?[0-9]{1,4})?%?")


def escaped(value: Any) -> str:
    """The text of a value, in one line of at most 200 characters, with nothing in it that HTML or a reader obeys."""
    text = visible(str(value))
    return html.escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def table(rows: Iterable[Sequence[Any]], head: Sequence[Any] = ()) -> str:
    """A table of escaped cells; columns of numbers, but for the first, are aligned to the right."""
    texts = [list(map(str, row)) for row in rows]
    numbers = [
        j > 0 and all(map(NUMBER.fullmatch, column)) for j, column in enumerate(zip_longest(*texts, fillvalue="0"))
    ]
    lines = [("th", [*map(str, head)])] if head else []
    lines += [("td", row) for row in texts]
    return f"<table>{''.join(_line(tag, cells, numbers) for tag, cells in lines)}</table>"


def _line(tag: str, cells: Sequence[str], numbers: Sequence[bool]) -> str:
    pairs = zip_longest(cells, numbers[: len(cells)], fillvalue=False)
    shown = (f"<{tag}{' class=n' * is_number}>{escaped(cell)}</{tag}>" for cell, is_number in pairs)
    return f"<tr>{''.join(shown)}</tr>"


def facts(title: str, pairs: Iterable[tuple[str, Any]]) -> str:
    """A title above a table of names and values, as notebooks show an object."""
    return f"<div><b>{escaped(title)}</b>{table(pairs)}</div>"
