"""--log: plain lines of what happens, beside the terminal, --quiet and --json; and what is expected of a fit."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import dgd
from dgd.__main__ import main as program
from dgd.cli import COMMANDS, commands, main
from dgd.fitting.record import Record
from dgd.fitting.verdict.expected_passes import expected_passes
from dgd.fitting.verdict.stopping import Stopping
from dgd.solvers import LBFGS, Newton

READ_NO_DATA = {"show", "export", "deploy", "config", "guide"}
LINE = r"\d\d:\d\d:\d\d  \d+ s  "


def test_a_log_has_a_line_for_each_pass_beside_quiet_and_json(
    store: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.log"
    path.write_text("what was there before\n")
    assert main(["fit", store, "--loss", "huber", "--log", str(path), "--quiet", "--json"]) == 0
    said = capfd.readouterr()
    assert said.err == ""
    found = json.loads(said.out)
    kept, begin, *passes, result, end = path.read_text().splitlines()
    assert kept == "what was there before"
    assert re.fullmatch(
        rf"{LINE}\d{{4}}-\d\d-\d\d  dgd {re.escape(dgd.__version__)}: dgd fit {store} --loss huber --log {path} "
        "--quiet --json",
        begin,
    )
    assert [re.match(rf"{LINE}pass (\d+)", line)[1] for line in passes] == [  # type: ignore[index]
        str(number) for number in range(1, found["n_iter"] + 1)
    ]
    assert f"loss {found['history'][1]['loss']:.6g} " in passes[1]
    assert re.fullmatch(rf"{LINE}converged after {len(passes)} passes, loss {found['loss']:.6g}", result)
    assert re.fullmatch(rf"{LINE}ended with exit code 0", end)


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - READ_NO_DATA))
def test_every_command_that_reads_data_has_a_log_and_can_be_quiet(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert {"--log", "--quiet"} <= {option for param in command.params for option in param.opts}


def test_those_that_only_look_have_their_log_too(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dgd.cli.progress.waiting.SIGN_SECONDS", 0.001)
    monkeypatch.setattr("dgd.cli.progress.screen.LINE_SECONDS", 0.0)
    for command in ["info", "split", "doctor"]:
        path = tmp_path / f"{command}.log"
        assert main([command, store, "--log", str(path), "--quiet"]) == 0
        assert capfd.readouterr().err == ""
        begin, *signs, end = path.read_text().splitlines()
        assert f": dgd {command} {store} --log {path} --quiet" in begin
        assert end.endswith("ended with exit code 0")
        assert bool(signs) == (command == "doctor")
        assert all(re.match(rf"{LINE}checking  \d+ s", sign) for sign in signs)


def test_a_log_is_readable_while_the_fit_runs_and_says_what_stderr_says(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dgd.cli.progress.screen.LINE_SECONDS", 0.0)
    path, seen = tmp_path / "run.log", []
    from dgd.cli.progress.passes import FitPasses

    shown = FitPasses.__call__

    def seeing(self: Any, record: Any) -> None:
        shown(self, record)
        seen.append(path.read_text().count("  pass "))

    monkeypatch.setattr(FitPasses, "__call__", seeing)
    assert main(["fit", store, "--loss", "huber", "--log", str(path)]) == 0
    assert seen == list(range(1, len(seen) + 1))
    assert capfd.readouterr().err.splitlines() == path.read_text().splitlines()[1:-2]


def test_errors_are_in_the_log_and_secrets_are_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.log"
    hidden = ["--storage-option", "token=hunter2", "--storage-option=key=hunter2"]
    command = ["copy", "memory://shelf/none.zarr?sig=hunter2", str(tmp_path / "b.zarr"), *hidden]
    code = main([*command, "--log", str(path)])
    said = path.read_text()
    assert code in (2, 3)
    assert "hunter2" not in said
    assert said.count("--storage-option") == 2
    assert capfd.readouterr().err.strip() in said
    assert said.endswith(f"ended with exit code {code}\n")


def test_a_disk_that_is_full_is_one_warning_and_a_place_that_is_none_an_error(
    store: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    assert main(["fit", store, "--loss", "huber", "--log", str(full)]) == 0
    assert capfd.readouterr().err.count("warning: no more lines are written to") == 1
    assert main(["fit", store, "--log", str(tmp_path / "none" / "run.log")]) == 3
    assert "run.log cannot be written: No such file or directory" in capfd.readouterr().err


@pytest.fixture
def handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_comes_during_imports_is_remembered(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run, checkpoint = dgd.cli.main, tmp_path / "run.ckpt"

    def late() -> int:
        signal.raise_signal(signal.SIGUSR1)
        return run()

    monkeypatch.setattr("dgd.cli.main", late)
    fit = ["dgd", "fit", store, "--solver", "gd", "--tol", "1e-9", "--checkpoint", str(checkpoint)]
    fit += ["--log", str(tmp_path / "run.log")]
    monkeypatch.setattr(sys, "argv", fit)
    assert program() == 75
    assert "stopping after this pass" in capfd.readouterr().err
    assert checkpoint.is_file()
    assert "SIGUSR1: stopping after this pass" in (tmp_path / "run.log").read_text()
    raised: list[int] = []
    monkeypatch.setattr("dgd.cli.signals.signal.raise_signal", raised.append)
    monkeypatch.setattr("dgd.cli.main", lambda: (signal.getsignal(signal.SIGUSR1)(signal.SIGUSR1, None), run())[1])  # type: ignore[operator,misc]
    monkeypatch.setattr(sys, "argv", ["dgd", "info", store])
    assert program() == 0
    assert raised == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


@pytest.mark.parametrize(("solver", "loss"), [("newton", "logistic"), ("lbfgs", "huber"), ("gd", "huber")])
def test_what_is_expected_is_near_what_comes(solver: str, loss: str) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 6))
    y = X @ rng.normal(size=6) + rng.logistic(size=500)
    seen: list[int | None] = []
    result = dgd.fit(
        X,
        (y > 0).astype(float) if loss == "logistic" else y,
        loss=loss,
        solver=solver,
        threads=1,
        callbacks=[lambda record: seen.append(record.passes_expected)],
    )
    made = result.n_iter_
    assert seen[-1] == made == len(seen)
    said = [(number, expected) for number, expected in enumerate(seen[:-1], 1) if expected is not None]
    assert len(said) >= made // 3
    assert all(number < expected <= 1.5 * made + 1 and expected >= made / 1.5 - 1 for number, expected in said)
    assert all(record.passes_expected is None for record in result.history)


def records(*norms: float) -> list[Record]:
    return [Record(k, 0.0, norm, 1.0, 1.0, 1.0, 0, True) for k, norm in enumerate(norms, 1)]


def test_quadratic_and_linear_convergence_are_foreseen_and_nothing_else() -> None:
    stopping = Stopping(max_iter=50)

    def expected(solver: Any, *norms: float) -> int | None:
        return expected_passes(solver, records(*norms), 1e-12, stopping, ends=False)

    assert expected(Newton(), 1.0, 1e-1) == 5  # then 1e-3, 1e-7, 1e-15
    assert expected(Newton(), 1.0) is None
    assert expected(Newton(), 1.0, 1e-13) == 3  # small, and goes on: one more
    minibatch = dgd.solvers.MiniBatch(dgd.solvers.Constant(0.1))
    falling = [10.0**-k for k in range(7)]
    assert expected(LBFGS(), *falling) == 7 + 6
    assert expected(LBFGS(), *falling[:5]) is None
    assert expected(LBFGS(), *([1.0] * 7)) is None
    assert expected(LBFGS(), *(1.01**-k for k in range(9))) == 50  # `max_iter`
    assert expected(minibatch, *falling) is None
    assert expected_passes(LBFGS(), records(*falling), 1e-12, stopping, ends=True) == 7
