"""A line of the terminal that is redrawn, with a bar: that of `rich` where it is installed, else one of our own."""

from __future__ import annotations

import os
import sys
import time
from contextvars import ContextVar
from typing import Any

from dgd.errors.words import visible

BAR = 20
BEGIN_SECONDS = 0.5
"""What is over sooner draws nothing."""
REDRAW_SECONDS = 0.05
SIGN_SECONDS = 1.0
"""Between two signs of life."""


class RedrawnLine:
    """A line of the terminal that is redrawn: at most twenty times a second, signs of life at most once."""

    def __init__(self) -> None:
        self._drawn = time.monotonic() + BEGIN_SECONDS - SIGN_SECONDS
        self._begins = self._drawn + SIGN_SECONDS
        self._shown = self._pending = False
        self._text = ""
        self._part: float | None = None
        self._bar: Any = None

    def draw(self, text: str, part: float | None = None, *, sign: bool = False) -> None:
        """Show this text behind a bar of the part that is done; soon after another it may be left out."""
        self._text, self._part, self._pending = visible(text), part, True
        now = time.monotonic()
        if now >= self._begins and now - self._drawn >= (SIGN_SECONDS if sign else REDRAW_SECONDS):
            self._write()

    def clear(self) -> None:
        """Make room for another line; the next text is drawn below it."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False

    def finish(self, *, keep: bool) -> None:
        """Leave the last text on the terminal, or wipe it."""
        if not keep:
            self.clear()
            return
        if self._pending:
            self._write()
        if self._shown:
            print(file=sys.stderr, flush=True)
            self._shown = False

    def _write(self) -> None:
        room = _columns() - 1
        drawn = ""
        if self._part is not None:
            self._bar = self._bar or best_bar()
            drawn = f"{self._bar(self._part)} "
            room -= self._bar.width + 1
        print(f"\r{drawn}{fitting(self._text, room)}\x1b[K", end="", file=sys.stderr, flush=True)
        self._drawn, self._shown, self._pending = time.monotonic(), True, False


LINE: ContextVar[RedrawnLine | None] = ContextVar("line", default=None)
"""That of the command that runs, once it has shown something."""


def the_line() -> RedrawnLine:
    """The line of this command: a terminal has one."""
    line = LINE.get()
    if line is None:
        LINE.set(line := RedrawnLine())
    return line


def clear_line() -> None:
    """Make room for what is printed, where a line is shown."""
    line = LINE.get()
    if line is not None:
        line.clear()


def fitting(text: str, room: int) -> str:
    """As many of a line's fields, which two blanks part, as there is room for; of the first one what fits."""
    fields = text.split("  ")
    while len(fields) > 1 and sum(map(len, fields)) + 2 * (len(fields) - 1) > room:
        fields.pop()
    return "  ".join(fields)[: max(room, 0)]


class PlainBar:
    """`[#####     ]`."""

    width = BAR + 2

    def __call__(self, part: float) -> str:
        return f"[{'#' * round(BAR * part):<{BAR}}]"


class RichBar:
    """The bar of `rich`, in the terminal's colours; only the bar, since its live display hides the cursor."""

    width = BAR

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress_bar import ProgressBar

        self._console, self._bar = Console(stderr=True), ProgressBar

    def __call__(self, part: float) -> str:
        with self._console.capture() as captured:
            self._console.print(self._bar(total=1.0, completed=part, width=self.width), end="")
        return captured.get()


def best_bar() -> PlainBar | RichBar:
    """That of `rich`, where it is installed and the terminal can move its cursor and show the signs."""
    encoding = (sys.stderr.encoding or "").lower().replace("-", "")
    if os.environ.get("TERM", "dumb") == "dumb" or encoding != "utf8":
        return PlainBar()
    try:
        return RichBar()
    except ImportError:
        return PlainBar()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
