"""The benchmarks of clusters run, at sizes that measure nothing."""

from __future__ import annotations

import pytest
from benchmarks import soak, workers


def test_soak_tells_a_leak_from_a_log_that_is_full() -> None:
    """1 KiB a fit that stops in the middle, and 16 KiB a fit that do not."""
    full = [{"driver": 2**20, "scheduler": 1024 * min(k, 500), "spans": 1} for k in range(0, 1001, 100)]
    driver, scheduler = soak.rows(full, "fit", 100)
    assert (driver["KiB, first half"], driver["met"], driver["MiB"]) == (pytest.approx(0), None, 1)
    assert (scheduler["how many"], scheduler["KiB, first half"]) == (1000, pytest.approx(1))
    assert (scheduler["KiB, second half"], scheduler["met"]) == (pytest.approx(0, abs=1e-6), True)
    leak = [{"scheduler": 1024 * 16 * k, "spans": k} for k in range(0, 1001, 100)]
    (scheduler,) = soak.rows(leak, "fit", 100)
    assert (scheduler["KiB, second half"], scheduler["met"], scheduler["spans"]) == (pytest.approx(16), False, 1000)


@pytest.mark.slow
def test_soak_runs() -> None:
    found = soak.measure(fits=10, passes=20)
    assert [row["of a"] for row in found] == ["pass"] * 4 + ["fit"] * 4
    assert [row["process"] for row in found[:4]] == ["driver", "scheduler", "worker 1", "worker 2"]
    assert found[5]["spans"] == 0


@pytest.mark.slow
def test_workers_runs() -> None:
    first, second = workers.measure(workers=(2,), chunks=20, passes=4, traffic=(2,))
    assert (first["workers"], first["chunks"]) == (2, 20)
    assert 0 < first["least ms"] <= first["median ms"]
    assert first["CPU ms"] > 0
    assert second["messages out a task"] >= 1
    assert second["kB out a task"] > 0.8, "θ of 100 features is part of each"
