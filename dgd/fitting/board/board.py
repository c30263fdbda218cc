"""The fits that a scheduler was told of: those that run, and the last ones that ended, 100 in all."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dgd.errors.words import visible
from dgd.fitting.board import metrics, page
from dgd.passes.cluster.pages import Pages, Sample

VERSION = 1
"""Of the messages: one of another version is not understood."""
MOST_FITS = 100
MOST_POINTS = 300
"""Of a curve; of a longer one every second is dropped."""
MOST_IN_MESSAGE = 1000
LONGEST = 200
MOST, MOST_SECONDS = 1e150, 1e9
TEXTS = ("data", "loss", "solver", "penalty", "target")
NUMBERS = ("rows", "columns", "max_iter", "threads")
COUNTS = ("passes", "chunks", "of", "bytes_read", "elapsed", "loss_now", "grad_norm")
SPLIT = ("read", "decode", "compute", "wait")
RUNNING, LOST = "running", "lost"


@dataclass
class Fit:
    """What is known of one fit."""

    name: str
    client: str
    texts: dict[str, str]
    sizes: dict[str, float]
    began: float
    """By the clock; all other times are on the monotonic one."""
    state: str = RUNNING
    message: str = ""
    counts: dict[str, float] = field(default_factory=dict)
    split: dict[str, float] = field(default_factory=dict)
    curve: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Pass, seconds since the fit began, loss, gradient norm."""
    heard: float = 0.0
    moved: float = 0.0
    """When a pass or a chunk was done."""
    pass_began: float = 0.0
    ended: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self.ended is None

    def count(self, name: str) -> float:
        """A number that it told, 0 where it told none."""
        return self.counts.get(name, 0.0)


class Board:
    """The fits by name, the oldest first; at most 100, those that have ended go first."""

    def __init__(self) -> None:
        self.fits: dict[str, Fit] = {}
        self.ends: Counter[str] = Counter()
        """How many have ended, by their state."""

    def take(self, client: str, message: Any) -> bool:
        """Take a message from a client; whether it was understood. Raises nothing, whatever it is."""
        if not isinstance(message, dict) or message.get("version") != VERSION:
            return False
        name, now = text(message.get("fit")), time.monotonic()
        fit = self.fits.get(name)
        if fit is None:
            fit = self._begun(name, client, message, now)
        if fit.client != text(client) or (not fit.runs and fit.state != LOST):
            return True
        if fit.state == LOST:
            fit.state, fit.ended, fit.message = RUNNING, None, ""
            self.ends[LOST] -= 1
        self._update(fit, message, now)
        if message.get("status"):
            self._end(fit, text(message.get("status")), text(message.get("message")), now)
        return True

    def left(self, client: str) -> None:
        """A client is gone: what has not ended is lost."""
        for fit in self.fits.values():
            if fit.runs and fit.client == text(client):
                said = "its program ended in the middle, or lost its connection"
                self._end(fit, LOST, said, time.monotonic())

    def page(self) -> str:
        """The page, as HTML."""
        return page.page_of(list(self.fits.values()), time.monotonic())

    def metrics(self) -> str:
        """Its numbers, as Prometheus reads them."""
        return metrics.text_of(self.samples())

    def samples(self) -> Iterator[Sample]:
        """The same, one by one."""
        return metrics.samples_of(list(self.fits.values()), self.ends, time.monotonic())

    def _begun(self, name: str, client: str, message: dict[str, Any], now: float) -> Fit:
        facts = message.get("facts")
        facts = facts if isinstance(facts, dict) else {}
        texts = {each: text(facts.get(each)) for each in TEXTS}
        sizes = {each: number(facts.get(each)) for each in NUMBERS}
        began = time.time() - seconds(message.get("elapsed"))
        while len(self.fits) >= MOST_FITS:
            ended = (each for each, found in self.fits.items() if not found.runs)
            del self.fits[next(ended, next(iter(self.fits)))]
        self.fits[name] = Fit(name, text(client), texts, sizes, began, heard=now, moved=now, pass_began=now)
        return self.fits[name]

    def _update(self, fit: Fit, message: dict[str, Any], now: float) -> None:
        found = {each: number(message[each]) for each in COUNTS if each in message}
        before = fit.count("passes"), fit.count("chunks")
        fit.counts.update(found)
        fit.heard = now
        if (fit.count("passes"), fit.count("chunks")) != before:
            fit.moved = now
        fit.pass_began = now - seconds(message.get("pass_seconds"))
        split = message.get("split")
        if isinstance(split, dict):
            fit.split = {each: seconds(split.get(each)) for each in SPLIT}
        curve = message.get("curve")
        if isinstance(curve, (list, tuple)):
            fit.curve += [point for each in curve[:MOST_IN_MESSAGE] if (point := _point(each)) is not None]
            while len(fit.curve) > MOST_POINTS:
                fit.curve = [*fit.curve[:-1:2], fit.curve[-1]]

    def _end(self, fit: Fit, state: str, message: str, now: float) -> None:
        fit.state, fit.message, fit.ended = state, message, now
        self.ends[state if state in metrics.STATES else "other"] += 1


def make_pages() -> Pages:
    """The plugin of a scheduler, with nothing on its board yet."""
    return _EmptyPages(Board())


class _EmptyPages(Pages):
    """Pickled as how to make it: whatever version of dgd the scheduler has makes its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        return make_pages, ()


def text(value: Any) -> str:
    """A line of at most 200 characters."""
    return visible(str(value)[:LONGEST]) if isinstance(value, (str, int, float)) else ""


def number(value: Any) -> float:
    """A number that can be drawn, NaN for what is none."""
    return float(value) if isinstance(value, (int, float)) and abs(value) < MOST else math.nan


def seconds(value: Any) -> float:
    """From 0 to some decades; 0 for what is none."""
    found = number(value)
    return found if 0 <= found < MOST_SECONDS else 0.0


def _point(value: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    a, b, c, d = map(number, value)
    return a, b, c, d
