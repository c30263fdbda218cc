"""What is seen on a terminal: one line, a bar of `rich` or of our own, signs of life, nothing wider than it is."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.cli.progress import line as lines
from dgd.cli.progress.counts import Counts, duration
from dgd.cli.progress.line import PlainBar, RedrawnLine, RichBar, best_bar, fitting
from dgd.cli.progress.log import QUIET
from dgd.cli.progress.passes import OtherPasses, numbered
from dgd.cli.progress.screen import Screen
from dgd.data.heard import heard_by, told
from dgd.errors.columns_text import folded, shortened, table_lines
from dgd.passes.events import Event, Parts


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """What was drawn since the last time."""
        found = [part for part in re.split(r"\r|\x1b\[K", self.getvalue()) if part]
        self.seek(0)
        self.truncate()
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Terminal]]:
    """Puts a terminal in the place of stderr: in the test, since pytest puts its own there before."""

    def watch() -> Terminal:
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        monkeypatch.setattr("dgd.cli.progress.line.best_bar", PlainBar)
        return found

    lines.LINE.set(None)
    yield watch
    lines.LINE.set(None)


def test_the_bar_is_that_of_rich_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    bar = best_bar()
    assert isinstance(bar, RichBar)
    assert re.sub(r"\x1b\[[\d;]*m", "", bar(1.0)) == "━" * bar.width
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(best_bar(), PlainBar)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(best_bar(), PlainBar)


def test_a_line_begins_late_and_gives_a_sign_of_life_at_most_each_second(
    clock: list[float], watch: Callable[[], Terminal]
) -> None:
    terminal = watch()
    line = RedrawnLine()
    line.draw("pass 1", 0.1)
    assert terminal.shown() == []
    for step in range(1, 31):
        clock[0] = 1000 + lines.BEGIN_SECONDS + step / 10
        line.draw(f"sign {step}", 0.5, sign=True)
    assert terminal.shown() == [f"[##########          ] sign {step}" for step in (1, 11, 21)]
    clock[0] += 0.1
    line.draw("pass 2", 0.6)
    line.draw("too soon", 0.7)
    assert terminal.shown() == ["[############        ] pass 2"]
    line.finish(keep=True)
    assert terminal.shown() == ["[##############      ] too soon", "\n"]
    line.finish(keep=False)
    assert terminal.shown() == []


def test_fields_that_have_no_room_are_left_out_whole() -> None:
    assert fitting("pass 2  loss 0.5  gradient 1", 16) == "pass 2  loss 0.5"
    assert fitting("pass 2  loss 0.5  gradient 1", 15) == "pass 2"
    assert fitting("pass 2", 4) == "pass"


def test_what_is_expected_is_never_less_than_there_is() -> None:
    assert [numbered(3, 6), numbered(3, None), numbered(6, 6), numbered(7, 6), numbered(1, 1)] == [
        "pass 3 of about 6",
        "pass 3",
        "pass 6",
        "pass 7",
        "pass 1 of 1 or 2",
    ]


def test_passes_of_what_is_no_fit_are_numbered_where_there_are_several(
    clock: list[float], watch: Callable[[], Terminal]
) -> None:
    terminal = watch()
    passes = OtherPasses(Screen(), "pass")
    for number in range(2):
        for second in range(5):
            clock[0] = 1001 + 5 * number + second
            passes.tell(Event("running", chunks=10 * second, of=50, seconds=float(second)))
    found = terminal.shown()
    assert found[0] == "[####                ] pass 1  20%  4 s left  10 of 50 chunks  10 chunks/s"
    assert "pass 1  5 s" in found
    assert found[-1].startswith("[################    ] pass 2  80%")


def test_a_missing_worker_is_waited_for_in_sight(clock: list[float], watch: Callable[[], Terminal]) -> None:
    terminal = watch()
    passes = OtherPasses(Screen(), "predicting")
    passes.tell(Event("no worker", "no worker; waiting up to 300 s"))
    for second in range(1, 4):
        clock[0] = 1000.0 + second
        passes.tell(Event("no worker"))
    assert terminal.shown() == [
        "no worker; waiting up to 300 s\n",
        *(f"no worker for {second} s" for second in (1, 2, 3)),
    ]
    context = copy_context()
    context.run(QUIET.set, True)
    context.run(lambda: OtherPasses(Screen(), "predicting").tell(Event("no worker", "no worker")))
    assert terminal.shown() == []


def test_counts_say_how_fast_and_how_long(clock: list[float], watch: Callable[[], Terminal]) -> None:
    terminal = watch()
    show = Counts(Screen())
    clock[0] += 10
    show(2_000, 25_000_000, bytes_in_all=100_000_000)
    assert terminal.shown() == ["[#####               ] 2,000 rows  25 of 100 MB  2.5 MB/s  30 s left"]
    assert [duration(s) for s in (3.4, 119, 120, 7199, 7200, 45_000)] == [
        "3 s", "119 s", "2 min", "2 h 0 min", "2 h 0 min", "12 h 30 min",
    ]  # fmt: skip


def test_whoever_parses_a_table_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1.5,x\n2.5,y\n" * 500)
    heard: list[tuple[Any, ...]] = []
    with heard_by(lambda *said: heard.append(said)):
        dgd.open_dataset(str(path), "a")
    assert heard[-1] == (f"parsing {path}", 1000, path.stat().st_size, path.stat().st_size)
    heard.clear()
    batches = [SimpleNamespace(num_rows=3), SimpleNamespace(num_rows=4)]
    with heard_by(lambda *said: heard.append(said)):
        assert list(told(batches, io.BytesIO(), SimpleNamespace(path="b.csv", size=9))) == batches
    assert heard == [("parsing b.csv", 3, 0, 9), ("parsing b.csv", 7, 0, 9)]
    assert list(told(batches, io.BytesIO(), SimpleNamespace(path="b.csv", size=9))) == batches
    assert len(heard) == 2


@pytest.mark.parametrize("out", ["p.csv", "p.zarr"])
def test_whoever_names_a_listener_hears_of_predictions(store: str, tmp_path: Path, out: str) -> None:
    heard: list[Event] = []
    where = dgd.Execution(threads=1, on_event=heard.append)
    dgd.predict_to(dgd.fit(store, threads=1).model, store, tmp_path / out, execution=where)
    assert heard
    assert {event.of for event in heard} == {21}
    with pytest.raises(dgd.errors.ConfigurationError, match="must be a function of an `Event`"):
        dgd.Execution(on_event="loudly")  # type: ignore[arg-type]


def test_passes_over_parts_are_told_as_one(clock: list[float]) -> None:
    heard: list[Event] = []
    parts = Parts(heard.append, 30)
    for _ in range(3):
        clock[0] += 2
        parts(Event("running", chunks=5, of=10, seconds=1.0))
        parts.ended(10)
    assert [(event.chunks, event.of, event.seconds) for event in heard] == [(5, 30, 2.0), (15, 30, 4.0), (25, 30, 6.0)]


CELLS = [["", "0", "1", "2"], ["age", "0.25", "-1.5", "3"], ["a_long_name_of_a_column_v2", "1", "2", "-0.125"]]


def test_a_table_is_no_wider_than_the_terminal_and_loses_nothing() -> None:
    assert table_lines(CELLS)[2] == "a_long_name_of_a_column_v2     1     2  -0.125"
    for width in range(22, 60):
        found = table_lines(CELLS, width)
        assert max(map(len, found)) <= width
        for row in CELLS:
            assert all(any(cell in line.split() for line in found) for cell in row[1:])
    assert table_lines(CELLS, 40)[2] == "a_long_nam…column_v2     1     2  -0.125"
    assert "" in table_lines(CELLS, 22)
    assert shortened("abcdefgh", 5) == "ab…gh"


def test_lines_are_folded_below_what_belongs_to_their_label() -> None:
    line = "method        squared loss + L2(l2=0.1): solved exactly from sums of products, in 1 pass"
    assert folded(line, None) == line
    assert folded(line, 60).split("\n") == [
        "method        squared loss + L2(l2=0.1): solved exactly from",
        "              sums of products, in 1 pass",
    ]
    assert folded("x" * 70, 60) == "x" * 70
    solver = f"solver          {'word ' * 12}".rstrip()
    assert folded(solver, 40).split("\n")[1] == " " * 16 + "word word word word word"
    fix = "    fix: `dgd copy here.zarr OUT.zarr --chunk-rows 100` makes chunks of 100 rows"
    assert folded(fix, 50).split("\n") == [
        "    fix:",
        "      `dgd copy here.zarr OUT.zarr --chunk-rows 100`",
        "      makes chunks of 100 rows",
    ]
    assert folded(fix, 30).split("\n")[1] == "      `dgd copy here.zarr OUT.zarr --chunk-rows 100`"


def test_plan_and_info_have_the_terminals_width_and_commands_stay_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("info", "inspect", "output"):
        monkeypatch.setattr(import_module(f"dgd.cli.{name}"), "columns", lambda: 60)
    with dgd.DatasetWriter(tmp_path / "d.zarr", feature_names=["first", "second"]) as writer:
        writer.append(np.ones((9, 2)), np.arange(9.0))
    for command in (["info"], ["plan", "--loss", "huber"]):
        assert main([command[0], str(tmp_path / "d.zarr"), *command[1:], "--quiet"]) == 0
        said = capsys.readouterr().out.splitlines()
        wide = [line for line in said if len(line) > 60]
        assert all(len(line.split()) <= 2 for line in wide), wide  # a path, a fingerprint
        assert "  ".join(line.strip() for line in said).count("float64") == (command == ["info"]) * 2
    level = "a level" * 5
    rows = [f"{level},0.5", f"{level},0.5", *(f"{level}{row},{row}.25" for row in range(3))]
    (tmp_path / "t.csv").write_text("\n".join(["one,two", *rows]))
    path = str(tmp_path / "t.csv")
    for name in ("inspect", "info"):
        assert main([name, path]) == 0
        said = capsys.readouterr().out.splitlines()
        assert any(line.startswith(f"  dgd ingest {path} ") for line in said)
        assert max(len(line) for line in said if path not in line) <= 60


def test_an_overview_has_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    from dgd.fitting.result_lines import overview

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    result = dgd.fit(X, rng.integers(0, 9, size=200), loss="softmax", penalty=dgd.penalties.L2(0.1), threads=1)
    assert max(map(len, result.overview().splitlines())) > 70
    found = overview(result, width=70)
    assert max(map(len, found.splitlines())) <= 70
    assert "".join(found.split()).count("intercept") == 2
