"""scikit-learn's Ridge with a penalty of 1e-9, on arrays that are in memory before the clock starts."""

from __future__ import annotations

import time
from pathlib import Path

import zarr
from answer import SETTINGS, WANTED, Course, tell
from sklearn.linear_model import Ridge


def main() -> None:
    began = time.perf_counter()
    group = zarr.open_group(Path(SETTINGS["folder"]) / "train.zarr", mode="r")
    X, y = group["X"][:], group["y"][:]
    reading = time.perf_counter() - began
    course = Course()
    began = time.perf_counter()
    model = Ridge(alpha=1e-9, solver="cholesky").fit(X, y)
    seconds = time.perf_counter() - began
    distance = course.distance(model.coef_)
    tell({
        "per_iteration": None,
        "to_optimum": seconds if distance <= WANTED else None,
        "distance": distance,
        "iterations": 1,
        "note": f"and {reading:.2g} s to read it into memory; distance {distance:.0e}",
    })  # fmt: skip


if __name__ == "__main__":
    main()
