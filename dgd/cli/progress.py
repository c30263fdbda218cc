"""A fit's progress on stderr: one redrawn line on a terminal, else a line now and then."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dgd.cli.output import note, on_terminal
from dgd.fitting.record import Record
from dgd.passes.events import Event

BAR = 20
REDRAW_SECONDS = 0.05
LONG_SECONDS = 1.0
"""Within a pass nothing is shown before."""
LINE_SECONDS = 5.0
"""Between two lines of what is written."""


@contextmanager
def pass_progress(
    *, max_iter: int, tol: float, quiet: bool, verbose: bool, first: float = 0.0
) -> Iterator[Callable[[Record], None]]:
    """A callback that shows each pass, and what it waits for. `first`: the gradient norm of the first pass, where that
    was made before.

    On a terminal a line that is redrawn, and wiped at the end unless `verbose`; elsewhere a line every few seconds, or
    if `verbose` for each pass.
    """
    if quiet:
        yield lambda record: None
        return
    line = RedrawnLine() if on_terminal() else None
    try:
        yield Shown(line, max_iter, tol, first, every_pass=verbose)
    finally:
        if line is not None:
            line.finish(keep=verbose)


@contextmanager
def writing_progress(
    say: Callable[[int, int], tuple[float, str]], *, quiet: bool
) -> Iterator[Callable[[int, int], None] | None]:
    """A callback of two counts for what is written: a bar on a terminal, else a line every few seconds.

    say: the part that is done and a text, of those counts.
    """
    if quiet:
        yield None
        return
    line = RedrawnLine() if on_terminal() else None
    shown = time.monotonic()

    def show(first: int, second: int) -> None:
        nonlocal shown
        part, text = say(first, second)
        if line is not None:
            line.draw(f"{bar(part)} {text}")
        elif time.monotonic() - shown >= LINE_SECONDS:
            shown = time.monotonic()
            note(text)

    try:
        yield show
    finally:
        if line is not None:
            line.finish()


class Waits:
    """Says on stderr what a pass waits for."""

    def __init__(self, line: RedrawnLine | None = None) -> None:
        self._line = line

    def __call__(self, record: Record) -> None:
        """Passes are shown by others."""

    def on_event(self, event: Event) -> None:
        """A line, where there is something to say."""
        if event.message:
            if self._line is not None:
                self._line.clear()
            note(event.message)


class Shown(Waits):
    """Shows each pass as well."""

    def __init__(self, line: RedrawnLine | None, max_iter: int, tol: float, first: float, *, every_pass: bool) -> None:
        super().__init__(line)
        self._max_iter, self._tol, self._first = max_iter, tol, first
        self._every_pass = every_pass
        self._began = self._said = time.monotonic()
        self._passes = 0

    def __call__(self, record: Record) -> None:
        self._first, self._passes = self._first or record.grad_norm, record.iteration
        ratio = record.grad_norm / self._first if self._first else 0.0
        text = pass_text(record, ratio)
        if self._line is not None:
            self._line.draw(f"{bar(done(record.iteration, self._max_iter, ratio, self._tol))} {text}")
        elif self._every_pass:
            print(text, file=sys.stderr, flush=True)
        else:
            self._now_and_then(text)

    def on_event(self, event: Event) -> None:
        """Within a pass that lasts, how much of it is done, and how long the rest will take."""
        super().on_event(event)
        if event.message or not event.of or event.seconds < LONG_SECONDS:
            return
        text = within_pass(event, self._passes + 1)
        if self._line is not None:
            self._line.draw(f"{bar(event.chunks / event.of)} {text}")
        else:
            self._now_and_then(text)

    def _now_and_then(self, text: str) -> None:
        """A line with the clock and the seconds since the beginning, at most one every few seconds."""
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            note(f"{time.strftime('%H:%M:%S')}  {now - self._began:,.0f} s  {text}")


def within_pass(event: Event, number: int) -> str:
    """How a pass gets on: chunks, their rate, and the time that is left at that rate."""
    rate = event.chunks / event.seconds
    rest = f"  {rate:,.3g} chunks/s  {(event.of - event.chunks) / rate:,.0f} s left" if rate else ""
    return f"pass {number}  {event.chunks / event.of:.0%}  {event.chunks:,} of {event.of:,} chunks{rest}"


def pass_text(record: Record, ratio: float) -> str:
    """What a pass found; `ratio` is its gradient norm over that of the first pass."""
    seconds = max(record.seconds, 1e-9)
    return (
        f"pass {record.iteration}  loss {record.loss:.6g}  gradient {ratio:.1e}  "
        f"learning_rate {record.learning_rate:.3g}  {_million(record.rows_per_second)} M rows/s  "
        f"{_million(record.bytes_read / seconds)} MB/s"
        + (f"  {record.resident_share:.0%} in memory" if record.resident_share else "")
        + ("" if record.accepted else "  no step")
    )


def _million(number: float) -> str:
    """Three digits, or all before the point."""
    number /= 1e6
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def done(iteration: int, max_iter: int, ratio: float, tol: float) -> float:
    """The part that is done: of the passes, or of the gradient's fall on a logarithmic scale."""
    fallen = 0.0
    if ratio <= tol:
        fallen = 1.0
    elif 0 < ratio < 1 and 0 < tol < 1:
        fallen = math.log(ratio) / math.log(tol)
    return min(1.0, max(fallen, iteration / max_iter))


def bar(part: float) -> str:
    """`[#####     ]`."""
    return f"[{'#' * round(BAR * part):<{BAR}}]"


class RedrawnLine:
    """A line of the terminal that is redrawn, at most twenty times a second."""

    def __init__(self) -> None:
        self._drawn = 0.0
        self._text = ""
        self._pending = False

    def draw(self, text: str) -> None:
        """Show this text, cut to the terminal's width; soon after another it may be left out."""
        self._text, self._pending = text, True
        if time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._write()

    def clear(self) -> None:
        """Make room for another line; the next text is drawn below it."""
        if self._text:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def finish(self, *, keep: bool = True) -> None:
        """Leave the last text on the terminal, or wipe it."""
        if not keep:
            self.clear()
            return
        if self._pending:
            self._write()
        if self._text:
            print(file=sys.stderr, flush=True)

    def _write(self) -> None:
        print(f"\r{self._text[: _columns() - 1]}\x1b[K", end="", file=sys.stderr, flush=True)
        self._drawn, self._pending = time.monotonic(), False


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
