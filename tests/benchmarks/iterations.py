"""An iteration of dgd beside one of its peers, least squares on the same data and two cores; and the time to 1e-6.

Each measurement is a program of `iteration_programs/` in a process of its own, which prints JSON; the peers run in an
environment that this benchmark and `peers` install for them, once. The data: rows × 100 float64, centred, columns of
like variance, correlated so that the condition number of XᵀX is 100; uncompressed chunks of 4 MiB, warm in the page
cache. The distance is
‖b − b*‖ / ‖b*‖ to the exact solution. A peer that is not there, fails or takes too long has the reason in its row.

Bars: an iteration ≥ 20 × dask-ml's and ≥ 8 × that of Spark's L-BFGS; to 1e-6 ≥ 50 × dask-ml's best solver, and sooner
than every other peer that does not hold all data in its own memory from the start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import dgd

from ._programs import ENVIRONMENT, install, ran, two_cores

PROGRAMS = Path(__file__).parent / "iteration_programs"
ROWS, FEATURES, CONDITION = 2_000_000, 100, 100.0
BLOCK_ROWS = 50_000
START_SECONDS = 240
"""What a program may take besides its time for iterations: reading, starting a cluster or a JVM, one long fit."""
DASK_BAR, SPARK_BAR, DASK_TIME_BAR, TIME_BAR = 20.0, 8.0, 50.0, 1.0


@dataclass(frozen=True)
class Run:
    """A row of the table."""

    peer: str
    method: str
    data: str
    where: str
    program: str
    against: str = ""
    """The `data, where` of the row of dgd that it is compared with."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    iteration_bar: float | None = None
    time_bar: float | None = None
    repeats: int = 1


THREADS, WORKERS = "2 threads", "2 workers"


def _dgd(data: str, where: str) -> Run:
    settings = {"workers": where == WORKERS, "resident": data == "resident", "iterations": 20}
    return Run("dgd", "gd; auto", data, where, "with_dgd.py", settings=settings, repeats=3)


def _dask_ml(solver: str, data: str) -> Run:
    return Run(
        "dask-ml",
        solver,
        data,
        WORKERS,
        "with_dask_ml.py",
        f"{'resident' if data == 'persisted' else data}, {WORKERS}",
        {"solver": solver, "persisted": data == "persisted"},
        DASK_BAR if solver == "gradient_descent" else None,
        DASK_TIME_BAR,
    )


def _spark(solver: str, bar: float | None) -> Run:
    against = f"resident, {THREADS}"
    return Run("spark", solver, "persisted", THREADS, "with_spark.py", against, {"solver": solver}, bar, TIME_BAR)


STREAMING = f"streaming, {THREADS}"
RUNS = (
    *(_dgd(data, where) for where in (THREADS, WORKERS) for data in ("streaming", "resident")),
    *(_dask_ml(s, d) for s in ("gradient_descent", "lbfgs", "proximal_grad") for d in ("streaming", "persisted")),
    _spark("normal", None),
    _spark("l-bfgs", SPARK_BAR),
    Run("scikit-learn", "SGD partial_fit", "streaming", "1 thread", "with_sgd.py", STREAMING, time_bar=TIME_BAR),
    Run("scikit-learn", "Ridge", "in memory", THREADS, "with_ridge.py", f"resident, {THREADS}", repeats=3),
    Run("sklearnex", "incremental", "streaming", THREADS, "with_incremental.py", STREAMING, {}, None, TIME_BAR, 3),
)
PEERS = tuple(dict.fromkeys(run.peer for run in RUNS))


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, help="where the peers are installed")
    parser.add_argument("--folder", type=Path, help="where the data are made, and deleted; by default a temporary one")
    parser.add_argument("--seconds", type=float, default=60.0, help="for the iterations of one measurement")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=PEERS, help="these peers, and dgd")


def measure(
    *,
    rows: int = ROWS,
    environment: Path | None = ENVIRONMENT,
    folder: Path | None = None,
    seconds: float = 60.0,
    only: Sequence[str] = PEERS,
) -> list[dict[str, Any]]:
    """Every row. With no `environment` nothing is installed, and the peers run in this process's Python."""
    runs = [run for run in RUNS if run.peer in {"dgd", *only}]
    python, missing = Path(sys.executable), {}
    if environment is not None:
        python, missing = install(environment, [run.peer for run in runs])
    answers = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="dgd-iterations-") as made, two_cores():
        write_data(Path(made), rows)
        for run in runs:
            print(f"iterations: {run.peer} {run.method}, {run.data}, {run.where}", file=sys.stderr, flush=True)
            reason = missing.get(run.peer)
            answers.append(
                {"note": f"cannot be installed: {reason}"} if reason else answer(run, Path(made), python, seconds)
            )
    return table(runs, carried_on(runs, answers))


def write_data(folder: Path, rows: int) -> None:
    """`train.zarr` and `optimum.npy`, the coefficients of least squares with an intercept, by normal equations."""
    rng = np.random.default_rng(0)
    variances = np.geomspace(1, 1 / CONDITION, FEATURES)
    V, _ = np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))
    mixed = (V * np.sqrt(variances / variances.mean())).T
    b = rng.normal(size=FEATURES)
    products = np.zeros((FEATURES + 1, FEATURES + 2))
    with dgd.DatasetWriter(folder / "train.zarr") as writer:
        for start in range(0, rows, BLOCK_ROWS):
            X = rng.standard_normal((min(BLOCK_ROWS, rows - start), FEATURES)) @ mixed
            y = X @ b + 1 + rng.standard_normal(len(X))
            writer.append(X, y)
            A = np.column_stack([np.ones(len(X)), X])
            products += A.T @ np.column_stack([A, y])
    np.save(folder / "optimum.npy", np.linalg.solve(products[:, :-1], products[:, -1])[1:])


def answer(run: Run, folder: Path, python: Path, seconds: float) -> dict[str, Any]:
    """What its program found: of several repetitions the medians, or why there is nothing."""
    found = []
    for _ in range(run.repeats):
        found.append(once(run, folder, python, seconds))
        if "distance" not in found[-1]:
            return found[-1]
    times = {name: [one[name] for one in found] for name in ("per_iteration", "to_optimum")}
    medians = {name: None if None in values else statistics.median(values) for name, values in times.items()}
    return {**found[-1], **medians}


def once(run: Run, folder: Path, python: Path, seconds: float) -> dict[str, Any]:
    """One process of its program; with a note alone if it failed or its time was over."""
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**31
    settings = {**run.settings, "folder": str(folder), "seconds": seconds, "memory": f"{max(1, gigabytes)}g"}
    chosen = Path(sys.executable) if run.peer == "dgd" else python
    return ran(PROGRAMS / run.program, settings, chosen, cwd=folder, limit=START_SECONDS + 2 * seconds)


def carried_on(runs: Sequence[Run], answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers; one that saw a solver for longer says for all of that solver how many iterations it needs."""
    longest: dict[tuple[str, str], dict[str, Any]] = {}
    for run, found in zip(runs, answers, strict=True):
        known = longest.get((run.peer, run.method), {"iterations": 0})
        if "needed" in found and found["iterations"] > known["iterations"]:
            longest[run.peer, run.method] = found
    made = []
    for run, found in zip(runs, answers, strict=True):
        best = longest.get((run.peer, run.method), found)
        if best is not found and found.get("distance", 0) > best["distance"]:
            note = f"{found['iterations']} iterations seen, {best['needed']} needed as in the longer run"
            found = {**found, "to_optimum": best["needed"] * found["per_iteration"], "note": note}
        made.append(found)
    return made


def table(runs: Sequence[Run], answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows: times, how many times dgd's they are, and the bars."""
    references = {f"{run.data}, {run.where}": a for run, a in zip(runs, answers, strict=True) if run.peer == "dgd"}
    ends = [a.get("to_optimum") for run, a in zip(runs, answers, strict=True) if run.peer == "dask-ml"]
    best = min((end for end in ends if end is not None), default=None)
    rows = []
    for run, found in zip(runs, answers, strict=True):
        reference = references.get(run.against, {})
        iteration = _ratio(found.get("per_iteration"), reference.get("per_iteration"))
        end = _ratio(found.get("to_optimum"), reference.get("to_optimum"))
        beaten = run.peer == "dask-ml" and found.get("to_optimum") != best
        checks = [(iteration, run.iteration_bar), (end, None if beaten else run.time_bar)]
        rows.append({
            "peer": run.peer,
            "method": run.method,
            "data": run.data,
            "where": run.where,
            "s/iteration": found.get("per_iteration"),
            "× dgd": iteration,
            "bar": run.iteration_bar,
            "s to 1e-6": found.get("to_optimum"),
            "× dgd to 1e-6": end,
            "bar to 1e-6": checks[1][1],
            "met": met(checks),
            "note": found.get("note", ""),
        })  # fmt: skip
    return rows


def met(checks: Sequence[tuple[float | None, float | None]]) -> bool | None:
    """Whether every bar is reached of which both numbers are there; None if there is none such."""
    known = [ratio >= bar for ratio, bar in checks if ratio is not None and bar is not None]
    return all(known) if known else None


def _ratio(seconds: float | None, reference: float | None) -> float | None:
    return None if seconds is None or not reference else seconds / reference
