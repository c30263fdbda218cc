"""`dgd cv` and `dgd path`: many fits from a shell."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.passes.threads import ThreadExecutor


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_cv_prints_a_table_and_saves_the_fit_that_is_chosen(store, problem, tmp_path: Path, capsys):
    out = tmp_path / "best.dgd"
    code, text, notes = run(capsys, "cv", store, "--n-lambdas", 9, "--folds", 4, "--out", out, "--choose", "one_se")
    assert code == 0, notes
    found = dgd.cross_validate(store, n_lambdas=9, folds=4, choose="one_se")
    assert text.startswith("9 penalties × 4 folds")
    assert f"{found.mean[found.best]:.9g}" in text
    np.testing.assert_array_equal(dgd.load_model(out).coef, found.result.coef_)
    code, text, _ = run(capsys, "cv", store, "--penalty", "0.5", "--n-lambdas", 3, "--json")
    assert code == 0
    assert len(json.loads(text)["table"]) == 3
    code, _, notes = run(capsys, "cv", store, "--out", out)
    assert (code, "exists" in notes) == (2, True)


def test_path_prints_strengths(store, capsys):
    code, text, notes = run(capsys, "path", store, "--penalty", "l1", "--json")
    assert code == 0, notes
    found = json.loads(text)
    assert len(found["strengths"]) == 100
    assert found["nonzero"][0] == 0
    code, text, _ = run(capsys, "path", store, "--penalty", "l1", "--n-lambdas", 4)
    assert "4 fits in 1 pass" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--penalty", "l3"), "neither l1 nor l2"),
        (("--folds", "2000"), "--folds 2000"),
        (("--solver", "minibatch", "--loss", "huber"), "lock-step"),
    ],
)
def test_what_cannot_be_is_a_usage_error(store, capsys, arguments, said):
    code, _, notes = run(capsys, "cv", store, *arguments)
    assert code == 2
    assert said in notes


@pytest.fixture
def signal_in_pass(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Send this process a signal when pass `number` begins; the passes that were begun."""
    begun: list[int] = []
    sweep = ThreadExecutor.sweep

    def arm(number: int, sent: int) -> list[int]:
        def sending(executor: ThreadExecutor, dataset: Any, chunk_sum: Any) -> Any:
            # Targets alone are read before the first pass.
            if dataset.shape[1] > 1:
                begun.append(len(begun))
                if len(begun) == number:
                    os.kill(os.getpid(), sent)
            return sweep(executor, dataset, chunk_sum)

        begun.clear()
        monkeypatch.setattr(ThreadExecutor, "sweep", sending)
        return begun

    return arm


@pytest.mark.each(2)
@pytest.mark.parametrize(
    ("command", "sent"),
    [(("cv", "--n-lambdas", "2", "--folds", "3"), signal.SIGTERM), (("path", "--n-lambdas", "3"), signal.SIGINT)],
    ids=["cv", "path"],
)
def test_the_command_that_a_signal_stopped_goes_on(command, sent, store, tmp_path: Path, capsys, signal_in_pass):
    name, *rest = command
    arguments = (name, store, *rest, "--loss", "huber", "--json")
    _, expected, _ = run(capsys, *arguments)
    kept = ("--checkpoint", tmp_path / "passes")
    signal_in_pass(3, sent)
    code, text, notes = run(capsys, *arguments, *kept)
    assert (code, text) == (75, "")
    assert f"stopped after pass 2; the same command goes on from {tmp_path / 'passes'}" in notes
    begun = signal_in_pass(0, sent)
    code, text, notes = run(capsys, *arguments, *kept)
    assert code == 0, notes
    ours, lone = ({**json.loads(each), "seconds": 0} for each in (text, expected))
    # What stays in memory from pass to pass is read again.
    assert ours.pop("bytes_read") > lone.pop("bytes_read")
    for each in (ours.get("result", {}), lone.get("result", {})):
        each.pop("seconds", None)
        each.pop("history", None)
    assert ours == lone
    assert len(begun) == ours["passes"] - 2
    signal_in_pass(2, sent)
    code, text, notes = run(capsys, *arguments)
    assert (code, text) == (128 + sent, "")
    assert "nothing is kept: with --checkpoint DIR" in notes


def test_passes_of_one_command_are_not_those_of_another(store, tmp_path: Path, capsys, signal_in_pass):
    arguments = ("path", store, "--loss", "huber", "--n-lambdas", 3, "--checkpoint", tmp_path / "passes")
    signal_in_pass(2, signal.SIGINT)
    assert run(capsys, *arguments)[0] == 75
    code, _, notes = run(capsys, *arguments, "--tol", 1e-3)
    assert code == 3
    assert "--tol is another one" in notes
    code, _, notes = run(capsys, "path", store, "--checkpoint", tmp_path / "other")
    assert code == 2
    assert "the squared loss takes one" in notes
    signal_in_pass(1, signal.SIGINT)
    code, _, notes = run(capsys, "path", store)
    assert code == 130
    assert notes.strip().endswith("nothing is kept"), "a checkpoint would be refused"
