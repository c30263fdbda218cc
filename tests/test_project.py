"""The project as a newcomer finds it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines()]


def test_the_top_level() -> None:
    visible = {path.relative_to(ROOT).parts[0] for path in tracked() if path.relative_to(ROOT).parts[0][0] != "."}
    assert visible == {
        "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "dgd", "tests", "deploy", "examples",
    }  # fmt: skip


def test_the_two_commands_are_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text().splitlines()
    assert 'python -m pip install ".[all]" && dgd demo' in readme
    assert 'python -m pip install -e ".[test]" && python -m pytest' in readme


def test_dependencies_are_few_and_chosen() -> None:
    names = {re.split(r"[<>=~!\[ ]", entry)[0] for entry in PYPROJECT["project"]["dependencies"]}
    assert names == {
        "numpy", "dask", "distributed", "zarr", "numcodecs", "threadpoolctl", "click", "crc32c", "psutil",
    }  # fmt: skip
    assert set(PYPROJECT["project"]["optional-dependencies"]) == {
        "fast", "ingest", "onnx", "plots", "sklearn", "sparse", "all", "docs", "test",
    }  # fmt: skip


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile(r"mark\.(skip|xfail)|pytest\.(skip|xfail|importorskip)\(")
    assert not [p for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__) and marks.search(p.read_text())]


@pytest.mark.parametrize("folder", ["dgd", "examples", "deploy", "tests"])
def test_nothing_is_left_undone(folder: str) -> None:
    undone = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert not [p for p in (ROOT / folder).rglob("*.py") if p != Path(__file__) and undone.search(p.read_text())]
