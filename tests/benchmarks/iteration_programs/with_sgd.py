"""scikit-learn's SGDRegressor.partial_fit over blocks from Zarr; an iteration is an epoch."""

from __future__ import annotations

from contextlib import suppress

from answer import Course, Enough, blocks, tell
from sklearn.linear_model import SGDRegressor


def main() -> None:
    model = SGDRegressor(penalty=None, learning_rate="invscaling", random_state=0)
    course = Course()
    with suppress(Enough):
        while True:
            for X, y in blocks():
                model.partial_fit(X, y)
            course.add(model.coef_)
    tell(course.answer())


if __name__ == "__main__":
    main()
