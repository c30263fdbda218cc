"""scikit-learn: Ridge, logistic and Poisson regression by their solvers, all data in memory; SGD over blocks.

Iterations of lbfgs are handed on by SciPy's callback, those of newton-cholesky after each line search.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np
from course import FOLDER, SETTINGS, Course, Enough, arrays, few, tell
from minimiser import followed
from objective import Objective
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier, SGDRegressor
from sklearn.linear_model._glm import _newton_solver

BLOCK_ROWS = 262_144


def main() -> None:
    warnings.simplefilter("ignore")
    Ridge().fit(*few())
    model_of(Objective(FOLDER), 100).fit(*few())
    course = Course()
    with suppress(Enough):
        {"sgd": epochs, "ridge": ridge}.get(SETTINGS["solver"], fit)(course)
    tell(course.answer())


def ridge(course: Course) -> None:
    """Normal equations, with a penalty that counts for nothing."""
    X, y = arrays(course)
    model = Ridge(alpha=1e-9, solver="cholesky").fit(X, y)
    course.add(model.coef_, model.intercept_, last=True)


def fit(course: Course) -> None:
    """Logistic, softmax or Poisson regression."""
    X, y = arrays(course)
    step = _newton_solver.NewtonSolver.line_search

    def noted(solver: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        found = step(solver, X, y, sample_weight)
        _add(course, solver.coef)
        return found

    _newton_solver.NewtonSolver.line_search = noted
    model = model_of(course.objective, len(X))
    with followed(lambda theta: _add(course, theta)):
        model.fit(X, y)
    course.add(model.coef_, model.intercept_, last=True)


def model_of(facts: Objective, rows: int) -> Any:
    """The estimator of the loss, with a tolerance that ends nothing too soon."""
    if facts.loss == "squared":
        return Ridge()
    if facts.loss == "poisson":
        return PoissonRegressor(alpha=0.0, solver=_solver(), tol=1e-10, max_iter=10_000)
    C = 1 / (facts.l2 * rows) if facts.l2 else np.inf
    return LogisticRegression(C=C, solver=_solver(), tol=1e-10, max_iter=10_000)


def _solver() -> str:
    return "lbfgs" if SETTINGS["solver"] == "sgd" else str(SETTINGS["solver"])


def _add(course: Course, theta: Any) -> None:
    """A point of its solvers: with K classes column by column, the intercepts last."""
    theta = np.asarray(theta).reshape(course.objective.outputs, -1, order="F")
    course.add(theta[:, :-1], theta[:, -1])


def epochs(course: Course) -> None:
    """Stochastic gradient descent, a point after each epoch."""
    X, y = np.load(FOLDER / "X.npy", mmap_mode="r"), np.load(FOLDER / "y.npy", mmap_mode="r")
    classes = {}
    if course.objective.loss == "squared":
        model: Any = SGDRegressor(penalty=None, learning_rate="invscaling", random_state=0)
    else:
        model = SGDClassifier(loss="log_loss", penalty=None, alpha=1e-6, random_state=0)
        classes = {"classes": [0, 1]}
    while True:
        for start in range(0, len(X), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            model.partial_fit(np.asarray(X[rows]), np.asarray(y[rows]), **classes)
        course.add(model.coef_, model.intercept_)


if __name__ == "__main__":
    main()
