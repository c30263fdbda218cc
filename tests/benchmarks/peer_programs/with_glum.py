"""glum's GeneralizedLinearRegressor by iteratively reweighted least squares, all data in memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from course import FOLDER, Course, arrays, by_limits, few, tell
from glum import GeneralizedLinearRegressor
from objective import Objective

FAMILIES = {"squared": "normal", "logistic": "binomial", "poisson": "poisson"}


def main() -> None:
    warnings.simplefilter("ignore")
    facts = Objective(FOLDER)
    model_of(facts, 5).fit(*(part.astype(np.float32) for part in few()))
    course = Course()
    X, y = arrays(course)
    y = y.astype(X.dtype)

    def fit(limit: int) -> tuple[Any, Any]:
        model = model_of(facts, limit).fit(X, y)
        return model.coef_, model.intercept_

    tell(by_limits(course, fit, most=64))


def model_of(facts: Objective, limit: int) -> Any:
    """Without a penalty."""
    return GeneralizedLinearRegressor(family=FAMILIES[facts.loss], alpha=0.0, max_iter=limit, gradient_tol=1e-12)


if __name__ == "__main__":
    main()
