"""Least squares from .npy files beside scikit-learn-intelex, reading included: paired runs in one process.

2,000,000 × 50 float32 in the page cache. The peer computes in float32; it reads the files as arrays (`np.load`), as its
users do, or maps them. dgd maps them, in single and in double precision. `pip install scikit-learn-intelex`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dgd

COLUMNS = 50
BARS = {"single": 1.0, "double": 1.5}
READ, MAPPED = "sklearnex, np.load", "sklearnex, mapped"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--rows", type=int, default=2_000_000, metavar="N", help="rows of X [2,000,000]")
    parser.add_argument("--rounds", type=int, default=11, metavar="N", help="runs of each, in turn [11]")


def measure(rows: int = 2_000_000, rounds: int = 11) -> list[dict[str, Any]]:
    """A line for each program; medians, the first round dropped. Coefficients are held to the exact ones."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        exact = write(folder, rows)
        runs = programs(folder)
        seconds = {name: np.zeros((rounds, 2)) for name in runs}
        found: dict[str, Any] = {}
        for round_ in range(rounds):
            for name, run in runs.items():
                seconds[name][round_], found[name] = _timed(run)
    return [_row(name, seconds, found[name], exact) for name in runs]


def write(folder: Path, rows: int) -> Any:
    """X.npy and y.npy, and the exact coefficients."""
    rng = np.random.default_rng(0)
    mixed = np.linalg.qr(rng.standard_normal((COLUMNS, COLUMNS)))[0] * np.geomspace(1, 0.1, COLUMNS)
    X = rng.standard_normal((rows, COLUMNS), dtype=np.float32) @ mixed.astype(np.float32)
    y = (X @ rng.standard_normal(COLUMNS) + rng.standard_normal(rows)).astype(np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    A = X - X.mean(axis=0, dtype=np.float64)
    return np.linalg.solve(A.T @ A, A.T @ (y - y.mean(dtype=np.float64)))


def programs(folder: Path) -> dict[str, Callable[[], Any]]:
    """Each reads the files and returns coefficients; the peer's are left out where it is not installed."""

    def arrays(mode: Any) -> tuple[Any, Any]:
        return np.load(folder / "X.npy", mmap_mode=mode), np.load(folder / "y.npy", mmap_mode=mode)

    found: dict[str, Callable[[], Any]] = {}
    try:
        from sklearnex.linear_model import LinearRegression
    except ImportError:
        pass
    else:
        found[READ] = lambda: LinearRegression().fit(*arrays(None)).coef_
        found[MAPPED] = lambda: LinearRegression().fit(*arrays("r")).coef_
    found["dgd, single"] = lambda: dgd.fit(*arrays("r"), precision="single").coef_
    found["dgd, double"] = lambda: dgd.fit(*arrays("r")).coef_
    return found


def _timed(run: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    began, used = time.perf_counter(), time.process_time()
    found = run()
    return (time.perf_counter() - began, time.process_time() - used), found


def _row(name: str, seconds: dict[str, Any], coef: Any, exact: Any) -> dict[str, Any]:
    wall, used = np.median(seconds[name][1:], axis=0)
    bar = BARS.get(name.removeprefix("dgd, "))
    row: dict[str, Any] = {"program": name, "s": float(wall), "processor s": float(used)}
    for peer in (READ, MAPPED):
        ratios = np.median(seconds[name][1:] / seconds[peer][1:], axis=0) if peer in seconds else (None, None)
        row[f"of {peer}"], row[f"processor, of {peer}"] = ratios
    met = None if bar is None or row[f"of {READ}"] is None else bool(row[f"of {READ}"] <= bar)
    return {
        **row,
        "bar": bar,
        "met": met,
        "digits": -float(np.log10(np.abs(np.ravel(coef) / exact - 1).max())),
        "load": os.getloadavg()[0],
    }
