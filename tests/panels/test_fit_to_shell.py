"""`dgd fit-to`: many targets from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wide import LAT, LON, problem, same_bits, store, written

import dgd
from dgd.cli import main

X, Y, WEIGHT = problem()


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_maps_are_those_of_the_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y = Y.copy()
    y[:, 0] = np.nan
    path, out = store(tmp_path / "a.zarr", X, y, (40, 5, 6), weight=WEIGHT), tmp_path / "b.zarr"
    options = ("--weight", "weight", "--missing", "drop", "--strengths", "0,0.1,3", "--threads", "2", "--out", out)
    code, text, _ = run(capsys, "fit-to", path, *options, "--plan")
    assert code == 0
    assert "each stored chunk once" in text
    assert not out.exists()
    code, text, _ = run(capsys, "fit-to", path, *options)
    assert code == 0
    assert text.startswith(f"written   {LAT * LON} targets to {out}\n")
    assert f"without   {LON} targets without coefficients (NaN)" in text
    dgd.fit_to(path, tmp_path / "c.zarr", weight="weight", missing="drop", strengths=[0, 0.1, 3])
    assert same_bits(written(out), written(tmp_path / "c.zarr"))
    code, text, _ = run(capsys, "fit-to", path, *options, "--overwrite", "--json")
    found = json.loads(text)
    assert (found["targets_without"], found["plan"]["y_reads"]) == (LON, 1)


def test_errors_are_in_the_words_of_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = store(tmp_path / "a.zarr", X, Y, (40, 5, 6))
    where = ("--out", tmp_path / "b.zarr")
    for given, code, text in [
        (("--l2", "1", "--strengths", "1"), 2, "--l2 and --strengths exclude each other"),
        (("--strengths", "a"), 2, "write it like 0.01,0.1,1"),
        (("--strengths", "-1"), 2, "`--strengths` must be"),
        (("--memory-limit", "1MiB"), 2, "raise the limit"),
        (("--plan", "--memory-limit", "1MiB"), 2, "raise the limit"),
        (("--y", "z"), 3, "'z'"),
    ]:
        found, _, notes = run(capsys, "fit-to", path, *where, *given)
        assert found == code, notes
        assert text.replace("`", "") in notes.replace("`", "")
    assert not (tmp_path / "b.zarr").exists()
    assert run(capsys, "fit-to", path, *where, "--l2", "0.1", "--no-intercept")[0] == 0
    code, _, notes = run(capsys, "fit-to", path, *where)
    assert code == 2
    assert "give another path, or --overwrite" in notes
