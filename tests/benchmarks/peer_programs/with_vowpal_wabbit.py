"""Vowpal Wabbit's L-BFGS from its text, which is there before the clock starts, to its cache, many passes of that.

It saves its model after each pass; the time of that file is the time of the point.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from course import FOLDER, SECONDS, SETTINGS, Course, tell

TEXT = FOLDER / "train.vw"
BLOCK_ROWS = 20_000
PROGRAM = [
    sys.executable, "-c",
    "import sys, vowpalwabbit as v; w = v.Workspace(arg_list=sys.argv[1:]); w.run_parser(); w.finish()",
]  # fmt: skip


def main() -> None:
    if SETTINGS.get("prepare"):
        write_text()
        return
    for old in FOLDER.glob("vw-*"):
        old.unlink()
    course = Course()
    loss = course.objective.loss
    command = [
        *PROGRAM, "-d", TEXT, "--loss_function", loss, "--bfgs", "--passes", "100", "--mem", "10", "--termination", "0",
        "--cache_file", FOLDER / "vw-cache", "-k", "-b", "8", "--holdout_off", "--l2", "0", "--quiet",
        "--save_per_pass", "-f", FOLDER / "vw-model",
    ]  # fmt: skip
    wall = time.time()
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    models = sorted(
        (path for path in FOLDER.glob("vw-model.*") if path.suffix[1:].isdigit()), key=lambda path: path.stat().st_mtime
    )
    if not models:
        raise RuntimeError(f"Error: no model after {SECONDS:.0f} s: {errors.strip()[-120:]}")
    for model in models:
        course.points.append(weights(course, model))
        course.seconds.append(model.stat().st_mtime - wall)
    tell(course.answer("text to cache included"))


def weights(course: Course, model: Path) -> np.ndarray:
    """The point that a model holds."""
    readable = model.with_suffix(model.suffix + ".txt")
    command = [*PROGRAM, "-i", str(model), "-t", "--readable_model", str(readable), "--quiet"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    found = {}
    for line in readable.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.isdigit():
            found[int(name)] = float(value.split()[0])
    intercept = found.pop(116060 % 256, 0.0)
    columns = course.objective.X.shape[1]
    return course.point([found.get(j, 0.0) for j in range(columns)], intercept)


def write_text() -> None:
    """Rows as `label | 0:value 1:value …`; a column's number is its place among 256 weights."""
    if TEXT.exists():
        return
    X, y = np.load(FOLDER / "X.npy", mmap_mode="r"), np.load(FOLDER / "y.npy", mmap_mode="r")
    if SETTINGS["loss"] == "logistic":
        y = 2 * np.asarray(y) - 1
    line = "%g | " + " ".join(f"{j}:%.9g" for j in range(X.shape[1])) + "\n"
    draft = TEXT.with_suffix(".partial")
    with draft.open("w") as file:
        for start in range(0, len(X), BLOCK_ROWS):
            block = np.column_stack([y[start : start + BLOCK_ROWS], X[start : start + BLOCK_ROWS]])
            file.write((line * len(block)) % tuple(block.ravel().tolist()))
    draft.rename(TEXT)


if __name__ == "__main__":
    main()
