"""dask-ml's LinearRegression on a cluster of two workers, from Zarr or persisted; no penalty worth the name.

dask-glm says nothing while it runs, so the points are taken where its solvers hand them on: the line search of gradient
descent, the last trial of each step of the proximal gradient, the function that L-BFGS evaluates (an evaluation is
counted as an iteration, in its favour). Blocks are of 64 MiB, the size that suits Dask, made of 16 chunks.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask.array as da
import dask_glm.algorithms as algorithms
import zarr
from answer import SETTINGS, Course, Enough, block_rows, tell
from dask_ml.linear_model import LinearRegression
from distributed import Client, LocalCluster, wait


def follow(course: Course) -> None:
    """Have every point of the solver noted."""
    search, minimise, persist = algorithms.compute_stepsize_dask, algorithms.fmin_l_bfgs_b, algorithms.persist

    def noted_search(beta: Any, *arguments: Any, **options: Any) -> Any:
        course.add(beta[:-1])
        return search(beta, *arguments, **options)

    def noted_minimise(function: Any, start: Any, **options: Any) -> Any:
        def noted(beta: Any, *arguments: Any) -> Any:
            course.add(beta[:-1])
            return function(beta, *arguments)

        return minimise(noted, start, **options)

    tried: list[Any] = []

    def noted_persist(*values: Any) -> Any:
        if len(values) == 3 and tried:
            beta = tried[-1]
            course.add((beta.compute() if hasattr(beta, "compute") else beta)[:-1])
        found = persist(*values)
        if len(values) == 2:
            tried[:] = [found[1]]
        return found

    algorithms.compute_stepsize_dask, algorithms.fmin_l_bfgs_b = noted_search, noted_minimise
    if SETTINGS["solver"] == "proximal_grad":
        algorithms.persist = noted_persist


def main() -> None:
    warnings.simplefilter("ignore")
    group = zarr.open_group(Path(SETTINGS["folder"]) / "train.zarr", mode="r")
    rows = block_rows(group["X"])
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        X = da.from_zarr(group["X"], chunks=(rows, group["X"].shape[1]))
        y = da.from_zarr(group["y"], chunks=(rows,))
        if SETTINGS["persisted"]:
            X, y = client.persist([X, y])
            wait([X, y])
        model = LinearRegression(solver=SETTINGS["solver"], C=1e15, tol=0, max_iter=100_000)
        course = Course()
        follow(course)
        with suppress(Enough):
            course.add(model.fit(X, y).coef_)
        tell(course.answer())


if __name__ == "__main__":
    main()
