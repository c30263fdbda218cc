"""`dgd cv` and `dgd path`: many fits from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main


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
