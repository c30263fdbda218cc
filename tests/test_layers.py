"""The layers: imports only point down, and each outside library is imported in its own folder."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dgd"

LAYERS = [
    ("base", ["errors", "_version"]),
    ("maths", ["buffers", "tree", "losses", "penalties", "solvers"]),
    (
        "contracts",
        [
            "rows",
            "dataset",
            "selection",
            "resident",
            "blas",
            "executor",
            "moments",
            "row_checks",
            "hessians",
            "kernels",
            "loss_sum",
        ],
    ),
    (
        "driver",
        [
            *["coordinates", "epoch", "objective", "pace", "plan", "choice", "target_labels", "records", "fit"],
            *["certificate", "divergence", "result", "model", "model_files", "score", "predictions"],
        ],
    ),
    ("adapters", ["storage", "runtime", "ingest"]),
    (
        "surfaces",
        [
            "arguments",
            "opening",
            "preparation",
            "execution",
            "fitting",
            "serving",
            "api",
            "testing",
            "estimators",
            "cli",
            "__init__",
            "__main__",
        ],
    ),
]
LEVEL = {name: level for level, (_, names) in enumerate(LAYERS) for name in names}

HOMES = {
    "zarr": {"storage"},
    "numcodecs": {"storage"},
    "google_crc32c": {"storage"},
    "dask": {"runtime"},
    "distributed": {"runtime"},
    "sklearn": {"estimators"},
    "scipy": {"estimators"},
    "click": {"cli"},
    "pyarrow": {"ingest"},
    "threadpoolctl": {"blas"},
}
"""Where each outside library may be imported; NumPy may be anywhere, and nothing else anywhere at all."""

UPWARD = {
    ("model", "api"): "Model.predict and Model.score are the fixed names of the surface",
}

NEVER = {
    "losses": {"dataset", "executor", "objective", "solvers", "penalties", "kernels", "coordinates", "buffers", "tree"},
    "penalties": {"dataset", "executor", "objective", "solvers", "losses", "kernels", "coordinates", "buffers", "tree"},
    "solvers": {"dataset", "executor", "objective", "losses", "penalties", "kernels", "coordinates", "buffers", "tree"},
    "objective": {"storage", "runtime"},
    "runtime": {"losses", "penalties", "solvers", "objective", "kernels", "epoch", "storage"},
    "storage": {"losses", "penalties", "solvers", "objective", "epoch", "runtime"},
}
"""What each may not know, beyond the order of layers."""


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit(path: Path) -> str:
    """The module or folder directly below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, at any depth, with its line; type checking alone does not count."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or "", node.lineno
            if node.module == "dgd":
                yield from ((f"dgd.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    ours = unit(path)
    for module, line in imports(path):
        parts = module.split(".")
        if parts[0] != "dgd" or len(parts) < 2 or parts[1] not in LEVEL or parts[1] == ours:
            continue
        theirs = parts[1]
        where = f"{path}:{line} imports dgd.{theirs}"
        assert theirs not in NEVER.get(ours, set()), where
        if (ours, theirs) not in UPWARD:
            assert LEVEL[theirs] <= LEVEL[ours], where


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_outside_libraries_stay_at_home(path: Path) -> None:
    for module, line in imports(path):
        top = module.partition(".")[0]
        if top in {"dgd", "numpy"} or top in sys.stdlib_module_names:
            continue
        assert unit(path) in HOMES.get(top, set()), f"{path}:{line} imports {top}"


def test_every_module_has_its_layer() -> None:
    assert {unit(path) for path in files()} <= set(LEVEL)


def test_files_are_one_thing() -> None:
    long = {str(p): n for p in files() if (n := len(p.read_text().splitlines())) > 300}
    assert not long
