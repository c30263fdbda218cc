"""The fits of a cluster on its scheduler's HTTP server: shown while they run, inert, bounded, no burden."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import time
import types
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster, two_in_this_process, wait_until
from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin
from test_report import EVIL, check_inert

import dgd
from dgd.fitting.board.board import MOST_FITS, MOST_POINTS, VERSION, Board, make_pages
from dgd.fitting.board.teller import Teller, teller_of
from dgd.passes.cluster import pages
from dgd.passes.cluster.news import News, news_of


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with two_in_this_process() as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 3))
    return X, X @ [1.0, 2.0, -1.0] + rng.normal(size=400)


@pytest.fixture(scope="module")
def store(rows: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a path that is a program."""
    path = tmp_path_factory.mktemp("board") / EVIL.replace("/", "⁄")
    with dgd.DatasetWriter(path, chunk_rows=50) as writer:
        writer.append(*rows)
    return str(path)


def got(client: Client, path: str = "/dgd") -> str:
    time.sleep(pages.DRAWN_SECONDS)
    port = client.scheduler_info()["services"]["dashboard"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def board_of(client: Client) -> Board:
    """That of a scheduler in this process."""
    found: Board = client.cluster.scheduler.plugins["dgd-fits"].board
    return found


def all_ended(client: Client) -> None:
    """The last message of a fit may come a moment after it."""
    wait_until(lambda: not any(fit.runs for fit in board_of(client).fits.values()), "the end")


def message(fit: str, **more: Any) -> dict[str, Any]:
    facts = {"data": "a.zarr", "loss": "huber", "solver": "lbfgs", "rows": 10, "columns": 2, "max_iter": 9}
    return {"version": VERSION, "fit": fit, "facts": facts, **more}


def test_a_fit_is_shown_with_its_passes_and_its_end(client: Client, store: str) -> None:
    seen = []

    def look(record: dgd.Record) -> None:
        if record.iteration == 3:
            time.sleep(0.6)  # so that this pass is told at once
        if record.iteration == 4:
            wait_until(lambda: next(iter(board_of(client).fits.values())).count("passes") >= 3, "the third pass")
            seen.append(got(client))

    result = dgd.fit(store, loss="huber", client=client, callbacks=[look])
    all_ended(client)
    running, ended = seen[0], got(client)
    for text in (running, ended):
        found = check_inert(text)
        assert any(EVIL.replace("/", "⁄") in each for each in found.texts)
    assert "1 running, 0 ended" in running
    assert re.search(r"\d of at most 1,000", running)
    assert "0 running, 1 ended" in ended
    assert f"{result.n_iter_} of at most 1,000" in ended
    assert "Loss by pass" in ended
    assert "Seconds of all threads" in ended
    (fit,) = board_of(client).fits.values()
    assert fit.state == "converged"
    assert [point[0] for point in fit.curve] == [record.iteration for record in result.history]
    assert [point[2] for point in fit.curve] == [record.loss for record in result.history]
    assert fit.count("bytes_read") == sum(record.bytes_read for record in result.history)
    assert fit.split == pytest.approx(result.time_split())


def test_numbers_for_prometheus(client: Client, store: str) -> None:
    result = dgd.fit(store, client=client)
    all_ended(client)
    text = got(client, "/dgd/metrics")
    found = dict(re.findall(r"^(dgd_\w+)\{fit=.*?\} (\S+)$", text, re.MULTILINE))
    assert found["dgd_fit_pass"] == f"{float(result.n_iter_)!r}"
    assert (found["dgd_fit_chunks_done"], found["dgd_fit_chunks_total"]) == ("0.0", "8.0")
    assert float(found["dgd_fit_loss"]) == result.loss < result.history[-1].loss
    assert {"dgd_fit_gradient_norm", "dgd_fit_bytes_read_total", "dgd_fit_seconds_since_moved"} <= found.keys()
    assert 'dgd_fits_ended_total{status="converged"}' in text
    assert "\ndgd_fits 0.0\n" in text


def test_only_get_is_answered_and_a_browser_may_load_nothing(client: Client, store: str) -> None:
    dgd.fit(store, client=client)
    port = client.scheduler_info()["services"]["dashboard"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/dgd", timeout=30) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/dgd", data=b"x", timeout=30)


def test_a_fit_whose_client_goes_is_lost(client: Client, rows: Any) -> None:
    with Client(client.scheduler.address, set_as_default=False) as other:
        (teller,) = teller_of(other)
        teller.on_start(Beginnings.one())
        teller._news.wait(10)
        name = teller._fit
        assert board_of(client).fits[name].runs
    wait_until(lambda: not board_of(client).fits[name].runs, "the end of the client")
    assert board_of(client).fits[name].state == "lost"
    assert "lost its connection" in got(client)


class Beginnings:
    """What a fit tells before its first pass."""

    data, loss, solver, penalty, target = "a.zarr", "huber", "lbfgs", "NoPenalty()", "y"
    rows, columns, max_iter, threads, passes_before, chunks = 10, 2, 9, 2, 0, 4

    @classmethod
    def one(cls) -> Any:
        names = ("data", "loss", "solver", "penalty", "target", "rows", "columns", "max_iter", "threads")
        return types.SimpleNamespace(
            passes_before=0, chunks=4, as_json=lambda: {name: getattr(cls, name) for name in names}
        )


def test_a_fit_that_failed_says_why(client: Client, rows: Any) -> None:
    def fail(record: dgd.Record) -> None:
        raise ValueError(EVIL)

    with pytest.raises(ValueError, match="script"):
        dgd.fit(*rows, client=client, callbacks=[fail])
    all_ended(client)
    fit = list(board_of(client).fits.values())[-1]
    assert (fit.state, fit.message) == ("failed", EVIL)
    check_inert(got(client))


@pytest.mark.slow
def test_a_pass_waits_for_no_answer_and_the_end_for_a_moment(
    client: Client, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*arguments: Any, **options: Any) -> bool:
        await asyncio.sleep(4)
        return True

    dgd.fit(*rows, client=client)
    scheduler = client.cluster.scheduler
    monkeypatch.setitem(scheduler.handlers, "dgd_fit", never)
    heard: list[float] = []
    news = news_of(client, make_pages)
    assert news is not None
    result = dgd.fit(*rows, loss="huber", client=client, callbacks=[lambda record: heard.append(time.monotonic())])
    assert time.monotonic() - heard[-1] < 3
    assert result.converged
    assert not news.ready
    news.wait(10)
    monkeypatch.undo()
    news._not_before = -np.inf
    dgd.fit(*rows, client=client)
    all_ended(client)
    assert list(board_of(client).fits.values())[-1].state == "converged"


class Foreign(SchedulerPlugin):  # type: ignore[misc]
    """A plugin of a package that a scheduler does not have."""

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, ("no_such_package",)


def test_a_scheduler_without_dgd_is_one_message_and_no_more(client: Client, rows: Any) -> None:
    with Client(client.scheduler.address, set_as_default=False) as other:
        news = News(other, Foreign)
        teller = Teller(news)
        teller.on_start(Beginnings.one())
        news.wait(10)
        assert "no_such_package" in news.refused
        with pytest.warns(RuntimeWarning, match=r"cannot show fits at /dgd \(No module named 'no_such_package'\)"):
            teller._say()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            teller._say()
            began = time.monotonic()
            again = Teller(news)
            again.on_start(Beginnings.one())
            again.on_end(None, ValueError("x"))
        assert time.monotonic() - began < 0.5


def test_a_scheduler_that_forgot_is_told_how_again(client: Client, rows: Any) -> None:
    dgd.fit(*rows, client=client)
    scheduler = client.cluster.scheduler
    del scheduler.handlers["dgd_fit"], scheduler.plugins["dgd-fits"]
    dgd.fit(*rows, client=client)
    all_ended(client)
    assert [fit.state for fit in board_of(client).fits.values()] == ["converged"]


def test_nothing_is_told_where_that_is_not_wanted(client: Client, rows: Any) -> None:
    before = list(board_of(client).fits)
    dgd.fit(*rows, execution=dgd.Execution(client=client, dashboard=False))
    assert list(board_of(client).fits) == before
    assert teller_of(None) == ()


def test_the_board_is_bounded() -> None:
    board = Board()
    assert board.take("c", message("first"))
    for number in range(3 * MOST_FITS):
        board.take("c", message(f"{number}", status="converged"))
    assert len(board.fits) == MOST_FITS
    assert "first" in board.fits  # it runs
    assert board.ends["converged"] == 3 * MOST_FITS
    for number in range(2 * MOST_FITS):
        board.take("c", message(f"running {number}"))
    assert len(board.fits) == MOST_FITS
    curve = [[number, number, 1.0 / (number + 1), 1.0] for number in range(5000)]
    for start in range(0, 5000, 100):
        board.take("c", message("long", curve=curve[start : start + 100]))
    points = board.fits["long"].curve
    assert len(points) <= MOST_POINTS
    assert points[-1][0] == 4999
    assert [point[0] for point in points] == sorted(point[0] for point in points)
    assert len(board.page()) < 200_000
    check_inert(board.page())


BAD: list[Any] = [
    None, "", EVIL, b"\xff", -1, 10**400, 1e308, -1e308, float("nan"), float("inf"), [], [[]], [[1, 2, 3, EVIL]], {},
    {"read": 1e308, "wait": EVIL}, [[1e149, -1e149, 1e149, -1e149]] * 3, "\u202e\x1b]0;x\x07", "x" * 10**6,
]  # fmt: skip


def test_whatever_a_client_sends_the_page_is_inert_and_there() -> None:
    board = Board()
    names = [
        *("fit", "facts", "elapsed", "curve", "split", "status", "message", "passes", "chunks", "of", "bytes_read"),
        *("loss_now", "grad_norm", "pass_seconds"),
    ]
    for number, bad in enumerate(BAD):
        for name in names:
            board.take("c", message(f"{number} {name}") | {name: bad})
        board.take(EVIL, message(f"all {number}") | dict.fromkeys(names[2:], bad))
        facts = dict.fromkeys(message("")["facts"], bad)
        board.take("c", message(f"facts {number}") | {"facts": facts, "curve": [[1, 1, 1, 1]], "of": 2, "chunks": 1})
        check_inert(board.page())
        for line in board.metrics().splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) .*|\w+(\{(\w+=\"([^\"\\]|\\.)*\",?)*\})? [-+.e\w]+", line), line
    for bad in [*BAD, {"version": 2, "fit": "x"}]:
        assert not board.take("c", bad)


def test_a_fit_belongs_to_its_client_and_ends_once() -> None:
    board = Board()
    board.take("c", message("a", passes=1))
    board.take("another", message("a", passes=7, status="failed"))
    assert (board.fits["a"].state, board.fits["a"].count("passes")) == ("running", 1)
    board.left("another")
    assert board.fits["a"].runs
    board.left("c")
    assert (board.fits["a"].state, board.ends["lost"]) == ("lost", 1)
    board.take("c", message("a", passes=2))  # it had lost its connection, and found it again
    assert (board.fits["a"].state, board.ends["lost"]) == ("running", 0)
    board.take("c", message("a", status="converged", message="done"))
    board.take("c", message("a", status="failed"))
    assert (board.fits["a"].state, board.fits["a"].message) == ("converged", "done")


def test_a_fit_that_does_not_move_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    board = Board()
    board.take("c", message("a", chunks=3, of=10, pass_seconds=6.0))
    assert "3 of 10 chunks (30%), 0.5 chunks/s, 14 s left" in board.page()
    now[0] += 700
    board.take("c", message("a", chunks=3, of=10))
    assert "dgd_fit_seconds_since_moved" in board.metrics()
    assert re.search(r'dgd_fit_seconds_since_moved\{fit="a".*\} 700.0', board.metrics())
    board.take("c", message("a", chunks=4, of=10))
    assert re.search(r'dgd_fit_seconds_since_moved\{fit="a".*\} 0.0', board.metrics())
    now[0] += 60
    assert "Nothing was heard of it for 60 s." in board.page()


def test_the_metrics_of_the_scheduler_have_them_where_it_has_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    class Family:
        def __init__(self, name: str, what: str, labels: list[str]) -> None:
            self.name, self.labels = name, labels
            self.values: list[tuple[list[str], float]] = []

        def add_metric(self, texts: list[str], value: float) -> None:
            assert len(texts) == len(self.labels)
            self.values.append((texts, value))

    registered: list[Any] = []
    fake, core = types.ModuleType("prometheus_client"), types.ModuleType("prometheus_client.core")
    fake.REGISTRY = types.SimpleNamespace(register=registered.append)  # type: ignore[attr-defined]
    core.CounterMetricFamily = core.GaugeMetricFamily = Family  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "prometheus_client", fake)
    monkeypatch.setitem(sys.modules, "prometheus_client.core", core)
    monkeypatch.setattr(pages, "_registered", False)
    boards = [Board(), Board()]
    for number, board in enumerate(boards):
        board.take("c", message(f"fit {number}", passes=3, split={"read": 1.0, "wait": 2.0}))
        pages._collect(board)
    (collector,) = registered
    found = {family.name: family for family in collector.collect()}
    assert {texts[0] for texts, _ in found["dgd_fit_pass"].values} >= {"fit 0", "fit 1"}
    assert found["dgd_fits"].values[0][0] == []
    assert found["dgd_fit_thread_seconds"].labels[-1] == "on"
    for board in boards:
        pages._collected.discard(board)


@pytest.mark.slow
def test_in_processes_of_their_own_a_scheduler_has_the_page_from_the_beginning(tmp_path: Path, store: str) -> None:
    """And a program that is killed in mid-fit is a lost one."""
    import subprocess

    cluster = Cluster(tmp_path, {"DASK_DISTRIBUTED__SCHEDULER__PRELOAD": "['dgd.fitting.board']"})
    try:
        assert "No fit has begun" in got(cluster.client)
        cluster.add_worker()
        program = (
            "import sys, time, dgd\nfrom distributed import Client\n"
            "if __name__ == '__main__':\n"
            "    client = Client(scheduler_file=sys.argv[1])\n"
            "    dgd.fit(sys.argv[2], solver='gd', learning_rate=1e-9, tol=0, callbacks=[lambda r: time.sleep(0.1)],\n"
            "            client=client)\n"
        )
        driver = subprocess.Popen([sys.executable, "-c", program, str(cluster.file), store])
        wait_until(lambda: "1 running" in got(cluster.client), "the fit")
        check_inert(got(cluster.client))
        driver.kill()
        driver.wait()
        wait_until(lambda: "0 running, 1 ended" in got(cluster.client), "its end")
        assert ": lost</h2>" in got(cluster.client)
    finally:
        cluster.close()
