"""XGBoost's linear booster, coordinate descent over blocks in its external memory; a round is a point."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import xgboost
from course import FOLDER, Course, Enough, tell

BLOCK_ROWS = 131_072
OBJECTIVES = {
    "squared": {"objective": "reg:squarederror", "base_score": 0.0},
    "logistic": {"objective": "binary:logistic", "base_score": 0.5},
    "poisson": {"objective": "count:poisson", "base_score": 1.0},
    "softmax": {"objective": "multi:softprob", "base_score": 0.5},
}


class Blocks(xgboost.DataIter):
    """Rows in blocks, from the files."""

    def __init__(self) -> None:
        self.start = 0
        super().__init__(cache_prefix=str(FOLDER / "xgboost-cache"))

    def next(self, input_data: Any) -> bool:
        """Hand on the next block."""
        X, y = np.load(FOLDER / "X.npy", mmap_mode="r"), np.load(FOLDER / "y.npy", mmap_mode="r")
        if self.start >= len(X):
            return False
        rows = slice(self.start, self.start + BLOCK_ROWS)
        input_data(data=np.array(X[rows]), label=np.array(y[rows]))
        self.start += BLOCK_ROWS
        return True

    def reset(self) -> None:
        """Begin anew."""
        self.start = 0


class Rounds(xgboost.callback.TrainingCallback):
    """Notes the weights after each round; they lie column by column, the intercepts last."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.course = course

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Note a point."""
        document = json.loads(bytes(model.save_raw("json")))
        weights = np.array(document["learner"]["gradient_booster"]["model"]["weights"])
        weights = weights.reshape(-1, self.course.objective.outputs).T
        self.course.add(weights[:, :-1], weights[:, -1])
        return False


def main() -> None:
    course = Course()
    facts = course.objective
    many = {"num_class": facts.outputs} if facts.loss == "softmax" else {}
    options = {
        **OBJECTIVES[facts.loss], **many, "booster": "gblinear", "updater": "coord_descent", "eta": 1.0,
        "feature_selector": "cyclic", "lambda": facts.l2, "alpha": 0.0, "nthread": 2,
        "disable_default_eval_metric": True,
    }  # fmt: skip
    with suppress(Enough):
        data = xgboost.DMatrix(Blocks(), nthread=2)
        course.has_read()
        xgboost.train(options, data, num_boost_round=10_000, callbacks=[Rounds(course)])
    tell(course.answer())


if __name__ == "__main__":
    main()
