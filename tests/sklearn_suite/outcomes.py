"""Runs a test file of scikit-learn's with dgd's classes, and says which of its tests passed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sklearn

ROOT = Path(__file__).parent.parent.parent
PEER = Path(sklearn.__file__).parent
LINEAR = "linear_model/tests"
FILES = {
    "test_ridge.py": LINEAR,
    "test_logistic.py": LINEAR,
    "test_glm.py": "linear_model/_glm/tests",
    "test_coordinate_descent.py": LINEAR,
    "test_sparse_coordinate_descent.py": LINEAR,
    "test_common.py": LINEAR,
    "test_base.py": LINEAR,
    "test_huber.py": LINEAR,
}
"""Where each is in scikit-learn; those that take longest are run first."""
INSIDE = {
    "test_stacking.py": "ensemble/tests",
    "test_voting.py": "ensemble/tests",
    "test_bagging.py": "ensemble/tests",
    "test_multioutput.py": "tests",
    "test_multiclass.py": "tests",
    "test_calibration.py": "tests",
    "test_from_model.py": "feature_selection/tests",
    "test_rfe.py": "feature_selection/tests",
    "test_sequential.py": "feature_selection/tests",
    "test_target.py": "compose/tests",
    "test_permutation_importance.py": "inspection/tests",
    "test_classification_threshold.py": "model_selection/tests",
}
"""Tests of what has an estimator inside."""
LEAST = 0.85
SECONDS = 300
"""A test that takes longer has failed."""


@dataclass(frozen=True)
class Outcomes:
    """The tests that one of the classes takes part in, as file::test."""

    passed: set[str]
    failed: set[str]
    messages: dict[str, str]

    @classmethod
    def of(cls, several: Iterable[Self]) -> Self:
        """All of several."""
        several = list(several)
        return cls(
            set().union(*(each.passed for each in several)),
            set().union(*(each.failed for each in several)),
            {test: text for each in several for test, text in each.messages.items()},
        )

    @property
    def share(self) -> float:
        """The part that passed."""
        return len(self.passed) / max(1, len(self.passed) + len(self.failed))


def outcomes_of(file: str) -> Outcomes:
    """Run one file in a process of its own. Raises RuntimeError where pytest could not."""
    with tempfile.TemporaryDirectory(prefix="dgd-sklearn-suite-") as folder:
        report = Path(folder) / "report.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.sklearn_suite.plugin", "-p", "no:cacheprovider"]
        command += ["-n", "0", "-c", os.devnull, "--rootdir", folder, "--timeout", str(SECONDS)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "DGD_SUITE_REPORT": str(report),
            # Small problems, and several processes.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        ran = subprocess.run(
            [*command, str(PEER / {**FILES, **INSIDE}[file] / file)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        if ran.returncode not in (0, 1) or not report.is_file():
            raise RuntimeError(f"{file} could not be run:\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}")
        lines = [json.loads(line) for line in report.read_text().splitlines()]
    return _of_lines(file, lines)


def _of_lines(file: str, lines: list[dict[str, Any]]) -> Outcomes:
    """Of a test that fails before or after its call, that; a skip and an expected failure are no outcome."""
    passed, failed, messages = set(), set(), {}
    for line in lines:
        test = f"{file}::{line['test'].partition('::')[2]}"
        if not line["applies"]:
            continue
        if line["outcome"] == "failed":
            failed.add(test)
            messages[test] = line["message"]
        elif line["outcome"] == "passed":
            passed.add(test)
    return Outcomes(passed - failed, failed, messages)


def remaining() -> dict[str, Any]:
    """What `remaining.json` holds."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "remaining.json").read_text())
    return found


def version() -> str:
    """The scikit-learn whose failures are named."""
    return str(remaining()["scikit-learn"])


def named() -> dict[str, str]:
    """The reason of each test that is known to fail."""
    return {test: each["reason"] for each in remaining()["failures"] for test in each["tests"]}
