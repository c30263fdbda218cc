"""Spark ML's LinearRegression, local[2], on a DataFrame that is in memory before the clock starts.

An iteration: (a fit of 15 iterations − one of 5) / 10, so that what a fit does once is left out, in Spark's favour.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from answer import SETTINGS, WANTED, Course, blocks, tell

FEW, MANY, PAIRS = 5, 15, 3
TOLERANCES = (1e-6, 1e-9, 1e-12, 1e-15)


def main() -> None:
    table = write_parquet(Path(SETTINGS["folder"]) / "train.parquet")
    from pyspark.ml.functions import array_to_vector
    from pyspark.ml.regression import LinearRegression
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", SETTINGS["memory"])
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", SETTINGS["folder"])
        .config("spark.sql.warehouse.dir", SETTINGS["folder"])
        .getOrCreate()
    )
    read = session.read.parquet(str(table))
    frame = read.select(array_to_vector("X").alias("features"), "y").persist()
    frame.count()

    def fit(**options: Any) -> tuple[float, Any]:
        began = time.perf_counter()
        model = LinearRegression(labelCol="y", solver=SETTINGS["solver"], regParam=0.0, **options).fit(frame)
        return time.perf_counter() - began, model

    fit(maxIter=2)
    tell(by_iterations(fit) if SETTINGS["solver"] == "l-bfgs" else at_once(fit))
    session.stop()


def by_iterations(fit: Any) -> dict[str, Any]:
    """L-BFGS: the slope over iterations, and the loosest tolerance that brings it to 1e-6."""
    slopes = []
    for _ in range(PAIRS):
        few, many = fit(maxIter=FEW, tol=0.0), fit(maxIter=MANY, tol=0.0)
        steps = many[1].summary.totalIterations - few[1].summary.totalIterations
        slopes.append((many[0] - few[0]) / max(1, steps))
    for tolerance in TOLERANCES:
        seconds, model = fit(maxIter=1000, tol=tolerance)
        distance = Course().distance(model.coefficients.toArray())
        if distance <= WANTED:
            break
    iterations = model.summary.totalIterations
    return {
        "per_iteration": statistics.median(slopes),
        "to_optimum": seconds if distance <= WANTED else None,
        "distance": distance,
        "iterations": iterations,
        "note": f"{iterations} iterations at tol={tolerance:g}, distance {distance:.0e}",
    }


def at_once(fit: Any) -> dict[str, Any]:
    """Normal equations: one pass, the whole fit."""
    fits = [fit() for _ in range(PAIRS)]
    distance = Course().distance(fits[-1][1].coefficients.toArray())
    seconds = statistics.median(seconds for seconds, _ in fits)
    return {
        "per_iteration": None,
        "to_optimum": seconds if distance <= WANTED else None,
        "distance": distance,
        "iterations": 1,
        "note": f"one pass, distance {distance:.0e}",
    }


def write_parquet(path: Path) -> Path:
    """The same rows as a table of lists, written once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return path
    draft = path.with_suffix(".partial")
    schema = pa.schema([("X", pa.list_(pa.float64())), ("y", pa.float64())])
    with pq.ParquetWriter(draft, schema, compression="none", use_dictionary=False) as writer:
        for X, y in blocks():
            offsets = pa.array(range(0, X.size + 1, X.shape[1]), pa.int32())
            lists = pa.ListArray.from_arrays(offsets, pa.array(X.ravel()))
            writer.write_table(pa.table([lists, pa.array(y)], schema=schema))
    return draft.rename(path)


if __name__ == "__main__":
    main()
