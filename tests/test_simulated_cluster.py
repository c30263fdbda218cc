"""Whatever goes wrong on a cluster, a pass has the bits of a healthy one, or ends in an error of dgd's, in time."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from sums import gradient_sum

import dgd
from dgd.errors import ClusterLostError
from dgd.losses import Squared
from dgd.passes.executor import Executor, InlineExecutor
from dgd.testing import MemoryChunks
from dgd.testing.simulated_cluster import Endless, SimulatedCluster

CHUNKS, PASSES = 11, 3


def descended(executor: Executor, *, resident: int = 0) -> bytes:
    """θ after a few steps, and the sums on the way: each pass depends on the bits of the one before."""
    rng = np.random.default_rng(0)
    bounds = np.append(np.arange(0, 4 * CHUNKS - 3, 4), 4 * CHUNKS - 2)
    X, y = rng.normal(size=(bounds[-1], 4)), rng.normal(size=bounds[-1])
    dataset = dgd.Dataset(MemoryChunks("X", X, bounds), MemoryChunks("y", y, bounds))
    theta, sums = np.zeros(4), b""
    executor.make_resident(dataset, resident)
    for _ in range(PASSES):
        part = executor.sweep(dataset, gradient_sum(Squared(), 0.1, theta)).value.parts[0]
        sums += part.gradient.tobytes() + np.float64(part.loss).tobytes()
        theta = theta - 0.01 * part.gradient[-4:]
    executor.close()
    return theta.tobytes() + sums


def ends(seeds: range) -> Counter[str]:
    """How the fits of so many schedules end; fails where one has other bits, another error, or no end."""
    expected = descended(InlineExecutor())
    found: Counter[str] = Counter()
    for seed in seeds:
        with SimulatedCluster(seed=seed) as cluster:
            try:
                result = descended(cluster.executor(), resident=seed % 3 * CHUNKS // 2)
            except ClusterLostError:
                found["lost"] += 1
            else:
                assert result == expected, f"seed {seed} has other bits: {cluster.log}"
                found["same" if cluster.log else "healthy"] += 1
    return found


def test_any_schedule_has_the_bits_of_a_healthy_one_or_an_error() -> None:
    found = ends(range(100))
    assert found["healthy"] > 10
    assert found["same"] > found["lost"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 11_000, 500))
def test_ten_thousand_schedules(first: int) -> None:
    found = ends(range(first, first + 500))
    assert found["same"] > found["lost"] > 50


def test_a_seed_is_a_schedule() -> None:
    logs = []
    for _ in range(2):
        with SimulatedCluster(seed=12) as cluster:
            with suppress(ClusterLostError):
                descended(cluster.executor())
            logs.append((cluster.log, cluster.now))
    assert logs[0] == logs[1]


def test_no_worker_ever_is_an_error_and_an_endless_wait_is_found() -> None:
    with SimulatedCluster(seed=0, workers=0, faults=0) as cluster, pytest.raises(ClusterLostError, match="for 60 s"):
        descended(cluster.executor())
    with SimulatedCluster(seed=0, workers=0, faults=0) as cluster, pytest.raises(Endless):
        descended(cluster.executor(worker_timeout=1e9))
