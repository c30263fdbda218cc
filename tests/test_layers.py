"""The import rule is kept, and what is against it is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from import_graph import (
    ALLOWED,
    MOST_ENTRIES,
    PACKAGE,
    astray,
    circles,
    folder,
    forbidden,
    imports,
    module_of,
    top_entries,
)


def test_folders_import_only_what_the_rule_allows() -> None:
    assert not forbidden(imports())


def test_no_circle_of_files() -> None:
    assert not circles(imports())


def test_outside_libraries_stay_at_home() -> None:
    assert not astray(imports())


@pytest.mark.parametrize(
    ("path", "module", "check"),
    [
        ("solvers/newton.py", "dgd.losses.base", forbidden),
        ("losses/base.py", "dgd.data.rows", forbidden),
        ("data/rows.py", "dgd.passes.tree", forbidden),
        ("models/model.py", "dgd.fitting.fit", forbidden),
        ("cli/fit.py", "dgd.estimators.base", forbidden),
        ("models/predictor.py", "dgd.models.model", circles),
        ("fitting/loop.py", "distributed", astray),
    ],
)
def test_an_import_against_the_rule_is_found(path: str, module: str, check: Callable[..., list[str]]) -> None:
    found = {**imports(), Path(path): [*imports()[Path(path)], (module, 1)]}
    assert check(found)


def test_asking_for_a_client_loads_no_arrays_of_dask() -> None:
    """They bring pandas and SciPy: a second of CPU at the start of each job on a cluster."""
    needed, modules = {"dgd.passes.cluster.client"}, {module_of(path): found for path, found in imports().items()}
    while new := {name for module in needed for name, _ in modules.get(module, [])} - needed:
        needed |= new
    assert "distributed" in needed
    assert "dask.array" not in needed


def test_every_folder_has_its_rule() -> None:
    assert {folder(path) for path in imports()} == set(ALLOWED)


def test_the_top_floor_is_short() -> None:
    assert len(top_entries()) <= MOST_ENTRIES


def test_files_are_one_thing() -> None:
    long = {str(p): n for p in imports() if (n := len((PACKAGE / p).read_text().splitlines())) > 300}
    assert not long
