"""Pages on a scheduler's HTTP server of something that is told messages: a plugin of the scheduler, and nothing runs.

    /dgd           a page of HTML         /dgd/metrics     the same numbers as Prometheus reads them

Where the scheduler has the package prometheus-client, its own `/metrics` has these numbers as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakSet

from distributed.diagnostics.plugin import SchedulerPlugin
from tornado.web import RequestHandler

from dgd.passes.cluster.news import OPERATION, PLUGIN

PATH = "/dgd"
DRAWN_SECONDS = 0.5
"""A page is not drawn anew within so many seconds, whoever asks for it."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Sample = tuple[str, str, str, tuple[tuple[tuple[tuple[str, str], ...], float], ...]]
"""A name, what it is, "gauge" or "counter", and values with their labels."""


class Board(Protocol):
    """What is shown."""

    def take(self, client: str, message: Any) -> bool:
        """Take a message from a client; whether it was understood. Raises nothing, whatever it is."""
        ...

    def left(self, client: str) -> None:
        """A client is gone."""
        ...

    def page(self) -> str:
        """The page, as HTML."""
        ...

    def metrics(self) -> str:
        """Its numbers, as Prometheus reads them."""
        ...

    def samples(self) -> Iterator[Sample]:
        """The same, one by one."""
        ...


class Pages(SchedulerPlugin):  # type: ignore[misc]
    """The plugin."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._scheduler: Any = None

    async def start(self, scheduler: Any) -> None:
        """Take messages, and answer at /dgd."""
        self._scheduler = scheduler
        scheduler.handlers[OPERATION] = self.told
        application = getattr(scheduler, "http_application", None)
        if application is not None:
            prefix = f"/{(getattr(scheduler, 'http_prefix', '') or '').strip('/')}".rstrip("/")
            page, metrics = Drawn(self.board.page), Drawn(self.board.metrics)
            application.add_handlers(
                ".*$",
                [
                    (f"{prefix}{PATH}", Answer, {"drawn": page, "kind": "text/html; charset=utf-8"}),
                    (f"{prefix}{PATH}/metrics", Answer, {"drawn": metrics, "kind": "text/plain; version=0.0.4"}),
                ],
            )
        _collect(self.board)

    async def close(self) -> None:
        """The scheduler ends."""
        _collected.discard(self.board)

    def told(self, client: str, message: Any) -> bool:
        """A message of a client."""
        return self.board.take(str(client), message)

    def remove_client(self, scheduler: Any, client: str) -> None:
        """A client is gone."""
        del scheduler
        self.board.left(client)


async def install(scheduler: Any, pages: Pages) -> None:
    """Add the plugin to a scheduler in this process, unless it has it."""
    if PLUGIN not in scheduler.plugins:
        await pages.start(scheduler)
        scheduler.add_plugin(pages, name=PLUGIN)


class Drawn:
    """A text that is made when it is asked for, and kept for a moment."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._text, self._at = "", -float("inf")

    def __call__(self) -> str:
        if time.monotonic() - self._at >= DRAWN_SECONDS:
            self._text, self._at = self._make(), time.monotonic()
        return self._text


class Answer(RequestHandler):
    """Answers GET alone, with a text."""

    def initialize(self, drawn: Drawn, kind: str) -> None:
        """What is answered."""
        self._drawn, self._kind = drawn, kind

    def get(self) -> None:
        """The text."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Type", self._kind)
        self.write(self._drawn())


_collected: WeakSet[Any] = WeakSet()
"""The boards of this process that the scheduler's `/metrics` shows, as there may be several schedulers in it."""
_registered = False


class _Collector:
    """What prometheus_client asks for samples."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        found: dict[str, Any] = {}
        for board in list(_collected):
            for name, what, kind, values in board.samples():
                labels = [label for label, _ in values[0][0]] if values else []
                family = found.setdefault(name, families[kind](name, what, labels=labels))
                for pairs, value in values:
                    family.add_metric([text for _, text in pairs], value)
        yield from found.values()


def _collect(board: Board) -> None:
    """Show a board's samples in `/metrics`, where the scheduler has that."""
    global _registered
    _collected.add(board)
    if not _registered:
        with suppress(ImportError):
            from prometheus_client import REGISTRY

            REGISTRY.register(_Collector())
            _registered = True
