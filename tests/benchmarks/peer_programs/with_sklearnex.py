"""Intel's extension of scikit-learn: least squares at once and block by block, logistic regression by L-BFGS."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np
from course import FOLDER, SETTINGS, Course, Enough, arrays, few, tell
from minimiser import followed
from sklearnex.linear_model import IncrementalLinearRegression, LinearRegression, LogisticRegression

BLOCK_ROWS = 262_144


def main() -> None:
    warnings.simplefilter("ignore")
    {"linear": linear, "incremental": incremental, "logistic": logistic}[SETTINGS["solver"]]()


def linear() -> None:
    """Normal equations of arrays."""
    LinearRegression().fit(*few())
    course = Course()
    model = LinearRegression().fit(*arrays(course))
    course.add(model.coef_, model.intercept_, last=True)
    tell(course.answer())


def incremental() -> None:
    """Normal equations of blocks."""
    IncrementalLinearRegression().fit(*few())
    course = Course()
    model = IncrementalLinearRegression()
    X, y = np.load(FOLDER / "X.npy", mmap_mode="r"), np.load(FOLDER / "y.npy", mmap_mode="r")
    for start in range(0, len(X), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        model.partial_fit(np.array(X[rows]), np.array(y[rows]))
    course.add(model.coef_, model.intercept_, last=True)
    tell(course.answer())


def logistic() -> None:
    """Two classes or many; SciPy's iterations are its own, the intercepts first."""
    LogisticRegression().fit(*few())
    course = Course()
    facts = course.objective

    def add(theta: Any) -> None:
        theta = np.asarray(theta).reshape(facts.outputs, -1)
        course.add(theta[:, 1:], theta[:, 0])

    with suppress(Enough):
        X, y = arrays(course)
        C = 1 / (facts.l2 * len(X)) if facts.l2 else 1e12
        with followed(add):
            model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(X, y)
        course.add(model.coef_, model.intercept_, last=True)
    tell(course.answer())


if __name__ == "__main__":
    main()
