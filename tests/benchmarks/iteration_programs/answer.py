"""What every program here shares: the settings it is given, the course of its coefficients, and the JSON it prints.

distance of coefficients b = ‖b − b*‖ / ‖b*‖, where b* is the exact least-squares solution
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WANTED = 1e-6
MOST_ITERATIONS = 100_000
"""Further than that nothing is foretold."""
BLOCK_BYTES = 2**26
"""Of X that a program reads at once, where it reads by itself: 16 chunks of 4 MiB."""

SETTINGS: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}


class Enough(Exception):
    """The optimum or the end of the time is reached: no need to go on."""


class Course:
    """When each point was reached, and how far from the optimum it is; the clock starts here."""

    def __init__(self) -> None:
        self.optimum = np.load(Path(SETTINGS["folder"]) / "optimum.npy")
        self.seconds: list[float] = []
        self.distances: list[float] = []
        self.began = time.perf_counter()

    def distance(self, coefficients: Any) -> float:
        """The relative distance to the exact solution."""
        b = np.asarray(coefficients, dtype=float).ravel()
        return float(np.linalg.norm(b - self.optimum) / np.linalg.norm(self.optimum))

    def add(self, coefficients: Any) -> None:
        """Note a point; raise Enough at 1e-6, or when the time is over and something can be said of an iteration."""
        self.seconds.append(time.perf_counter() - self.began)
        self.distances.append(self.distance(coefficients))
        late = self.seconds[-1] > SETTINGS["seconds"] and len(self.seconds) > 3
        if self.distances[-1] <= WANTED or late:
            raise Enough

    def answer(self) -> dict[str, Any]:
        """Seconds of an iteration (median but the first), and to 1e-6: measured, or carried on at the rate seen."""
        steps = np.diff(self.seconds)
        per_iteration = statistics.median(steps[1:] if len(steps) > 1 else steps)
        found = {"per_iteration": per_iteration, "distance": self.distances[-1], "iterations": len(steps)}
        if self.distances[-1] <= WANTED:
            return {
                **found,
                "to_optimum": self.seconds[-1],
                "needed": len(steps),
                "note": f"{len(steps)} iterations",
            }
        further = self._further()
        reached = f"{self.distances[-1]:.1e} after {len(steps)} iterations"
        if self.seconds[-1] <= SETTINGS["seconds"]:
            return {**found, "to_optimum": None, "note": f"stops by itself: {reached}"}
        if further is None:
            return {**found, "to_optimum": None, "note": f"1e-6 is not in sight: {reached}"}
        seconds = self.seconds[-1] + further * per_iteration
        needed = len(steps) + further
        return {**found, "to_optimum": seconds, "needed": needed, "note": f"carried on from {reached} to {needed}"}

    def _further(self) -> int | None:
        """Iterations still to go, at the mean fall of log distance over the last half; None if it hardly falls."""
        half = self.distances[len(self.distances) // 2 :]
        fall = -float(np.polyfit(np.arange(len(half)), np.log(half), 1)[0])
        left = np.log(self.distances[-1] / WANTED)
        return int(np.ceil(left / fall)) if fall > left / MOST_ITERATIONS else None


def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """X and y from Zarr, a few chunks at a time."""
    import zarr

    group = zarr.open_group(Path(SETTINGS["folder"]) / "train.zarr", mode="r")
    X, y = group["X"], group["y"]
    rows = block_rows(X)
    for start in range(0, X.shape[0], rows):
        yield X[start : start + rows], y[start : start + rows]


def block_rows(X: Any) -> int:
    """Whole chunks of X that make about BLOCK_BYTES."""
    chunk = X.chunks[0]
    return int(chunk * max(1, BLOCK_BYTES // (chunk * X.shape[1] * X.dtype.itemsize)))


def tell(answer: dict[str, Any]) -> None:
    """Print the answer, the last line of what a program prints."""
    print("\n" + json.dumps(answer), flush=True)
