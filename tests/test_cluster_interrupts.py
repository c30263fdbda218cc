"""Ctrl-C in a fit on a cluster ends it at once, with what was reached as the `result` of the KeyboardInterrupt."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import cluster, two_in_this_process
from distributed import Client
from hanging import slow_reads

import dgd
from dgd.passes.cluster import cut

OPTIONS: dict[str, Any] = {"solver": "gd", "tol": 0}
PROMPT = 1.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 chunks of 10 rows."""
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=10) as writer:
        writer.append(rng.normal(size=(200, 3)), rng.normal(size=200))
    return path


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Python hears Ctrl-C, also where a shell has started it in the background, and it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupt:
    """A callback: Ctrl-C comes a while after a pass, when `before` has been called and has had its time."""

    def __init__(self, after: int, before: Callable[[], object] = lambda: None, wait: float = 0.0) -> None:
        self.after, self.before, self.wait = after, before, wait
        self.at = 0.0

    def __call__(self, record: dgd.Record) -> None:
        if record.iteration == self.after:
            threading.Timer(0.2, self.come).start()

    def come(self) -> None:
        self.before()
        time.sleep(self.wait)
        self.at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)


def interrupted(store: Path, interrupt: Interrupt, client: Client) -> Any:
    """The result of the KeyboardInterrupt, which has come in time."""
    execution = dgd.Execution(client=client, resident=0)
    with pytest.raises(KeyboardInterrupt) as caught:
        dgd.fit(store, execution=execution, callbacks=[interrupt], **OPTIONS)
    assert time.monotonic() - interrupt.at < PROMPT
    return caught.value.result  # type: ignore[attr-defined]


def test_in_the_middle_of_a_pass(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk of the third pass takes so long that it needs seconds."""
    slow: list[float] = []
    slow_reads(monkeypatch, lambda path: time.sleep(sum(slow) if "/c/" in path else 0))
    interrupt = Interrupt(2)
    with two_in_this_process() as client:

        def slower(record: dgd.Record) -> None:
            if record.iteration == 2:
                slow.append(0.2)

        execution = dgd.Execution(client=client, resident=0)
        with pytest.raises(KeyboardInterrupt) as caught:
            dgd.fit(store, execution=execution, callbacks=[slower, interrupt], **OPTIONS)
        assert time.monotonic() - interrupt.at < PROMPT
        slow.clear()
        result = caught.value.result  # type: ignore[attr-defined]
    assert (result.status, len(result.history)) == (dgd.Status.INTERRUPTED, 2)
    expected = dgd.fit(store, threads=2, max_iter=2, **OPTIONS)
    assert result.theta.tobytes() == expected.theta.tobytes()


def test_before_the_first_pass_there_is_no_result(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the best constant is looked for, and while the data are opened."""

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    for place in ("dgd.fitting.run.null_model", "dgd.fitting.fit.open_dataset"):
        with monkeypatch.context() as patch:
            patch.setattr(place, stop)
            with pytest.raises(KeyboardInterrupt) as caught:
                dgd.fit(store, threads=1, solver="newton")
            assert caught.value.result is None  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["nothing", "a worker", "all workers", "the scheduler"])
def test_when_something_is_frozen(what: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "TASK_SECONDS", 1e-9)
    slowly = {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(Path(__file__).parent / "hanging.py"), "SLOW_SECONDS": "0.02"}
    with cluster(tmp_path, slowly) as found:
        found.add_worker()
        found.add_worker()
        workers = [worker.pid for worker in found.workers]
        pids = {"nothing": [], "a worker": workers[:1], "all workers": workers, "the scheduler": [found.scheduler.pid]}

        def freeze() -> None:
            for pid in pids[what]:
                os.kill(pid, signal.SIGSTOP)

        try:
            result = interrupted(store, Interrupt(2, freeze, wait=1.5), found.client)
            assert result.history[1].iteration == 2
        finally:
            for pid in pids[what]:
                os.kill(pid, signal.SIGCONT)
