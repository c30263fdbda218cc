"""dgd: seconds of a gradient descent iteration, and of `fit` as it is to 1e-6."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from answer import SETTINGS, WANTED, Course, tell

import dgd
from dgd.errors import ConfigurationError


def main() -> None:
    store = str(Path(SETTINGS["folder"]) / "train.zarr")
    with ExitStack() as stack:
        where: dict[str, Any] = {"threads": 2}
        if SETTINGS["workers"]:
            from distributed import Client, LocalCluster

            cluster = stack.enter_context(LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            ))  # fmt: skip
            where = {"client": stack.enter_context(Client(cluster))}
        where, note = with_residents(store, where)
        descent = dgd.fit(store, solver="gd", max_iter=SETTINGS["iterations"] + 1, tol=0, **where)
        course = Course()
        began = time.perf_counter()
        fitted = dgd.fit(store, **where)
        seconds = time.perf_counter() - began
    distance = course.distance(fitted.coef_)
    tell({
        "per_iteration": statistics.median(record.seconds for record in descent.history[2:]),
        "to_optimum": seconds if distance <= WANTED else None,
        "distance": distance,
        "iterations": fitted.n_iter_,
        "note": f"gd an iteration; auto to the end: {fitted.n_iter_} passes, distance {distance:.0e}{note}",
    })  # fmt: skip


def with_residents(store: str, where: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """`resident` as asked for, and a note where this dgd has no such choice."""
    if SETTINGS["resident"]:
        return where, ""
    try:
        dgd.fit(store, execution=dgd.Execution(resident=0), max_iter=1, tol=0, **where)
    except ConfigurationError:
        return where, "; `resident` is not available"
    return {**where, "resident": 0}, ""


if __name__ == "__main__":
    main()
