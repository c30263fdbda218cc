"""Event files: a line for each thing that happens in a fit, whole at any moment, and read back as it was."""

from __future__ import annotations

import json
import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, DataError, WriteError
from dgd.fitting.callbacks import Beginning, EventFile, Events, read_events
from dgd.passes.events import Event

GUIDE = Path(dgd.__file__).parent / "guide" / "reports.md"


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4))
    return X, X @ [1.0, 2.0, 0.0, -1.0] + rng.normal(size=300)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_fit_is_a_start_a_line_for_each_pass_and_an_end(tmp_path: Path, rows: Any) -> None:
    path = tmp_path / "run.jsonl"
    result = dgd.fit(*rows, loss="huber", threads=1, callbacks=[Events(path)])
    start, *passes, end = lines(path)
    assert [line["event"] for line in (start, *passes, end)] == ["start", *["pass"] * result.n_iter_, "end"]
    assert {line["schema"] for line in lines(path)} == {"dgd.events/1"}
    assert len({line["run"] for line in lines(path)}) == 1
    assert (start["rows"], start["columns"], start["loss"], start["outputs"]) == (300, 4, "huber", 1)
    assert (start["solver"], start["chunks"]) == (result.choice.name, result.plan.chunks)
    for line, record in zip(passes, result.history, strict=True):
        assert {name: line[name] for name in record.as_json()} == record.as_json()
    assert (end["status"], end["n_iter"], end["loss"]) == ("converged", result.n_iter_, result.loss)
    elapsed = [line["elapsed"] for line in lines(path)]
    assert elapsed == sorted(elapsed)


def test_each_line_is_in_the_file_when_its_pass_is_over(tmp_path: Path, rows: Any) -> None:
    path, seen = tmp_path / "run.jsonl", []
    dgd.fit(*rows, loss="huber", threads=1, callbacks=[Events(path), lambda record: seen.append(len(lines(path)))])
    assert seen == [record + 2 for record in range(len(seen))]


def test_what_is_read_is_what_was_fitted(tmp_path: Path, rows: Any) -> None:
    path = tmp_path / "run.jsonl"
    first = dgd.fit(*rows, loss="huber", threads=1, callbacks=[Events(path)])
    second = dgd.fit(*rows, loss="squared", threads=1, callbacks=[Events(path)])
    found = read_events(path)  # of the last fit
    assert found.passes == second.history != first.history
    assert found.start["loss"] == "squared"


def test_a_resumed_fit_has_the_passes_of_both_runs(tmp_path: Path, rows: Any) -> None:
    path, checkpoint = tmp_path / "run.jsonl", tmp_path / "run.ckpt"
    X, y = rows
    options: Any = {"loss": "huber", "solver": "nesterov", "threads": 1}
    whole = dgd.fit(X, y, **options)
    dgd.fit(X, y, **options, max_iter=4, checkpoint=checkpoint, callbacks=[Events(path)])
    resumed = dgd.resume(checkpoint, X, y, max_iter=1000, threads=1, callbacks=[Events(path)])
    found = read_events(path)
    assert found.start["passes_before"] == 4
    assert found.passes == resumed.history
    assert [r.loss for r in found.passes] == [r.loss for r in whole.history]
    assert found.elapsed == sorted(found.elapsed)
    assert len(found.elapsed) == len(found.passes)


def test_a_line_that_was_cut_off_is_passed_over_and_the_next_fit_begins_a_new_one(tmp_path: Path, rows: Any) -> None:
    path = tmp_path / "run.jsonl"
    dgd.fit(*rows, loss="huber", threads=1, callbacks=[Events(path)])
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b'"message"')])  # killed while it wrote its last line
    cut = read_events(path)
    assert cut.end is None
    again = dgd.fit(*rows, loss="huber", threads=1, callbacks=[Events(path)])
    assert read_events(path).passes == again.history


def test_an_error_is_the_end(tmp_path: Path, rows: Any) -> None:
    path = tmp_path / "run.jsonl"
    X, y = rows

    def failing(record: dgd.Record) -> None:
        if record.iteration == 2:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        dgd.fit(X, y, loss="huber", threads=1, callbacks=[Events(path), failing])
    end = read_events(path).end
    assert end is not None
    assert (end["status"], end["error"], end["message"]) == ("failed", "RuntimeError", "no more")

    def interrupting(record: dgd.Record) -> None:
        if record.iteration == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dgd.fit(X, y, loss="huber", threads=1, callbacks=[Events(path), interrupting])
    end = read_events(path).end
    assert end is not None
    assert (end["status"], end["error"], end["n_iter"]) == ("interrupted", "KeyboardInterrupt", 2)


def test_waits_are_lines_and_signs_of_life_are_not(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    events = Events(path)
    cost = dgd.plan(np.ones((3, 1)), np.ones(3), threads=1)
    given: dict[str, Any] = {field.name: 1 for field in fields(Beginning)}
    events.on_start(Beginning(**given))
    events.on_event(Event("running"))
    events.on_event(Event("no worker", "waiting at tls://user:secret@host", stuck=2.0))
    events.on_end(None, None)
    assert [line["event"] for line in lines(path)] == ["start", "wait", "end"]
    assert "secret" not in path.read_text()
    assert cost.chunks == 1


def test_numbers_that_are_not_finite_are_null(tmp_path: Path, rows: Any) -> None:
    path, (X, y) = tmp_path / "run.jsonl", rows
    result = dgd.fit(X * 1e3, y, learning_rate=1e9, max_iter=400, threads=1, callbacks=[Events(path)])
    assert result.status is dgd.Status.DIVERGED
    losses = [line["loss"] for line in lines(path) if line["event"] == "pass"]
    read = [record.loss for record in read_events(path).passes]
    assert [math.isfinite(a) for a in read] == [a is not None for a in losses]


def test_a_full_disk_is_one_warning_and_the_fit_goes_on(rows: Any, tmp_path: Path) -> None:
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    with pytest.warns(UserWarning, match="no more events are written") as warned:
        result = dgd.fit(*rows, loss="huber", threads=1, callbacks=[Events(path)])
    assert result.converged
    assert len(warned) == 1


def test_other_files_are_not_written_to(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("dear diary")
    with pytest.raises(ConfigurationError, match="holds no events of dgd"):
        Events(other)
    assert other.read_text() == "dear diary"
    with pytest.raises(ConfigurationError, match="is a folder"):
        Events(tmp_path)
    with pytest.raises(WriteError, match="is no folder"):
        Events(tmp_path / "nowhere" / "run.jsonl")


START = '{"schema": "dgd.events/1", "event": "start", "run": "a", "elapsed": 0, "rows": 1, "columns": 1, "loss": "x", "solver": "gd", "passes_before": 0}'  # noqa: E501


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no fit has begun"),
        ("dear diary\n", "first line is no JSON"),
        ('{"schema": "other"}\n', "its schema is 'other'"),
        (START.replace("/1", "/2"), "use a newer dgd"),
        (START.replace('"rows"', '"lines"'), "line 1 of .* has no 'rows'"),
        (START.replace('"passes_before": 0', '"passes_before": "no"'), "'passes_before' is no number"),
        (START + "\n{{\n" + START.replace("start", "end"), "line 2 of .* is damaged"),
        (START + "\n" + START.replace("start", "wait").replace('"a"', '"b"'), "belongs to no fit"),
    ],
)
@pytest.mark.each(1)
def test_files_that_are_none_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_events(path)


def test_lines_and_kinds_that_come_later_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(START + "\n" + START.replace('"start"', '"novelty"') + "\n")
    assert isinstance(read_events(path), EventFile)


def test_the_guide_names_every_field(tmp_path: Path, rows: Any) -> None:
    path, guide = tmp_path / "run.jsonl", GUIDE.read_text()
    dgd.fit(*rows, threads=1, callbacks=[Events(path)])
    for line in lines(path):
        row = next(row for row in guide.splitlines() if row.startswith(f"| `{line['event']}`"))
        for name in line.keys() - {"schema", "event", "run", "time", "elapsed"}:
            assert f"`{name}`" in row, name


def test_the_shell_writes_them(tmp_path: Path, rows: Any, capsys: pytest.CaptureFixture[str]) -> None:
    store, path = tmp_path / "train.zarr", tmp_path / "run.jsonl"
    with dgd.DatasetWriter(store) as writer:
        writer.append(*rows)
    fit = ["fit", str(store), "--loss", "huber", "--quiet", "--events", str(path), "--json"]
    assert main(fit) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [record.as_json() for record in read_events(path).passes] == printed["history"]
    checkpoint = str(tmp_path / "run.ckpt")
    assert main([*fit, "--solver", "nesterov", "--max-iter", "3", "--checkpoint", checkpoint]) == 0
    assert main(["resume", checkpoint, "--max-iter", "5", "--quiet", "--events", str(path)]) == 0
    assert [record.iteration for record in read_events(path).passes] == [1, 2, 3, 4, 5]
    capsys.readouterr()
    assert main(["fit", str(store), "--events", os.fspath(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
