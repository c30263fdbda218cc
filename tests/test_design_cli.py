"""Tables with categories in a shell: the same fits, and messages in the words of options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import table, written

import dgd
from dgd.cli import main


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(written(tmp_path_factory.mktemp("design_cli") / "t.parquet", table(missing=True)))


def fitted(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """What `dgd fit --json` prints, and what it says beside."""
    code = main(["fit", *arguments, "--json", "--quiet", "--threads", "1"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out), said.err


def test_a_table_is_fitted_scored_and_predicted(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tmp_path / "m.dgd")
    options = ["--target", "y", "--features", "a,b", "--feature", "c", "--categorical", "k", "--missing", "drop"]
    found, said = fitted(capsys, path, *options, "--weight", "w", "--out", model)
    expected = dgd.fit(path, "y", features=["a", "b", "c"], categorical=["k"], missing="drop", weight="w", threads=1)
    assert found["theta"] == expected.theta.tolist()
    assert "design: 4 columns of the table: 15 columns of X; levels: b 3, k 12" in said
    assert found["missing_cells"] == expected.missing_cells
    assert set(found["missing_cells"]) == {"a", "b", "c"}
    assert main(["score", model, path, "--missing", "drop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 600 - found["rows_left_out"]
    assert main(["predict", model, path, "--missing", "drop"]) == 0
    printed = np.array([float(line) for line in capsys.readouterr().out.split()])
    np.testing.assert_array_equal(printed, expected.model.predict(path, missing="drop"))


def test_a_formula_says_all(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formula = "log(e) ~ f + k + C(label) - 1"
    found, _ = fitted(capsys, path, "--formula", formula, "--inference", "--groups", "k", "--validation", path)
    assert found["feature_names"] == ["f", "k", "label[down]", "label[up]"]
    assert found["theta"] == dgd.fit(path, design=formula, threads=1).theta.tolist()
    found, _ = fitted(capsys, path, "--target", "y", "--features", "b,f", "--missing", "mean", "--no-intercept")
    assert found["feature_names"][:3] == ["b[x]", "b[y]", "b[z]"]


def test_a_fit_of_a_table_goes_on_from_its_checkpoint(path: str, tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "c")
    options = ["--target", "y", "--features", "a,b", "--missing", "indicator", "--solver", "lbfgs", "--quiet"]
    assert main(["fit", path, *options, "--max-iter", "2", "--checkpoint", checkpoint]) == 0
    assert main(["resume", checkpoint, "--max-iter", "100", "--out", str(tmp_path / "m.dgd"), "--quiet"]) == 0
    expected = dgd.fit(path, "y", features=["a", "b"], missing="indicator", solver="lbfgs")
    assert dgd.load_model(tmp_path / "m.dgd").coef.tobytes() == expected.coef_.tobytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "y"], "'t' (times: give --time-unit days, or another unit); or leave it out: --drop t"),
        (["--target", "y", "--drop", "t,z"], "--drop: .*has no column 'z'. It has a, b"),
        (["--formula", "y ~ a +"], "the formula 'y ~ a +': expected a column, got 'the end'"),
        (
            ["--formula", "y ~ a", "--categorical", "k"],
            "used, and so do --features",
        ),
        (["--target", "y", "--features", "a,b"], "column 'a' is missing; drop or fill such rows (--missing drop"),
    ],
)
def test_what_cannot_be_is_said_in_options(
    path: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", path, *options, "--quiet"]) in (2, 3)
    assert said.partition(".*")[2] in capsys.readouterr().err if ".*" in said else said in capsys.readouterr().err


def test_other_commands_take_a_table(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--target", "y", "--features", "e,f", "--categorical", "k,label", "--json"]
    assert main(["plan", path, *options]) == 0
    assert json.loads(capsys.readouterr().out)["features"] == 14
    assert main(["cv", path, *options, "--folds", "3", "--n-lambdas", "3"]) == 0
    assert main(["path", path, *options, "--n-lambdas", "3"]) == 0
    assert main(["summarize", path, "--out", str(tmp_path / "s"), *options]) == 0
