"""Nothing waits for ever on a cluster: real workers whose files hang, that are slow, or that are stopped."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from clusters import cluster

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
