"""dask-ml on a cluster of two workers, from Zarr, persisted with the clock running; no penalty worth the name.

dask-glm says nothing while it runs. L-BFGS: the function that it evaluates is followed, an evaluation is a point.
The others: the limit of iterations. Blocks are of 64 MiB, the size that suits Dask, made of 16 chunks.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import dask.array as da
import dask_glm.algorithms as algorithms
import zarr
from course import FOLDER, SETTINGS, Course, Enough, by_limits, tell
from dask_ml.linear_model import LinearRegression, LogisticRegression, PoissonRegression
from distributed import Client, LocalCluster, wait

BLOCK_BYTES = 2**26
MODELS = {"squared": LinearRegression, "logistic": LogisticRegression, "poisson": PoissonRegression}


def main() -> None:
    warnings.simplefilter("ignore")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        course = Course()
        X, y = persisted(client)
        course.has_read()

        def fit(limit: int) -> tuple[Any, Any]:
            model = MODELS[course.objective.loss](solver=SETTINGS["solver"], C=1e15, tol=0, max_iter=limit)
            model.fit(X, y)
            return model.coef_, model.intercept_

        if SETTINGS["solver"] == "lbfgs":
            follow(course)
            with suppress(Enough):
                course.add(*fit(100_000), last=True)
            tell(course.answer())
        else:
            tell(by_limits(course, fit))


def persisted(client: Client) -> tuple[Any, Any]:
    """X and y in the memory of the workers."""
    group = zarr.open_group(FOLDER / "train.zarr", mode="r")
    chunk, columns = group["X"].chunks[0], group["X"].shape[1]
    rows = chunk * max(1, BLOCK_BYTES // (chunk * columns * group["X"].dtype.itemsize))
    found = client.persist([da.from_zarr(group["X"], chunks=(rows, columns)), da.from_zarr(group["y"], chunks=(rows,))])
    wait(found)
    return found[0], found[1]


def follow(course: Course) -> None:
    """Have every point noted at which L-BFGS has evaluated the function."""
    minimise = algorithms.fmin_l_bfgs_b

    def noted_minimise(function: Any, start: Any, **options: Any) -> Any:
        def noted(beta: Any, *arguments: Any) -> Any:
            found = function(beta, *arguments)
            course.add(beta[:-1], beta[-1])
            return found

        return minimise(noted, start, **options)

    algorithms.fmin_l_bfgs_b = noted_minimise


if __name__ == "__main__":
    main()
