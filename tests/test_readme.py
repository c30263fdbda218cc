"""The README's commands and code run, and print what it says they print."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT

import numpy as np
import pytest

import dgd

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TIMED = re.compile(r", [\d.]+ s$")
"""What a machine under load adds to a line."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, list[str]]]:
    """Each `$ command` of the console block, with the lines printed below it."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def same_line(printed: str, expected: str) -> None:
    """The same words, and numbers that agree to six digits: the last ones depend on the processor."""
    for ours, theirs in zip(printed.split(), expected.split(), strict=True):
        try:
            assert float(ours) == pytest.approx(float(theirs), rel=1e-6), printed
        except ValueError:
            assert ours == theirs, printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples in it, in which the commands are run one after the other."""
    path = tmp_path_factory.mktemp("readme")
    (path / "examples").symlink_to(ROOT / "examples")
    return path


def test_the_console_prints_what_is_printed(folder: Path) -> None:
    dgd_command = Path(sys.executable).with_name("dgd")
    assert len(commands()) == 4
    for command, expected in commands():
        assert command.startswith("dgd ")
        done = subprocess.run(
            f"{dgd_command} {command.removeprefix('dgd ')}",
            shell=True,
            cwd=folder,
            stdout=PIPE,
            stderr=STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        printed = [TIMED.sub("", line) for line in done.stdout.splitlines()]
        assert len(printed) == len(expected), done.stdout
        for ours, theirs in zip(printed, expected, strict=True):
            same_line(ours, theirs)


def test_the_library_code_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (folder / "flights.zarr").exists():
        test_the_console_prints_what_is_printed(folder)
    shutil.rmtree(folder / "again.zarr", ignore_errors=True)
    monkeypatch.chdir(folder)
    program, loss = blocks("python")
    assert "class LogCosh" in loss
    exec(program, {})
    said = capsys.readouterr().out
    assert said.startswith("Status.CONVERGED")
    assert "solver summary: squared loss, 3 parameters" in said


def test_the_loss_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss pasted from the README passes the contract of the losses, and fits."""
    (tmp_path / "log_cosh.py").write_text(blocks("python")[-1])
    monkeypatch.syspath_prepend(tmp_path)
    loss = importlib.import_module("log_cosh").LogCosh()
    eta, y, h = np.linspace(-30, 30, 61), np.zeros(61), 1e-3
    for function, derivative in ((loss.value, loss.derivative), (loss.derivative, loss.second_derivative)):
        f = [function(eta + k * h, y) for k in (-2, -1, 1, 2)]
        np.testing.assert_allclose(
            derivative(eta, y), (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h), rtol=1e-8, atol=1e-9
        )
    X = np.random.default_rng(0).normal(size=(200, 2))
    result = dgd.fit(X, X @ [1.0, -2.0] + 3, loss=loss, tol=1e-10)
    np.testing.assert_allclose(result.theta, [3, 1, -2], atol=1e-6)


def test_every_test_named_is_there() -> None:
    for path in re.findall(r"`python -m pytest (\S+)", README):
        assert (ROOT / path.rstrip("`")).exists() or path.startswith("-"), path
    for path in re.findall(r"`(dgd/[\w/]+\.py)`", README):
        assert (ROOT / path).exists() or "log_cosh" in path, path
