"""A cluster that is lost leaves a checkpoint; a fit goes on from threads to a cluster and back, to the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import cluster, end
from methods import TARGETS, X

import dgd
from dgd.errors import ClusterLostError
from dgd.solvers import Constant, MiniBatch

FITS: list[dict[str, Any]] = [
    {"solver": "lbfgs", "loss": "logistic", "validation_fraction": 0.2},
    {"solver": "newton", "loss": "logistic", "penalty": dgd.penalties.L1(0.01)},
    {"solver": MiniBatch(Constant(0.001), batch_size=3, averaging=True), "loss": "logistic"},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "d.zarr"
    with dgd.DatasetWriter(path, chunk_rows=20) as writer:
        writer.append(X, TARGETS["logistic"])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("options", FITS, ids=["lbfgs", "newton", "minibatch"])
def test_from_threads_to_a_lost_cluster_and_back(options: dict[str, Any], data: Path, tmp_path: Path) -> None:
    path = tmp_path / "c"
    expected = dgd.fit(data, **options, tol=0, max_iter=9, threads=2)
    dgd.fit(data, **options, tol=0, max_iter=2, threads=1, checkpoint=path)
    with cluster(tmp_path) as found:
        found.add_worker(threads=2)

        def lose(record: dgd.Record) -> None:
            if record.iteration == 5:
                end(found.scheduler)

        execution = dgd.Execution(client=found.client, worker_timeout=2)
        with pytest.raises(ClusterLostError) as caught:
            dgd.resume(path, max_iter=9, execution=execution, callbacks=[lose], checkpoint_every=1e9)
    result = caught.value.result
    assert (result.n_iter_, result.checkpoint) == (5, str(path))
    assert result.theta.tobytes() == dgd.fit(data, **options, tol=0, max_iter=5, threads=1).theta.tobytes()
    assert np.array_equal(dgd.resume(path, threads=1).theta, expected.theta)
