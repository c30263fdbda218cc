"""Nothing waits for ever on a cluster: real workers whose files hang, that are slow, or that are stopped."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import cluster, wait_until
from distributed import Client, LocalCluster
from hanging import hang, reading

import dgd
from dgd.errors import ReadError

HANGING = Path(__file__).parent / "hanging.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 chunks of 4 rows."""
    path = tmp_path_factory.mktemp("files") / "a.zarr"
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=4) as writer:
        writer.append(rng.normal(size=(192, 3)), rng.normal(size=192))
    return path


def preloading(**variables: str) -> dict[str, str]:
    """The environment of workers whose files are read as `hanging` says."""
    return {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(HANGING), **variables}


@pytest.mark.slow
def test_a_file_that_hangs_on_a_worker_is_given_up(files: Path, tmp_path: Path) -> None:
    hangs = tmp_path / "hangs"
    hangs.touch()
    with cluster(tmp_path, preloading(HANG_KEY="X/c/5/0", HANG_WHILE=str(hangs))) as found:
        found.add_worker()
        began = time.monotonic()
        message = r"chunk c/5/0 \(rows 20 to 23\) cannot be read: there was no answer within 0\.5 s"
        with pytest.raises(ReadError, match=message) as caught:
            dgd.fit(files, client=found.client, execution=dgd.Execution(resident=0, read_timeout=0.5))
        assert 0.5 < time.monotonic() - began < 8
        assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/5/0", (20, 24))
        hangs.unlink()
        assert dgd.fit(files, client=found.client).theta.tobytes() == dgd.fit(files, threads=2).theta.tobytes()


def test_max_seconds_ends_a_pass_on_a_cluster(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = tmp_path / "hangs"

    def begin(record: dgd.Record) -> None:
        if record.iteration == 2:
            flag.touch()

    options: dict[str, Any] = {"solver": "gd", "tol": 0}
    expected = dgd.fit(files, threads=2, max_iter=2, **options)
    monkeypatch.setattr(os, "readv", reading(hang("X/c/5/0", str(flag))))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as local,
        Client(local, set_as_default=False) as client,
    ):
        execution = dgd.Execution(client=client, resident=0)
        began = time.monotonic()
        result = dgd.fit(files, execution=execution, max_seconds=1, callbacks=[begin], **options)
        assert time.monotonic() - began < 4
        flag.unlink()
        assert (result.status, result.n_iter_) == (dgd.Status.TIME_LIMIT, 2)
        assert result.theta.tobytes() == expected.theta.tobytes()
        wait_until(lambda: not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)), "tasks to go")
