"""Progress within a pass: chunks done of all, on threads and on a cluster; lines with a clock, few of them."""

from __future__ import annotations

import re
import time
from contextvars import copy_context
from typing import Any

import pytest

import dgd
from dgd.cli.progress.log import QUIET
from dgd.cli.progress.passes import pass_progress, within_pass
from dgd.data.dataset import Dataset
from dgd.passes.events import Event


class Heard:
    """A callback that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, record: object) -> None:
        pass

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def test_chunks_are_counted_within_each_pass(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Dataset.read

    def slow(*arguments: Any) -> Any:
        time.sleep(0.05)
        return read(*arguments)

    monkeypatch.setattr(Dataset, "read", slow)
    heard = Heard()
    dgd.fit(store, solver="gd", learning_rate=1e-4, max_iter=2, threads=2, callbacks=[heard])
    within = [event for event in heard.events if event.of == 21 and event.seconds]
    assert len(within) >= 3
    assert all(0 <= event.chunks <= 21 for event in within)
    first = [
        event.chunks
        for event in within[
            : next((i for i in range(1, len(within)) if within[i].seconds < within[i - 1].seconds), None)
        ]
    ]
    assert first == sorted(first)
    assert first[-1] > first[0]


def test_a_long_pass_says_how_long_it_will_take(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert within_pass(Event("running", chunks=30, of=120, seconds=10.0), "pass 2") == (
        "pass 2  25%  30 s left  30 of 120 chunks  3 chunks/s"
    )
    assert within_pass(Event("running", chunks=0, of=120, seconds=10.0), "pass 1") == "pass 1  0%  0 of 120 chunks"
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with pass_progress(max_iter=9, tol=1e-6, verbose=False, first=1.0) as show:
        for second in range(1, 13):
            now[0] = 1000.0 + second
            show.on_event(Event("running", chunks=10 * second, of=120, seconds=float(second)))  # type: ignore[attr-defined]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\d\d:\d\d:\d\d  5 s  pass 1  42%  7 s left  50 of 120 chunks  10 chunks/s", lines[0])
    monkeypatch.undo()


def test_quiet_stays_quiet(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgd.cli.progress.screen.LINE_SECONDS", 0.0)

    def shown() -> None:
        with pass_progress(max_iter=9, tol=1e-6, verbose=True) as show:
            show.on_event(Event("running", chunks=10, of=120, seconds=2.0))  # type: ignore[attr-defined]
            show.on_event(Event("no worker", "no worker; waiting"))  # type: ignore[attr-defined]

    shown()
    assert len(capfd.readouterr().err.splitlines()) == 2
    context = copy_context()
    context.run(QUIET.set, True)
    context.run(shown)
    assert capfd.readouterr().err == ""
