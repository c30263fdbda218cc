"""Lines and tables as text that is no wider than a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

LEAST_NAME = 12
"""Columns that a table's names keep."""
LABEL = re.compile(r"\S+(?: \S+)* {2,}(?=\S)|\S.{12} (?=\S)")
"""What stands first in a line, before what is said of it."""
MOST_LABEL = 24


def table_lines(
    cells: Sequence[Sequence[str]], width: int | None = None, *, least: int = 0, align: Callable[..., str] = str.rjust
) -> list[str]:
    """Names to the left, all else to the right (or as `align` has it), a line for each row of cells.

    least: columns that the names have. width: columns of the terminal. Where it is too narrow, names lose their middle,
    and the table is cut into blocks of columns, each with the names and a blank line above it.
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    name = max(least, widths[0])
    numbers = sum(widths[1:]) + 2 * len(widths[1:])
    if width is not None and name + numbers > width:
        left = width - numbers
        name = min(name, left if left >= LEAST_NAME else max(LEAST_NAME, width // 3))
    lines: list[str] = []
    for first, last in _blocks(widths[1:], None if width is None else width - name):
        lines += [""] * bool(lines)
        for row in cells:
            block = map(align, row[1 + first : 1 + last], widths[1 + first : 1 + last])
            lines.append("  ".join([shortened(row[0], name).ljust(name), *block]).rstrip())
    return lines


def _blocks(widths: Sequence[int], room: int | None) -> list[tuple[int, int]]:
    """The columns that stand beside one another: from one to before another."""
    if room is None or not widths:
        return [(0, len(widths))]
    bounds, used = [0], 0
    for column, width in enumerate(widths):
        used += width + 2
        if used > room and column > bounds[-1]:
            bounds.append(column)
            used = width + 2
    return list(zip(bounds, [*bounds[1:], len(widths)], strict=True))


def shortened(text: str, room: int) -> str:
    """The text, without its middle where it is too long."""
    if len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[len(text) - tail :]}"


def folded(text: str, width: int | None) -> str:
    """The text with long lines broken at blanks; what goes on stands below what belongs to the line's label."""
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width))


def _parts(line: str, width: int) -> list[str]:
    label = LABEL.match(line)
    blanks = len(line) - len(line.lstrip())
    parts, indent = [], label.end() if label and label.end() <= MOST_LABEL else blanks + 2
    while len(line) > width:
        # A command is not broken: it is there to be pasted.
        ends = [k for k in range(indent + 1, len(line)) if line[k] == " " and line.count("`", 0, k) % 2 == 0]
        if not ends:
            break
        end = max((k for k in ends if k <= width), default=ends[0])
        parts.append(line[:end].rstrip())
        line = " " * indent + line[end:].lstrip()
    return [*parts, line]
