"""Reading ahead is planned for: what waits in memory is counted, and a slow line costs its latency a few times."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from slow import SlowStore, local, store, sweep
from traced import peak_of

import dgd
from dgd.data.arrays.memory_rows import as_rows
from dgd.data.zarr import read_ahead as reading
from dgd.passes.executor import Resources
from dgd.passes.plan import Need, make_plan
from dgd.passes.threads import ThreadExecutor

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")


@pytest.fixture
def slow() -> SlowStore:
    return store()


class TestPlan:
    def resources(self, limit: int | None) -> Resources:
        return Resources(kind="threads", processes=1, threads=2, tasks=8, base_bytes=0, memory_limit=limit)

    def test_counts_what_waits_in_memory(self, slow: SlowStore) -> None:
        dataset = dgd.open_dataset(slow)
        one, all_of_them = dataset.reading_ahead(0).footprint, dataset.footprint
        assert (one.ahead, all_of_them.ahead) == (0, reading.AHEAD)
        assert all_of_them.encoded == (1 + reading.AHEAD) * one.encoded
        plan = make_plan(dataset, self.resources(None), Need())
        assert (plan.ahead, plan.encoded_bytes) == (reading.AHEAD, all_of_them.encoded)
        assert f"encoded chunk   {all_of_them.encoded / 1024:.3g} KiB a thread, with 7 chunks requested ahead" in (
            plan.table()
        )

    def test_asks_for_less_where_memory_is_limited(self, slow: SlowStore) -> None:
        dataset = dgd.open_dataset(slow)
        none = make_plan(dataset.reading_ahead(0), self.resources(None), Need())
        step = 2 * none.encoded_bytes
        for ahead in (0, 1, 3, 6):
            limit = none.memory_bytes + ahead * step
            plan = make_plan(dataset, self.resources(limit), Need())
            assert (plan.ahead, plan.memory_bytes) == (ahead, limit)
            plan.check()
            slow.most = 0
            sweep(dataset.reading_ahead(plan.ahead))
            assert slow.most <= (1 if ahead == 0 else 2 * (1 + ahead))
        assert "requested ahead" not in none.table()
        with pytest.raises(dgd.errors.PlanError):
            make_plan(dataset, self.resources(none.memory_bytes - 1), Need()).check()

    def test_nothing_waits_in_memory_of_local_files(self, tmp_path: Path) -> None:
        dataset = local(tmp_path)
        assert dataset.footprint == dataset.reading_ahead(0).footprint
        assert dataset.footprint.ahead == 0


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, each 50 ms after it was asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        if "/c/" in self.path:
            time.sleep(0.05)
        super().do_GET()


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """64 chunks of 64 KiB behind a slow web server."""
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=128) as writer:
        writer.append(np.random.default_rng(0).normal(size=(64 * 128, 64)), np.ones(64 * 128))
    server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a.zarr"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_pass_over_a_slow_line_takes_the_time_of_its_requests_side_by_side(url: str) -> None:
    stored = dgd.open_dataset(url)
    dataset = dgd.Dataset(stored.X, as_rows("y", np.ones(stored.shape[0])))
    executor = ThreadExecutor(2)
    planned = 2 * (1 + make_plan(dataset, executor.resources(dataset), Need()).ahead)
    assert planned == 16

    def seconds(call: Any) -> float:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    def get(k: int) -> bytes:
        with urlopen(f"{url}/X/c/{k}/0") as response:
            content: bytes = response.read()
        return content

    with ThreadPoolExecutor(planned) as pool:
        bare = min(seconds(lambda: list(pool.map(get, range(64)))) for _ in range(3))
    found = min(seconds(lambda: sweep(dataset, executor)) for _ in range(3))
    executor.close()
    assert bare >= 0.05 * 64 / planned
    assert found < 1.3 * bare, f"{found:.3f} s, {bare:.3f} s for the requests alone"


def test_memory_while_requests_wait(url: str) -> None:
    """The server's own 64 kB for each request it answers are in it, too."""
    dataset = dgd.open_dataset(url)
    sweep(dataset)
    planned = dataset.footprint.encoded + dataset.footprint.decoded
    assert planned / 2 < peak_of(lambda: sweep(dataset), planned + 2**20) < planned + 2**20
