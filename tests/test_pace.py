"""The pace that a plan tells: measured on a few chunks, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dgd
from dgd.testing import CountingRows

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")


def counted(path: Path, *, rows: int = 4000, chunk_rows: int = 10) -> tuple[dgd.Dataset, CountingRows]:
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=chunk_rows) as writer:
        writer.append(rng.normal(size=(rows, 3)), rng.normal(size=rows))
    dataset = dgd.open_dataset(path)
    X = CountingRows(dataset.X)
    return replace(dataset, X=X), X


def test_a_plan_reads_nothing_unless_it_is_to_measure(tmp_path: Path) -> None:
    dataset, X = counted(tmp_path / "a.zarr")
    assert dgd.plan(dataset, threads=2).pace is None
    assert not X.reads


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "chunks", "reads"), [(4000, 50, 2 + 50), (40, 2, 2 + 2), (10, 1, 1 + 1)])
def test_few_chunks_are_timed_after_a_first_one_for_each_thread(
    tmp_path: Path, rows: int, chunks: int, reads: int
) -> None:
    """Of 400 chunks an eighth, less than 16 MiB a thread: never near a pass, but for data that are nothing."""
    dataset, X = counted(tmp_path / "a.zarr", rows=rows)
    pace = dgd.plan(dataset, threads=2, measure=True).pace
    assert pace is not None
    assert pace.chunks == chunks
    assert len(X.reads) == reads
    assert pace.seconds_per_pass == pytest.approx(rows * 24 / pace.bytes_per_second)


@pytest.mark.slow
def test_what_cannot_be_read_has_no_pace(tmp_path: Path) -> None:
    counted(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "X" / "c" / "0" / "0").unlink()
    cost = dgd.plan(tmp_path / "a.zarr", measure=True)
    assert cost.pace is None
    assert "GB/s" not in cost.reading_line()


def test_what_does_not_fit_is_not_measured(tmp_path: Path) -> None:
    dataset, X = counted(tmp_path / "a.zarr")
    assert dgd.plan(dataset, execution=dgd.Execution(memory_limit=1000), measure=True).pace is None
    assert not X.reads
