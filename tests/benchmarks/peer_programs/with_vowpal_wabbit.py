"""Vowpal Wabbit's L-BFGS from its text, which is there before the clock starts, to its cache, many passes of that.

A penalty of 1e-3 on the sum over all rows, for without one it stops after a step, is too small to count. Each limit of
passes is a whole fit, which reads the text and starts a process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import vowpalwabbit
from course import FOLDER, SETTINGS, Course, by_limits, tell

TEXT = FOLDER / "train.vw"
BLOCK_ROWS = 20_000
CONSTANT = 116060 % 2**8
"""The place of the intercept among 2⁸ weights."""
PROGRAM = [
    sys.executable, "-c",
    "import sys, vowpalwabbit as v; w = v.Workspace(arg_list=sys.argv[1:]); w.run_parser(); w.finish()",
]  # fmt: skip


def main() -> None:
    if SETTINGS.get("prepare"):
        write_text()
        return
    course = Course()
    tell(by_limits(course, lambda limit: fit(course, limit), most=128))


def fit(course: Course, limit: int) -> tuple[Any, Any]:
    """So many passes and one, for it takes two at least; from the text."""
    for old in FOLDER.glob("vw-*"):
        old.unlink()
    command = [
        *PROGRAM, "-d", TEXT, "--loss_function", course.objective.loss, "--bfgs", "--passes", limit + 1, "--mem", "10",
        "--termination", "0", "--cache_file", FOLDER / "vw-cache", "-k", "-b", "8", "--holdout_off", "--l2", "1e-3",
        "--predict_only_model", "-f", FOLDER / "vw-model", "--quiet",
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return weights(course, FOLDER / "vw-model")


def weights(course: Course, model: Path) -> tuple[Any, Any]:
    """The point that a model holds."""
    opened = vowpalwabbit.Workspace(arg_list=["-i", str(model), "-t", "--predict_only_model", "--quiet"])
    columns = course.objective.X.shape[1]
    point = [opened.get_weight(j) for j in range(columns)], opened.get_weight(CONSTANT)
    opened.finish()
    return point


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
