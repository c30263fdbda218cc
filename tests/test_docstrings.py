"""Code in docstrings runs: every indented block that is Python with a call in it."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_graph import statements
from sklearn.model_selection import cross_val_score

import dgd
from dgd.estimators import ChunkKFold, Ridge, ZarrDesign
from dgd.losses import Squared
from dgd.passes.execution import Execution
from dgd.passes.plan import Need
from dgd.passes.session import session
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.row_sums import RowSums

PACKAGE = Path(dgd.__file__).parent
BLOCK = re.compile(r"(?:^    .*\n?)+", re.MULTILINE)
WRITES_TRAIN = "data/zarr/dataset_writer.py"


def programs() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in statements(ast.parse(path.read_text())):
            if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                continue
            for block in BLOCK.findall(ast.get_docstring(node) or ""):
                program = textwrap.dedent(block)
                if is_python(program):
                    yield path.relative_to(PACKAGE).as_posix(), program


def is_python(text: str) -> bool:
    if "(" not in text:
        return False
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(tree))


FOUND = list(programs())


def test_those_that_are_known_are_found() -> None:
    found = {name for name, _ in FOUND}
    assert {"__init__.py", WRITES_TRAIN, "estimators/__init__.py", "estimators/design.py"} <= found


@pytest.mark.parametrize(("name", "program"), FOUND, ids=[name for name, _ in FOUND])
def test_it_runs(name: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with two small datasets, and with the names that its text takes for granted."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    for path in ("train.zarr", "test.zarr"):
        if (name, path) == (WRITES_TRAIN, "train.zarr"):
            continue
        with dgd.DatasetWriter(path, chunk_rows=10) as writer:
            writer.append(X, y)
    with session(Execution(threads=1)) as running:
        names: dict[str, Any] = {
            "DatasetWriter": dgd.DatasetWriter, "blocks": [(X[:30], y[:30]), (X[30:], y[30:])],
            "cross_val_score": cross_val_score, "Ridge": Ridge, "ZarrDesign": ZarrDesign, "ChunkKFold": ChunkKFold,
            "running": running, "Need": Need, "chunk_sum": RowSums(Squared(), 0.0, np.zeros(2), (LossAndGradient(),)),
            "dataset": dgd.open_dataset("test.zarr"),
        }  # fmt: skip
        exec(compile(program, name, "exec"), names)
