"""A fit's callback that tells the scheduler how it gets on: at most two small messages a second."""

from __future__ import annotations

import math
import time
import uuid
import warnings
from typing import TYPE_CHECKING, Any

from dgd.errors.words import finite_or_none, without_secrets
from dgd.fitting.beginning import Beginning
from dgd.fitting.board.board import MOST_IN_MESSAGE, SPLIT, VERSION, make_pages
from dgd.fitting.record import Record
from dgd.passes.cluster.news import END_SECONDS, News, news_of
from dgd.passes.events import Event

if TYPE_CHECKING:
    from dgd.fitting.result import Result

BETWEEN_SECONDS = 0.5


class Teller:
    """The callback. It never waits for the scheduler, but at the end of the fit, for 0.3 s at most."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._fit = uuid.uuid4().hex[:12]
        self._facts: dict[str, Any] | None = None
        self._began = self._sent = time.monotonic()
        self._curve: list[list[Any]] = []
        self._counts: dict[str, Any] = {}
        self._split = dict.fromkeys(SPLIT, 0.0)

    def on_start(self, beginning: Beginning) -> None:
        """What is fitted."""
        names = ("data", "loss", "solver", "penalty", "target", "rows", "columns", "max_iter", "threads")
        found = beginning.as_json()
        self._facts = {name: found[name] for name in names}
        self._facts["penalty"] = "" if found["penalty"] == "NoPenalty()" else found["penalty"]
        self._began = time.monotonic()
        self._counts = {"passes": beginning.passes_before, "chunks": 0, "of": beginning.chunks, "bytes_read": 0}
        self._send()

    def __call__(self, record: Record) -> None:
        """A pass is over."""
        elapsed = time.monotonic() - self._began
        self._counts |= {
            "passes": record.iteration,
            "loss_now": finite_or_none(record.loss),
            "grad_norm": finite_or_none(record.grad_norm),
            "bytes_read": self._counts.get("bytes_read", 0) + record.bytes_read,
            "chunks": 0,
            "pass_seconds": 0.0,
        }
        for name in SPLIT:
            self._split[name] += getattr(record, f"{name}_seconds")
        if math.isfinite(record.loss):
            self._curve.append([record.iteration, round(elapsed, 3), record.loss, finite_or_none(record.grad_norm)])
        if len(self._curve) > MOST_IN_MESSAGE:
            self._curve = self._curve[::2]
        self._now_and_then()

    def on_event(self, event: Event) -> None:
        """Within a pass."""
        if event.of:
            self._counts |= {"chunks": event.chunks, "of": event.of, "pass_seconds": round(event.seconds, 3)}
        self._now_and_then()

    def on_end(self, result: Result | None, error: BaseException | None) -> None:
        """How it ended."""
        if self._facts is None or self._news.refused:
            return
        status = "failed" if result is None or error is not None else result.status.name.lower()
        message = "" if result is None else result.message
        if result is not None:
            # Of a solution from sums: the last pass has the loss of the best constant.
            self._counts["loss_now"] = finite_or_none(result.loss)
        if error is not None:
            message = without_secrets(str(error)) or type(error).__name__
        end = time.monotonic() + END_SECONDS
        self._news.wait(END_SECONDS)
        self._send(status=status, message=message[:200])
        self._news.wait(max(0.0, end - time.monotonic()))
        self._say()

    def _now_and_then(self) -> None:
        if time.monotonic() - self._sent >= BETWEEN_SECONDS:
            self._send()
            self._say()

    def _send(self, **more: Any) -> None:
        if self._facts is None:
            return
        message = {
            "version": VERSION,
            "fit": self._fit,
            "facts": self._facts,
            "elapsed": round(time.monotonic() - self._began, 3),
            "curve": self._curve,
            "split": dict(self._split),
            **self._counts,
            **more,
        }
        if self._news.send(message):
            self._sent, self._curve = time.monotonic(), []

    def _say(self) -> None:
        """Once for each client, why nothing is shown."""
        if self._news.refused and not self._news.told:
            self._news.told = True
            warnings.warn(
                f"the scheduler cannot show fits at /dgd ({self._news.refused}); the fit goes on. Install this dgd "
                f"there, or set `dgd.Execution(dashboard=False)` or DGD_DASHBOARD=no",
                RuntimeWarning,
                stacklevel=2,
            )


def teller_of(client: Any) -> tuple[Teller, ...]:
    """The callback that tells a client's scheduler; none without one."""
    news = None if client is None else news_of(client, make_pages)
    return () if news is None else (Teller(news),)
