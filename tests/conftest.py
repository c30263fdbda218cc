"""What several tests share: the reference data, and small problems with a known answer."""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.data.targets import tiles

DATA = Path(__file__).parent / "data"
EXAMPLES = Path(__file__).parent.parent / "examples"


def read_csv(path: Path) -> dict[str, np.ndarray]:
    """The columns of a small CSV file of numbers."""
    names = path.read_text().splitlines()[0].split(",")
    values = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return dict(zip(names, values.T, strict=True))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


@dataclass(frozen=True)
class Problem:
    """A least-squares problem with its exact solution, intercept first."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    theta: np.ndarray
    theta_weighted: np.ndarray


@pytest.fixture
def tiny_data_are_divided_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what threads and workers do with problems that are far too small to be worth several of them."""
    monkeypatch.setattr("dgd.passes.threads.LEAST_NODE_BYTES", 1)
    monkeypatch.setattr("dgd.passes.cluster.cut.TASK_SECONDS", 1e-9)


@pytest.fixture(scope="session")
def problem() -> Problem:
    """1,003 rows × 5 columns of different scales, not centred; solved by QR."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(1003, 5)) * [1, 10, 0.1, 3, 1] + [0, 50, 0, -3, 1]
    y = X @ rng.normal(size=5) + 2 + rng.normal(size=1003)
    weight = rng.integers(0, 4, size=1003).astype(float)
    A = np.column_stack([np.ones(1003), X])
    root = np.sqrt(weight)
    return Problem(
        X=X,
        y=y,
        weight=weight,
        theta=np.linalg.lstsq(A, y, rcond=None)[0],
        theta_weighted=np.linalg.lstsq(A * root[:, None], y * root, rcond=None)[0],
    )


@pytest.fixture(scope="session")
def store(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> str:
    """That problem as a dgd dataset of 21 chunks, the last one short."""
    path = tmp_path_factory.mktemp("store") / "train.zarr"
    with dgd.DatasetWriter(path, chunk_rows=50, feature_names=list("abcde"), target_name="t") as writer:
        writer.append(problem.X, problem.y, problem.weight)
    return str(path)


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A scheduler and two workers of one thread, real processes; a test that kills one adds another."""
    from clusters import cluster

    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        found.add_worker()
        found.add_worker()
        yield found


def pytest_configure() -> None:
    """Keep bytecode, also where the environment says no: each of some hundred processes would compile dgd anew.

    And hear Ctrl-C.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell starts what it has in the background: tests of Ctrl-C would wait for ever.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Of two processes that collect all tests the second begins with the last files: each compiles half for both.

    No garbage is looked for meanwhile, and none among what was collected later on.
    """
    gc.disable()
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1" and session.config.args == ["tests"]:
        names = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
        for name in reversed(names[len(names) // 2 :]):
            with suppress(Exception):  # the collection says what it is
                importlib.import_module(name)
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


LARGE, SAMPLED = 4, 6
"""A family of so many cases is sampled: about each sixth runs by default, whichever its name's checksum says."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of large families, and of those that are marked `each(n)`, all but a sample is slow; before pytest's own choice.

    By a checksum, since each n-th case of a grid of parameters may be the same value of one of them.
    """
    sizes = Counter(_family(item) for item in items)
    seen: Counter[str] = Counter()
    for item in items:
        family, marker = _family(item), item.get_closest_marker("each")
        place, seen[family] = seen[family], seen[family] + 1
        if marker is not None:
            is_left_out = place % marker.args[0] > 0
        else:
            is_left_out = place > 0 and sizes[family] >= LARGE and zlib.crc32(item.nodeid.encode()) % SAMPLED > 0
        if is_left_out:
            item.add_marker(pytest.mark.slow)


def _family(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles of a small map, and a pass over few of them that is worth several threads."""
    monkeypatch.setattr(tiles, "FEWEST", 16)
    monkeypatch.setattr(tiles, "MOST", 64)
    monkeypatch.setattr("dgd.passes.threads.LEAST_NODE_BYTES", 1)
