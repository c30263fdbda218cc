"""What many targets cost: reads that are counted, and memory that the plan said before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from wide import LAT, LON, ROWS, problem, store

import dgd
from dgd.data.targets.tiles import Tiles
from dgd.data.zarr import zarr_rows
from dgd.errors import PlanError
from dgd.fitting.panels.row_groups import RowGroups

X, Y, WEIGHT = problem()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each stored chunk is asked for."""
    found: Counter[str] = Counter()
    fetch = zarr_rows.fetch

    def counted(source: Any, key: str, *arguments: Any, **options: Any) -> Any:
        found[f"{source.label.rpartition('/')[2]}/{key}"] += 1
        return fetch(source, key, *arguments, **options)

    monkeypatch.setattr(zarr_rows, "fetch", counted)
    return found


@pytest.mark.each(2)
@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("chunks", [(ROWS, 5, 6), (1, LAT, LON), (40, 13, 4), (7, 2, 3)])
def test_each_stored_chunk_is_read_once(chunks: tuple[int, ...], reads: Counter[str], tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, Y, chunks, x_rows=50)
    plan = dgd.plan_fit_to(path, threads=2)
    assert not reads
    found = dgd.fit_to(path, tmp_path / "b.zarr", threads=2)
    same = {"base_bytes": 0, "memory_bytes": 0}
    assert replace(found.plan, **same) == replace(plan, **same)
    assert (plan.x_resident, plan.x_reads, plan.y_reads) == (True, 1, 1)
    assert "each stored chunk once" in str(plan)
    assert "read once, and stays in memory" in str(plan)
    of_y = [count for key, count in reads.items() if "y/" in key]
    assert len(of_y) == np.prod([-(-size // chunk) for size, chunk in zip(Y.shape, chunks, strict=True)])
    assert set(of_y) == {1}
    assert [count for key, count in reads.items() if "X/" in key] == [1, 1, 1]
    assert found.bytes_read >= X.nbytes // 4


@pytest.mark.usefixtures("small_tiles")
def test_x_is_read_once_for_each_panel_where_it_does_not_stay(reads: Counter[str], tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, Y, (40, 5, 6), x_rows=50)
    how: dict[str, Any] = {"panel": 100, "execution": dgd.Execution(threads=2, resident=0)}
    found = dgd.fit_to(path, tmp_path / "b.zarr", **how)
    assert found.plan.panels > 2
    assert found.plan.x_reads == 2 + found.plan.panels
    assert [count for key, count in reads.items() if "X/" in key] == [found.plan.x_reads] * 3
    assert {count for key, count in reads.items() if "y/" in key} == {1}
    assert f"read {found.plan.x_reads} times, twice for all and once for each panel" in str(found.plan)


@pytest.mark.usefixtures("small_tiles")
def test_narrow_panels_read_wide_chunks_again_as_planned(reads: Counter[str], tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, Y, (1, LAT, LON))
    found = dgd.fit_to(path, tmp_path / "b.zarr", panel=110)
    assert found.plan.y_reads > 1
    assert f"up to {found.plan.y_reads} times" in str(found.plan)
    assert {count for key, count in reads.items() if "y/" in key} == {found.plan.y_reads}


def test_tiles_cover_every_cell_once() -> None:
    for sizes, chunks, numbers in [
        ((1000,), (100,), 20),
        ((10**6,), (1000,), 20),
        ((10**6,), (10**6,), 20),
        ((720, 1440), (720, 1440), 20),
        ((720, 1440), (100, 100), 20),
        ((721, 1440), (200, 500), 2),
        ((7, 11, 13), (3, 4, 5), 3000),
        ((50_000,), None, 5),
        ((1, 1), (1, 1), 1),
    ]:
        tiles = Tiles.of(sizes, chunks, numbers)
        seen = np.zeros(sizes, np.int8)
        for place in tiles.order:
            cells = tiles.at(place)
            inside = np.zeros([part.stop - part.start for part in cells], np.int8)
            for piece in tiles.pieces(place):
                inside[piece.in_tile] += 1
                block = tiles.block(piece.block)
                corner = [a.start + b.start for a, b in zip(block, piece.in_block, strict=True)]
                assert corner == [a.start + b.start for a, b in zip(cells, piece.in_tile, strict=True)]
            assert (inside == 1).all()
            seen[cells] += 1
        assert (seen == 1).all()
        for width in (1, 2, 3, 10, 10**6):
            panels = tiles.panels(width)
            assert [k for part in panels for k in part] == list(range(len(tiles.order)))
            assert max(map(len, panels)) <= width
            if width >= tiles.sharing:
                blocks = [{piece.block for k in part for piece in tiles.pieces(tiles.order[k])} for part in panels]
                assert sum(map(len, blocks)) == len(set().union(*blocks)), "no chunk is read twice"


def test_groups_cover_every_row_once() -> None:
    for bounds in ([0, 1], [0, 5, 10, 13], list(range(1001)), [0, 10_000, 20_000, 20_001]):
        groups = RowGroups.of(np.array(bounds))
        chunks = [chunk for group in groups.chunks for chunk in group]
        assert chunks == list(pairwise(bounds))
        assert [k for leaf in groups.leaves for k in leaf] == list(range(len(groups.chunks)))


CHILD = """
import json, sys
import dgd
from dgd.passes.memory import peak_bytes
path, out, limit, resident = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
options = json.loads(sys.argv[5])
where = dgd.Execution(threads=2, memory_limit=limit, resident="auto" if resident == "auto" else int(resident))
plan = dgd.plan_fit_to(path, execution=where, **options)
found = dgd.fit_to(path, out, execution=where, **options)
print(json.dumps({"planned": found.plan.memory_bytes, "peak": peak_bytes(), "panels": found.plan.panels,
                  "base": found.plan.base_bytes, "before": plan.memory_bytes, "reads": found.plan.y_reads}))
"""
MEBI = 2**20


def measured(path: str, out: Path, limit: int, resident: str = "auto", **options: Any) -> dict[str, int]:
    """A fit in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, path, str(out), str(limit), resident, json.dumps(options)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("layout", ["columns", pytest.param("rows", marks=pytest.mark.slow)])
def test_peak_memory_is_that_of_the_plan(layout: str, tmp_path: Path) -> None:
    """y of 72 MB in panels, by chunks of some columns; of 240 MB by chunks of a row each."""
    rng, targets = np.random.default_rng(0), 60_000 if layout == "columns" else 200_000
    X, y = rng.normal(size=(300, 10)), rng.random((300, targets), dtype=np.float32)
    path = store(tmp_path / "a.zarr", X, y, (300, 10_000) if layout == "columns" else (1, targets), dims=None)
    limit = 200 * MEBI
    found = measured(path, tmp_path / "b.zarr", limit)
    assert found["peak"] <= 1.1 * found["planned"] <= 1.1 * limit
    assert found["peak"] - found["base"] >= 0.3 * (found["planned"] - found["base"]), "the plan is far from the truth"


def test_what_does_not_fit_is_refused_before_anything_is_read(reads: Counter[str], tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, Y, (40, 5, 6))
    where = dgd.Execution(threads=2, memory_limit=dgd.plan_fit_to(path, threads=2).base_bytes // 2)
    assert not dgd.plan_fit_to(path, execution=where).fits
    with pytest.raises(PlanError, match=r"is allowed: \d threads? × .* \(panels of [\d,]+ targets\)"):
        dgd.fit_to(path, tmp_path / "b.zarr", execution=where)
    assert not reads
    assert not (tmp_path / "b.zarr").exists()


def test_chunks_behind_a_url_are_asked_for_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    from dgd.data.zarr.sources import StoreSource

    MemoryFileSystem.store.clear()
    path = store(tmp_path / "a.zarr", X, Y, (40, 5, 6))
    MemoryFileSystem().put(path, "/wide.zarr", recursive=True)
    asked: list[str] = []
    ahead = StoreSource.ahead

    def noted(self: Any, keys: Any, *arguments: Any, **options: Any) -> bool:
        found = list(keys)
        asked.extend(found)
        return ahead(self, found, *arguments, **options)

    monkeypatch.setattr(StoreSource, "ahead", noted)
    dgd.fit_to("memory://wide.zarr", "memory://maps.zarr", threads=1)
    dgd.fit_to(path, tmp_path / "b.zarr", threads=1)
    assert len([key for key in asked if key.count("/") == 3]) > 36
    there = zarr.open_group("memory://maps.zarr", mode="r")
    np.testing.assert_array_equal(there["coef"][:], zarr.open_group(str(tmp_path / "b.zarr"))["coef"][:])
