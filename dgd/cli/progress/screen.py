"""Where progress is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dgd.cli.output import note, on_terminal
from dgd.cli.progress.line import the_line
from dgd.cli.progress.log import LOG, QUIET, stamped
from dgd.errors.words import visible, without_secrets

LINE_SECONDS = 5.0
"""Between two lines."""


class Screen:
    """A redrawn line where stderr is a terminal, else lines on it now and then; none of them if --quiet. And the log.

    every_pass: whether each pass has its line on stderr, as it has in the log.
    """

    def __init__(self, *, every_pass: bool = False) -> None:
        log, quiet = LOG.get(), QUIET.get()
        began = time.monotonic() if log is None else log.began
        self.line = the_line() if on_terminal() and not quiet else None
        self._lines = [] if log is None else [Lines(log.write, began, every_pass=True, stamps=False)]
        if not (quiet or self.line):
            self._lines.append(Lines(_to_stderr, began, every_pass=every_pass))

    def sign(self, text: str, part: float | None = None) -> None:
        """A sign of life: how far a work has come, of which a part is done."""
        self._show(text, part, sign=True)

    def passed(self, text: str, part: float | None = None) -> None:
        """A pass is over."""
        self._show(text, part, sign=False)

    def say(self, text: str) -> None:
        """A line that stays."""
        if not QUIET.get():
            note(text)
        elif (log := LOG.get()) is not None:
            log.write(without_secrets(text))

    def _show(self, text: str, part: float | None, *, sign: bool) -> None:
        if self.line is not None:
            self.line.draw(text, part, sign=sign)
        for lines in self._lines:
            lines.add(text, sign=sign)


class Lines:
    """Lines at most every few seconds, or for each pass, with the clock and the seconds since the beginning."""

    def __init__(self, write: Callable[[str], None], began: float, *, every_pass: bool, stamps: bool = True) -> None:
        self._write, self._began, self._every_pass, self._stamps = write, began, every_pass, stamps
        self._said = time.monotonic()

    def add(self, text: str, *, sign: bool) -> None:
        """Write a line, unless it comes too soon; sign: it is no pass."""
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS or (self._every_pass and not sign):
            self._said = now
            self._write(stamped(text, self._began) if self._stamps else text)


@contextmanager
def screen(*, every_pass: bool = False, keep: bool = False) -> Iterator[Screen]:
    """A screen; at the end its line is wiped, unless it is to be kept."""
    shown = Screen(every_pass=every_pass)
    try:
        yield shown
    finally:
        if shown.line is not None:
            shown.line.finish(keep=keep)


def _to_stderr(text: str) -> None:
    print(visible(without_secrets(text)), file=sys.stderr, flush=True)
