"""dgd beside its peers, from disk: seconds until F − F* ≤ 1e-6 · (F₀ − F*), reading included, and the peak memory.

Four problems (`_peer_problems.py`): least squares, logistic and Poisson regression of rows × 50 float32, and softmax
with 50 classes of rows / 5 × 100; F* is the least value, F₀ that of zeros. dgd and dask-ml read Zarr, uncompressed
chunks of 4 MiB; Spark, polars and DuckDB Parquet; Vowpal Wabbit its text; the others .npy. Files leave the page cache
before each run (`--warm` keeps them). The clock starts before the first byte is read, when all is imported and has
fitted a few rows, and Spark's session or Dask's cluster is there. Each program of `peer_programs/` runs in a process of
its own, in an environment that this benchmark installs once. Points of the solver are taken by callbacks and F is
evaluated at them afterwards; "bisection": a peer that hands on nothing is run anew with other limits of its iterations,
and the time is that of the lowest one that suffices.

seconds     median of `runs`; one run where that takes longer than 8 s
× dgd       of the seconds of dgd's first line of the problem; `first`: no peer is quicker than dgd
reading     what of it is reading, where all is read before the fit begins
peak MiB    of all its processes together, without pages of files
points      iterations, passes or evaluations until then

The line "in memory" of dgd fits NumPy arrays, read before it begins as peers do: `seconds` − `reading` is the fit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._peer_problems import PROBLEMS, write
from ._programs import ENVIRONMENT, install, ran, seconds_left, two_cores
from .limits import drop_from_page_cache

PROGRAMS = Path(__file__).parent / "peer_programs"
ROWS = 1_000_000
START_SECONDS, SPARK_SECONDS = 45, 120
"""What a program may take besides its time for iterations: starting a cluster or a JVM, evaluating F."""
REPEATS, SHORT = 3, 8.0
MOST_MINUTES = 19.0


@dataclass(frozen=True)
class Run:
    """A row of the table."""

    peer: str
    method: str
    problem: str
    program: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    prepares: bool = False
    """Whether its program writes a file of its own first."""
    from_disk: bool = True


def _dgd(problem: str) -> list[Run]:
    def run(method: str, **settings: Any) -> Run:
        chosen = {"workers": False, "in_memory": False, "precision": "double", **settings}
        return Run("dgd", method, problem, "with_dgd.py", chosen, from_disk=not chosen["in_memory"])

    return [run("auto"), run("auto, single", precision="single"), run("auto, in memory", in_memory=True)]


def _scikit_learn(problem: str, *solvers: str) -> list[Run]:
    return [Run("scikit-learn", s, problem, "with_scikit_learn.py", {"solver": s}) for s in solvers]


def _sklearnex(problem: str, *solvers: str) -> list[Run]:
    return [Run("sklearnex", s, problem, "with_sklearnex.py", {"solver": s}) for s in solvers]


def _dask_ml(problem: str, *solvers: str) -> list[Run]:
    return [Run("dask-ml", s, problem, "with_dask_ml.py", {"solver": s}) for s in solvers]


def _spark(problem: str, *solvers: str) -> list[Run]:
    return [Run("spark", s, problem, "with_spark.py", {"solver": s}, prepares=True) for s in solvers]


def _sql(engine: str) -> Run:
    return Run(engine, "sums of products", "squared", "with_sql.py", {"solver": engine, "columns": 50}, prepares=True)


def _xgboost(problem: str) -> Run:
    return Run("xgboost", "gblinear", problem, "with_xgboost.py")


def _torch(problem: str) -> Run:
    return Run("torch", "L-BFGS", problem, "with_torch.py")


def _vowpal_wabbit(problem: str) -> Run:
    return Run("vowpal-wabbit", "bfgs", problem, "with_vowpal_wabbit.py", {"loss": problem}, prepares=True)


def _glum(problem: str) -> Run:
    return Run("glum", "irls", problem, "with_glum.py")


RUNS = (
    *_dgd("squared"),
    *_scikit_learn("squared", "ridge", "sgd"),
    *_sklearnex("squared", "linear", "incremental"),
    _glum("squared"),
    *_spark("squared", "normal", "l-bfgs"),
    *_dask_ml("squared", "lbfgs", "gradient_descent"),
    _sql("polars"),
    _sql("duckdb"),
    _torch("squared"),
    _xgboost("squared"),
    _vowpal_wabbit("squared"),
    *_dgd("logistic"),
    *_scikit_learn("logistic", "lbfgs", "newton-cholesky", "sgd"),
    *_sklearnex("logistic", "logistic"),
    _glum("logistic"),
    *_spark("logistic", "l-bfgs"),
    *_dask_ml("logistic", "lbfgs", "newton", "admm"),
    _torch("logistic"),
    _xgboost("logistic"),
    _vowpal_wabbit("logistic"),
    *_dgd("softmax"),
    *_scikit_learn("softmax", "lbfgs", "newton-cholesky"),
    *_sklearnex("softmax", "logistic"),
    *_spark("softmax", "l-bfgs"),
    _torch("softmax"),
    _xgboost("softmax"),
    *_dgd("poisson"),
    *_scikit_learn("poisson", "lbfgs", "newton-cholesky"),
    _glum("poisson"),
    *_spark("poisson", "irls"),
    *_dask_ml("poisson", "lbfgs", "newton"),
    _torch("poisson"),
    _xgboost("poisson"),
    _vowpal_wabbit("poisson"),
)
PEERS = tuple(dict.fromkeys(run.peer for run in RUNS))


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, help="where the peers are installed")
    parser.add_argument("--folder", type=Path, help="where the data are made, and deleted; by default a temporary one")
    parser.add_argument("--seconds", type=float, default=20.0, help="for the iterations of one run")
    parser.add_argument("--minutes", type=float, default=MOST_MINUTES, help="for all, but not the installation")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=PEERS, help="these peers, and dgd")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--warm", action="store_true", help="files stay in the page cache")


def measure(
    *,
    rows: int = ROWS,
    environment: Path | None = ENVIRONMENT,
    folder: Path | None = None,
    seconds: float = 20.0,
    minutes: float = MOST_MINUTES,
    only: Sequence[str] = PEERS,
    problems: Sequence[str] = tuple(PROBLEMS),
    warm: bool = False,
) -> list[dict[str, Any]]:
    """Every row. With no `environment` nothing is installed, and the peers run in this process's Python."""
    runs = [run for run in RUNS if run.peer in {"dgd", *only} and run.problem in problems]
    python, missing = Path(sys.executable), {}
    if environment is not None:
        python, missing = install(environment, [run.peer for run in runs])
    until = time.monotonic() + 60 * minutes
    table = []
    with two_cores():
        for problem in problems:
            with tempfile.TemporaryDirectory(dir=folder, prefix="dgd-peers-") as made:
                place = Path(made) / problem
                said(f"{problem}: writing the data")
                write(place, PROBLEMS[problem], rows)
                here = [run for run in runs if run.problem == problem]
                answers = []
                for run in here:
                    reason = missing.get(run.peer)
                    their_python = Path(sys.executable) if run.peer == "dgd" else python
                    answers.append(
                        {"note": f"cannot be installed: {reason}"}
                        if reason
                        else answer(run, place, their_python, seconds=seconds, until=until, warm=warm)
                    )
                table += lines(here, answers)
    return table


def answer(run: Run, place: Path, python: Path, *, seconds: float, until: float, warm: bool) -> dict[str, Any]:
    """What its program found: of several runs the median, or why there is nothing."""
    said(f"{run.problem}: {run.peer} {run.method}")
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**31
    settings = {**run.settings, "folder": str(place), "seconds": seconds, "memory": f"{max(1, gigabytes)}g"}
    found: list[dict[str, Any]] = []
    while len(found) < REPEATS:
        start = SPARK_SECONDS if run.peer == "spark" else START_SECONDS
        limit = min(start + 2 * seconds, seconds_left(until))
        if limit < seconds:
            if not found:
                return {"note": "not run: the time for all is over"}
            break
        if run.prepares and not found:
            prepared = ran(PROGRAMS / run.program, {**settings, "prepare": True}, python, cwd=place, limit=limit)
            if "note" in prepared:
                return prepared
        if not warm:
            drop_from_page_cache(place)
        found.append(ran(PROGRAMS / run.program, settings, python, cwd=place, limit=limit))
        if "gap" not in found[-1]:
            return found[-1]
        if found[-1]["spent"] > SHORT:
            break
    return median_of(found)


def median_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The run of median seconds, with the number of runs and the highest memory."""
    times = [one["seconds"] for one in found]
    peak = max(one["peak"] for one in found)
    if None in times:
        return {**found[times.index(None)], "runs": len(found), "peak": peak}
    middle = found[times.index(statistics.median_low(times))]
    return {**middle, "seconds": statistics.median(times), "runs": len(found), "peak": peak}


def lines(runs: Sequence[Run], answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a problem: times, how many times dgd's they are, and whether dgd is first."""
    ours = [a.get("seconds") for run, a in zip(runs, answers, strict=True) if run.peer == "dgd" and run.from_disk]
    theirs = [a["seconds"] for run, a in zip(runs, answers, strict=True) if run.peer != "dgd" and a.get("seconds")]
    best = min((time for time in ours if time), default=None)
    rows = []
    for run, found in zip(runs, answers, strict=True):
        taken, reference = found.get("seconds"), ours[0] if ours else None
        first = best is not None and best <= min(theirs, default=best)
        below = found.get("gap", 0.0) < -1e-9
        rows.append({
            "problem": run.problem,
            "peer": run.peer,
            "method": run.method,
            "seconds": taken,
            "× dgd": taken / reference if taken and reference else None,
            "first": first if found is answers[0] else None,
            "reading": found.get("reading"),
            "peak MiB": round(found["peak"] / 2**20) if found.get("peak") else None,
            "points": found.get("points"),
            "runs": found.get("runs"),
            "note": "; ".join(part for part in (reached(found), "BELOW F*" if below else "", found["note"]) if part),
        })  # fmt: skip
    return rows


def reached(found: dict[str, Any]) -> str:
    """How far a run came that did not reach the optimum."""
    if "gap" not in found or found["seconds"] is not None:
        return ""
    return f"{found['gap']:.0e} after {found['spent']:.3g} s"


def said(text: str) -> None:
    """A sign of life."""
    print(f"peers: {text}", file=sys.stderr, flush=True)
