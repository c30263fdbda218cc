"""What is shown of passes: those of a fit, with what each found, and those of other commands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgd.cli.progress.counts import duration, megabytes
from dgd.cli.progress.screen import Screen, screen

if TYPE_CHECKING:
    from dgd.fitting.beginning import Beginning
    from dgd.fitting.record import Record
    from dgd.passes.events import Event

LONG_SECONDS = 1.0
"""Within a pass nothing is shown before."""
BEFORE = "before pass 1"
"""What is read before the first pass, such as the targets for the best constant."""


@contextmanager
def pass_progress(
    *, max_iter: int, tol: float, verbose: bool, first: float = 0.0
) -> Iterator[Callable[[Record], None]]:
    """A callback that shows each pass, and what it waits for. `first`: the gradient norm of the first pass, where that
    was made before.

    On a terminal a line that is redrawn, and wiped at the end unless `verbose`; elsewhere a line every few seconds, or
    if `verbose` for each pass.
    """
    with screen(every_pass=verbose, keep=verbose) as shown:
        yield FitPasses(shown, max_iter, tol, first)


@contextmanager
def shown_passes(doing: str) -> Iterator[Callable[[Event], None]]:
    """What is told of passes that are no fit's, and shows them."""
    with screen() as shown:
        passes = OtherPasses(shown, doing)
        yield passes.tell
        passes.end()


class Waits:
    """Says on stderr what a pass waits for."""

    def __init__(self, shown: Screen) -> None:
        self._screen = shown
        self._waiting: float | None = None

    def __call__(self, record: Record) -> None:
        """Passes are shown by others."""

    def on_event(self, event: Event) -> None:
        """A line, where there is something to say; while no worker is there, how long that has been so."""
        if event.message:
            self._screen.say(event.message)
        if event.kind == "no worker":
            now = time.monotonic()
            self._waiting = self._waiting or now
            if not event.message:
                self._screen.sign(f"no worker for {duration(now - self._waiting)}")
        elif event.of:
            self._waiting = None


class FitPasses(Waits):
    """Shows the passes of a fit."""

    def __init__(self, shown: Screen, max_iter: int, tol: float, first: float) -> None:
        super().__init__(shown)
        self._max_iter, self._tol, self._first = max_iter, tol, first
        self._passes = 0
        self._begun = first > 0
        self._expected: int | None = None

    def on_start(self, beginning: Beginning) -> None:
        """Least squares from sums of products need one pass, as a rule."""
        self._passes, self._begun = beginning.passes_before, True
        self._expected = 1 if beginning.solver == "summary" and not self._passes else None

    def __call__(self, record: Record) -> None:
        self._first, self._passes = self._first or record.grad_norm, record.iteration
        self._expected = record.passes_expected
        ratio = record.grad_norm / self._first if self._first else 0.0
        number = numbered(record.iteration, record.passes_expected)
        # The bar is that of the pass where passes last, else that of the fit.
        part = 1.0 if record.seconds >= LONG_SECONDS else done(record.iteration, self._max_iter, ratio, self._tol)
        self._screen.passed(pass_text(record, ratio, number), part)

    def on_event(self, event: Event) -> None:
        """Within a pass that lasts, how much of it is done, and how long the rest will take."""
        super().on_event(event)
        if event.of and event.seconds >= LONG_SECONDS and not event.message:
            number = numbered(self._passes + 1, self._expected) if self._begun else BEFORE
            self._screen.sign(within_pass(event, number), event.chunks / event.of)


class OtherPasses(Waits):
    """Shows the passes of what is no fit; called with each event.

    doing: such as "predicting"; "pass" where there are several, which are then numbered and have a line when they end.
    """

    def __init__(self, shown: Screen, doing: str) -> None:
        super().__init__(shown)
        self._doing, self._number = doing, 0
        self._seconds = math.inf
        self._began = 0.0

    def tell(self, event: Event) -> None:
        """Something happens."""
        self.on_event(event)
        if not event.of or event.message:
            return
        if event.seconds < self._seconds:
            self.end()
            self._number, self._began = self._number + 1, time.monotonic() - event.seconds
        self._seconds = event.seconds
        if event.seconds >= LONG_SECONDS:
            doing = f"pass {self._number}" if self._doing == "pass" else self._doing
            self._screen.sign(within_pass(event, doing), event.chunks / event.of)

    def end(self) -> None:
        """The pass that runs has ended, if one does."""
        if self._number and self._doing == "pass":
            self._screen.passed(f"pass {self._number}  {duration(time.monotonic() - self._began)}")


def numbered(number: int, expected: int | None) -> str:
    """`pass 3 of about 6`, where so many are expected: never fewer than there are."""
    if expected is None or (expected <= number and number > 1):
        return f"pass {number}"
    return f"pass {number} of 1 or 2" if expected <= 1 else f"pass {number} of about {expected:,}"


def within_pass(event: Event, doing: str) -> str:
    """How a pass gets on: chunks, their rate, and the time that is left at that rate."""
    rate = event.chunks / event.seconds
    left = f"  {duration((event.of - event.chunks) / rate)} left" if rate else ""
    speed = f"  {rate:,.3g} chunks/s" if rate else ""
    return f"{doing}  {event.chunks / event.of:.0%}{left}  {event.chunks:,} of {event.of:,} chunks{speed}"


def pass_text(record: Record, ratio: float, number: str) -> str:
    """What a pass found; `ratio` is its gradient norm over that of the first pass."""
    seconds = max(record.seconds, 1e-9)
    return (
        f"{number}  loss {record.loss:.6g}  gradient {ratio:.1e}  "
        f"learning_rate {record.learning_rate:.3g}  {megabytes(record.rows_per_second)} M rows/s  "
        f"{megabytes(record.bytes_read / seconds)} MB/s"
        + (f"  {record.resident_share:.0%} in memory" if record.resident_share else "")
        + ("" if record.accepted else "  no step")
    )


def done(iteration: int, max_iter: int, ratio: float, tol: float) -> float:
    """The part that is done: of the passes, or of the gradient's fall on a logarithmic scale."""
    fallen = 0.0
    if ratio <= tol:
        fallen = 1.0
    elif 0 < ratio < 1 and 0 < tol < 1:
        fallen = math.log(ratio) / math.log(tol)
    return min(1.0, max(fallen, iteration / max_iter))
