"""What every program here shares: its settings, the points it passes with the time of each, and the JSON it prints.

A program reads the data and minimises; the clock runs from before it reads the first byte. Points are taken where the
solver hands them on, and F is evaluated at them after the end, so that it costs the solver nothing. Where a peer hands
on nothing it is run anew with ever higher limits of iterations: by doubling, then by bisection.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from objective import WANTED, Objective

SETTINGS: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
FOLDER = Path(SETTINGS.get("folder", "."))
SECONDS: float = SETTINGS.get("seconds", 1e9)
FEW = 2000
TOGETHER = 8
"""Points at which F is evaluated by one reading of the data."""


class Enough(Exception):
    """The optimum or the end of the time is reached: no need to go on."""


class Course:
    """When each point was reached; the clock starts here."""

    def __init__(self) -> None:
        self.objective = Objective(FOLDER)
        self.seconds: list[float] = []
        self.points: list[Any] = []
        self.reading: float | None = None
        self.began = time.perf_counter()

    def has_read(self) -> None:
        """All data are in memory."""
        self.reading = time.perf_counter() - self.began

    def point(self, coefficients: Any, intercept: Any) -> Any:
        """The point (outputs, columns + 1)."""
        B = np.array(coefficients, dtype=np.float64).reshape(self.objective.outputs, -1)
        return np.column_stack([B, np.broadcast_to(np.asarray(intercept, dtype=np.float64).ravel(), len(B))])

    def add(self, coefficients: Any, intercept: Any, *, last: bool = False) -> None:
        """Note a point; raise Enough at the optimum or when the time is over, but for the last point of a fit."""
        self.seconds.append(time.perf_counter() - self.began)
        self.points.append(self.point(coefficients, intercept))
        if not last and (self.seconds[-1] > SECONDS or self.objective.is_near(self.points[-1])):
            raise Enough

    def answer(self, note: str = "") -> dict[str, Any]:
        """Seconds until the gap is WANTED for the first time, and what was reached."""
        gaps: list[float] = []
        for k in range(0, len(self.points), TOGETHER):
            gaps += self.objective.gaps(self.points[k : k + TOGETHER])
            if min(gaps) <= WANTED:
                break
        reached = next((k for k, gap in enumerate(gaps) if gap <= WANTED), None)
        found = {
            "seconds": None if reached is None else self.seconds[reached],
            "gap": gaps[-1] if reached is None else gaps[reached],
            "points": len(gaps) if reached is None else reached + 1,
            "reading": self.reading,
            "spent": self.seconds[-1],
            "note": note,
        }
        if SETTINGS.get("all_gaps"):
            found["gaps"] = gaps
        return found


def by_limits(course: Course, fit: Callable[[int], tuple[Any, Any]], *, most: int = 512) -> dict[str, Any]:
    """Fits with a limit of 1, 2, 4, … iterations until one reaches WANTED, then by bisection the lowest that does.

    Its time is that of the reading and of the one fit.
    """
    reading = course.reading or 0.0
    tried: dict[int, tuple[float, float]] = {}

    def reaches(limit: int) -> bool:
        began = time.perf_counter()
        point = course.point(*fit(limit))
        seconds = time.perf_counter() - began + reading
        gap = course.objective.gaps([point])[0]
        tried[limit] = (seconds, gap)
        best = min((k for k, (_, there) in tried.items() if there <= WANTED), default=limit)
        tell(answer_of(best, "by its limit, so far"))
        return gap <= WANTED

    def answer_of(limit: int, note: str) -> dict[str, Any]:
        seconds, gap = tried[limit]
        reached = seconds if gap <= WANTED else None
        return {
            "seconds": reached, "gap": gap, "points": limit, "reading": course.reading, "spent": seconds, "note": note,
        }  # fmt: skip

    low, high, began = 0, 1, time.perf_counter()
    while not reaches(high):
        if high >= most or time.perf_counter() - began > SECONDS or stalls(tried):
            return answer_of(high, f"limits to {high}")
        low, high = high, 2 * high
    note = "by bisection over its limit"
    while high - low > 1:
        if time.perf_counter() - began > 2 * SECONDS:
            note = f"by its limit, between {low} and {high}"
            break
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return answer_of(high, note)


def stalls(tried: dict[int, tuple[float, float]]) -> bool:
    """Whether three limits of 8 and more have ended at the same gap: the peer has stopped by itself."""
    gaps = [gap for limit, (_, gap) in sorted(tried.items()) if limit >= 8]
    return len(gaps) >= 3 and len(set(gaps[-3:])) == 1


def arrays(course: Course) -> tuple[Any, Any]:
    """X and y, read into memory with the clock running."""
    X, y = np.load(FOLDER / "X.npy"), np.load(FOLDER / "y.npy")
    course.has_read()
    return X, y


def few() -> tuple[Any, Any]:
    """Some rows, for a first fit without a clock that has everything loaded."""
    return np.array(np.load(FOLDER / "X.npy", mmap_mode="r")[:FEW]), np.array(
        np.load(FOLDER / "y.npy", mmap_mode="r")[:FEW]
    )


def tell(answer: dict[str, Any]) -> None:
    """Print the answer, the last line of what a program prints."""
    print("\n" + json.dumps(answer), flush=True)
