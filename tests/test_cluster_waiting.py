"""Clusters that adapt, grow, freeze or hang up; what a fit says of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from clusters import cluster
from distributed import Client, LocalCluster

import dgd
from dgd.errors import ClusterLostError, ConfigurationError
from dgd.passes.cluster.connection import connected
from dgd.testing import MemoryChunks


def bits(result: dgd.Result) -> bytes:
    return result.theta.tobytes()


@contextmanager
def in_process(workers: int) -> Iterator[tuple[LocalCluster, Client]]:
    """Workers of one thread each, in this process."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=":0") as found,
        Client(found, set_as_default=False) as client,
    ):
        yield found, client


def test_a_cluster_that_adapts_from_zero_is_asked_for_workers(store: str) -> None:
    with in_process(0) as (found, client):
        found.adapt(minimum=0, maximum=2, interval="50ms")
        result = dgd.fit(store, client=client, max_iter=4, tol=0)
        assert result.plan.kind == "cluster"
        assert bits(result) == bits(dgd.fit(store, threads=1, max_iter=4, tol=0))
        waiting = client.run_on_scheduler(
            lambda dask_scheduler: [k for k in dask_scheduler.tasks if "wanted" in str(k)]
        )
        assert not waiting


READERS: list[int] = []
"""The threads that have read chunks: each worker has one."""


@dataclass(frozen=True, eq=False)
class Slow(MemoryChunks):
    """Chunks that take 20 ms each to read."""

    def read(self, start: int, stop: int, buffers: Any) -> Any:
        time.sleep(0.02)
        READERS.append(threading.get_ident())
        return super().read(start, stop, buffers)


def test_a_worker_that_joins_gets_work_in_the_pass_under_way() -> None:
    """Dask moves what has not begun, once a second by default."""
    X = np.random.default_rng(0).normal(size=(160, 2))
    bounds = range(0, 161, 4)
    dataset = dgd.Dataset(Slow("X", X, bounds), MemoryChunks("y", X.sum(axis=1), bounds))
    readers: dict[int, set[int]] = {}
    with dask.config.set({"distributed.scheduler.work-stealing-interval": "50ms"}), in_process(1) as (found, client):

        def grow(record: dgd.Record) -> None:
            readers[record.iteration] = set(READERS)
            READERS.clear()
            if record.iteration == 2:
                threading.Timer(0.1, found.scale, [2]).start()

        dgd.fit(
            dataset,
            client=client,
            solver="gd",
            max_iter=3,
            tol=0,
            callbacks=[grow],
            execution=dgd.Execution(resident=0),
        )
    assert [len(readers[i]) for i in (1, 2, 3)] == [1, 1, 2]


@pytest.mark.slow
def test_a_frozen_scheduler_is_not_called_one_without_workers(store: str, tmp_path: Path) -> None:
    with cluster(tmp_path) as found:
        found.add_worker()

        def freeze(record: dgd.Record) -> None:
            if record.iteration == 2:
                os.kill(found.scheduler.pid, signal.SIGSTOP)

        with pytest.raises(ClusterLostError, match=r"the scheduler at tcp://127.0.0.1:\d+ did not answer for 1 s"):
            dgd.fit(
                store,
                client=found.client,
                tol=0,
                max_iter=50,
                execution=dgd.Execution(worker_timeout=1),
                callbacks=[freeze],
            )


def test_a_client_closed_in_mid_fit_is_called_closed(store: str) -> None:
    with in_process(1) as (found, client):
        expected = rf"the client of {found.scheduler_address} was closed"
        with pytest.raises(ClusterLostError, match=expected):
            dgd.fit(store, client=client, max_iter=50, tol=0, callbacks=[lambda record: client.close()])


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    with (
        pytest.raises(
            ConfigurationError, match=r"no distributed.comm.tls.ca-file and no distributed.comm.tls.client.cert"
        ),
        connected("tls://127.0.0.1:9", timeout=1),
    ):
        pass
    there, missing = tmp_path / "there.pem", tmp_path / "missing.pem"
    there.touch()
    named = {"distributed.comm.tls.ca-file": str(missing), "distributed.comm.tls.client.cert": str(there)}
    with (
        dask.config.set(named),
        pytest.raises(
            ConfigurationError, match=rf"{missing}, .* DASK_DISTRIBUTED__COMM__TLS__CA_FILE\), is not a file"
        ),
        connected("tls://127.0.0.1:9", timeout=1),
    ):
        pass
