"""A plugin of pytest: seven classes of scikit-learn's are dgd's before its test modules are imported.

Of each test that a dgd estimator was made or fitted in, it writes a line of JSON to the file that `DGD_SUITE_REPORT`
names: the test, and how it ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import sklearn.linear_model

from dgd import estimators
from dgd.estimators.base import LinearEstimator

CLASSES = (
    "ElasticNet",
    "HuberRegressor",
    "Lasso",
    "LinearRegression",
    "LogisticRegression",
    "PoissonRegressor",
    "Ridge",
)
_used: set[str] = set()
_now: list[str] = []


def replace_classes() -> None:
    """Where users import them from, and the tests: what scikit-learn does within stays its own."""
    for name in CLASSES:
        setattr(sklearn.linear_model, name, getattr(estimators, name))


def note_use() -> None:
    """Have each construction and each fit noted, with the test that it is in."""

    def made(cls: type, *args: Any, **kwargs: Any) -> Any:
        _used.update(_now)
        return object.__new__(cls)

    LinearEstimator.__new__ = made  # type: ignore[method-assign,assignment]
    for name in CLASSES:
        cls = getattr(estimators, name)
        check = cls._check_parameters

        def checked(self: Any, check: Any = check) -> None:
            _used.update(_now)
            check(self)

        cls._check_parameters = checked


def pytest_configure(config: pytest.Config) -> None:
    replace_classes()
    note_use()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _now[:] = [item.nodeid]
    if any(isinstance(each, LinearEstimator) for value in _parameters(item) for each in _flat(value)):
        _used.add(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.outcome == "passed":
        return
    with open(os.environ["DGD_SUITE_REPORT"], "a") as file:
        line = {
            "test": report.nodeid,
            "outcome": report.outcome,
            "xfail": hasattr(report, "wasxfail"),
            "applies": report.nodeid in _used,
            "message": report.longrepr.reprcrash.message[:2000]
            if hasattr(report.longrepr, "reprcrash")
            else str(report.longrepr)[:500],
            "seconds": report.duration,
        }
        print(json.dumps(line), file=file)


def _parameters(item: pytest.Item) -> list[Any]:
    found = getattr(item, "callspec", None)
    return [] if found is None else list(found.params.values())


def _flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]
