"""Progress within a pass: chunks done of all, on threads and on a cluster; lines with a clock, few of them."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

import dgd
from dgd.cli.progress import pass_progress, within_pass
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
    assert within_pass(Event("running", chunks=30, of=120, seconds=10.0), 2) == (
        "pass 2  25%  30 of 120 chunks  3 chunks/s  30 s left"
    )
    assert within_pass(Event("running", chunks=0, of=120, seconds=10.0), 1) == "pass 1  0%  0 of 120 chunks"
    now = [1000.0]
    monkeypatch.setattr("dgd.cli.progress.time.monotonic", lambda: now[0])
    with pass_progress(max_iter=9, tol=1e-6, quiet=False, verbose=False) as show:
        for second in range(1, 13):
            now[0] = 1000.0 + second
            show.on_event(Event("running", chunks=10 * second, of=120, seconds=float(second)))  # type: ignore[attr-defined]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\d\d:\d\d:\d\d  5 s  pass 1  42%  50 of 120 chunks  10 chunks/s  7 s left", lines[0])
    with pass_progress(max_iter=9, tol=1e-6, quiet=True, verbose=True) as quiet:
        assert not hasattr(quiet, "on_event")
    assert capfd.readouterr().err == ""
