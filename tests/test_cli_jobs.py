"""`dgd fit --checkpoint` and `dgd resume`: signals, exit codes, a lost cluster, a closed terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.errors import ClusterLostError, ConfigurationError, ModelError
from dgd.passes.threads import ThreadExecutor

SLOW = ["-v", "--solver", "gd", "--learning-rate", "1e-9", "--tol", "0", "--max-iter", "1000000000", "--threads", "1"]
SHORT = ["--solver", "nesterov", "--tol", "0", "--max-iter", "12", "--threads", "1", "--json"]
LIKE_SHORT: dict[str, Any] = {"solver": "nesterov", "tol": 0, "threads": 1}
SOON = 60.0

Run = Callable[..., Any]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process: its code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        return main([str(argument) for argument in arguments]), *capfd.readouterr()

    return run


@pytest.fixture
def start(store: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts an endless fit, and waits for its third pass."""
    children = []

    def start(*arguments: object, before: str = "") -> subprocess.Popen[str]:
        program = f"import signal, sys\n{before}\nfrom dgd.cli import main\nsys.exit(main())"
        command = [sys.executable, "-c", program, "fit", store, *SLOW, *map(str, arguments)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stderr is not None
        while "  pass 3" not in (line := child.stderr.readline()):
            assert line
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


EACH = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=[] if n == signal.SIGUSR1 else pytest.mark.slow) for n in EACH]
)
def test_a_signal_ends_with_a_checkpoint_and_the_model_and_75(
    start: Any, run: Run, store: str, tmp_path: Path, number: int
) -> None:
    path, out = tmp_path / "run.ckpt", tmp_path / "m.dgd"
    child = start("--checkpoint", path, "--out", out, "--json")
    child.send_signal(number)
    printed, err = child.communicate(timeout=SOON)
    assert child.returncode == 75, err
    passes = json.loads(printed)["n_iter"]
    assert f"checkpoint after pass {passes}; go on with `dgd resume {path}`" in err
    assert dgd.load_model(out).coef.tolist() == json.loads(printed)["coef"]
    code, printed, _ = run("resume", path, "--max-iter", passes + 2, "--json")
    whole = dgd.fit(store, solver="gd", learning_rate=1e-9, tol=0, max_iter=passes + 2, threads=1)
    assert code == 0
    assert json.loads(printed)["theta"] == whole.theta.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), pytest.param(signal.SIGUSR1, 138, marks=pytest.mark.slow)]
)
def test_a_signal_without_a_checkpoint_has_its_own_code(start: Any, tmp_path: Path, number: int, code: int) -> None:
    child = start("--out", tmp_path / "m.dgd")
    child.send_signal(number)
    child.communicate(timeout=SOON)
    assert child.returncode == code
    assert dgd.load_model(tmp_path / "m.dgd").n_features == 5


@pytest.mark.slow
def test_a_warning_before_the_end_is_not_the_second_signal(start: Any, tmp_path: Path) -> None:
    child = start("--checkpoint", tmp_path / "c")
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
        child.send_signal(number)
    _, err = child.communicate(timeout=SOON)
    assert child.returncode == 75
    assert "stopped at once" not in err


@pytest.mark.slow
def test_nohup_is_respected(start: Any) -> None:
    child = start(before="signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    child.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(1)


@pytest.mark.slow
def test_a_terminal_that_closes_costs_nothing(store: str, tmp_path: Path) -> None:
    out, path = tmp_path / "m.dgd", tmp_path / "c"
    arguments = ["-m", "dgd", "fit", store, *SLOW, "--out", str(out), "--checkpoint", str(path)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, *arguments])
    seen = b""
    while b"pass 3" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 75
    assert dgd.load_model(out).n_features == 5
    assert dgd.resume(path, max_iter=1).n_iter_ >= 3


def test_a_lost_cluster_leaves_a_checkpoint_and_the_model(
    run: Run, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out, passes = tmp_path / "run.ckpt", tmp_path / "m.dgd", 0
    expected = json.loads(run("fit", store, *SHORT)[1])
    sweep = ThreadExecutor.sweep

    def lost(*arguments: Any) -> Any:
        nonlocal passes
        passes += 1
        if passes == 6:
            raise ClusterLostError("the scheduler is gone")
        return sweep(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ThreadExecutor, "sweep", lost)
        code, printed, err = run("fit", store, *SHORT, "--quiet", "--checkpoint", path, "--out", out)
    assert code == 5
    assert err.splitlines() == [
        f"checkpoint after pass 4; go on with `dgd resume {path}`",
        f"model saved to {out}, as far as it was reached (interrupted)",
        "error: the scheduler is gone",
    ]
    assert json.loads(printed)["error"]["kind"] == "ClusterLostError"
    assert dgd.load_model(out).coef.tolist() == dgd.fit(store, **LIKE_SHORT, max_iter=4).coef_.tolist()
    code, printed, err = run("resume", path, "--out", out, "--overwrite", "--json", "--quiet")
    assert code == 0
    assert err.splitlines() == [
        f"checkpoint after pass 12; go on with `dgd resume {path}`",
        f"model saved to {out}, as far as it was reached (iteration limit)",
    ]
    assert json.loads(printed)["theta"] == expected["theta"]
    assert "pass 13  loss" in run("resume", path, "--max-iter", 13, "-v")[2]


def test_a_checkpoint_that_cannot_be_written_is_a_line(
    run: Run, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, calls = os.fsync, 0

    def fails(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fails)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, _, err = run(
            "fit", store, *SHORT, "--quiet", "--checkpoint", tmp_path / "c", "--checkpoint-every", "pass"
        )
    assert code == 0
    assert len(err.splitlines()) == 1
    assert err.startswith(f"warning: no checkpoint: {tmp_path}/c cannot be written: No space left on device")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (
            ["--checkpoint", "{tmp}/c", "--checkpoint-every", "hour"],
            2,
            "'hour' is neither a number",
        ),
        (
            ["--checkpoint", "{tmp}/c", "--checkpoint-every", "-1"],
            2,
            "--checkpoint-every must be a number above 0",
        ),
        (["--checkpoint", "{tmp}/no/c"], 2, "there is no folder"),
        (["--start", "{tmp}/no.dgd"], 3, "there is no dgd model"),
    ],
)
def test_options_that_cannot_be(
    run: Run, store: str, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    got, _, err = run("fit", store, *SHORT, *(each.format(tmp=tmp_path) for each in arguments))
    assert got == code
    assert says in err


def test_resume_says_in_the_words_of_the_shell_what_is_wrong(run: Run, store: str, tmp_path: Path) -> None:
    path = tmp_path / "c"
    assert run("resume", path)[::2] == (
        3,
        f"error: there is no checkpoint at {path}; give the path that --checkpoint had\n",
    )
    assert run("fit", store, *SHORT, "--checkpoint", path)[0] == 0
    code, _, err = run("fit", store, *SHORT, "--checkpoint", path)
    assert code == 2
    assert f"after pass 12; go on with `dgd resume {path}`, or remove it" in err
    other = tmp_path / "other.zarr"
    with dgd.DatasetWriter(other) as writer:
        writer.append(np.ones((10, 5)), np.ones(10))
    code, _, err = run("resume", path, other)
    assert code == 3
    assert "was made on other data: X has shape (10, 5), it had (1003, 5)" in err


# ---------------------------------------------------------------- where a fit starts


def test_a_fit_starts_at_a_saved_model(run: Run, store: str, tmp_path: Path) -> None:
    path = tmp_path / "m.dgd"
    result = dgd.fit(store)
    result.model.save(path)
    for theta0 in (result, result.model, path, str(path)):
        assert dgd.fit(store, solver="nesterov", theta0=theta0, tol=1e-6).n_iter_ == 1
    code, printed, _ = run("fit", store, "--solver", "nesterov", "--tol", "1e-6", "--start", path, "--json")
    assert (code, json.loads(printed)["n_iter"]) == (0, 1)


def test_several_outputs_and_no_intercept_start_at_a_model_too() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.normal(size=(200, 2))
    labels = np.array(["a", "b", "c"])[rng.integers(0, 3, 200)]
    cases: list[tuple[Any, dict[str, Any]]] = [
        (y, {}), (y[:, 0], {"fit_intercept": False}), (y, {"fit_intercept": False}), (labels, {"loss": "softmax"}),
    ]  # fmt: skip
    for target, options in cases:
        model = dgd.fit(X, target, **options).model
        assert dgd.fit(X, target, **options, solver="nesterov", theta0=model, tol=1e-6).n_iter_ == 1


def test_a_model_of_another_kind_is_no_start() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    model = dgd.fit(X, y).model
    classes = dgd.fit(X, (y > 0).astype(str), loss="logistic").model
    cases: list[tuple[Any, Any, dict[str, Any], Any, str]] = [
        (X[:, :2], y, {}, ModelError, "3 coefficients"),
        (X, np.column_stack([y, y]), {}, ConfigurationError, "a model of 1 outputs, and the fit has 2"),
        (X, y, {"fit_intercept": False}, ConfigurationError, "with an intercept"),
        (X, np.where(y > 0, "x", "y"), {"loss": "logistic", "theta0": classes}, ConfigurationError, "of the classes"),
    ]
    for data, target, options, error, says in cases:
        with pytest.raises(error, match=says):
            dgd.fit(data, target, **{"theta0": model, **options})
