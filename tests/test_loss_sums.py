"""What a pass asks of a loss, its sum over rows and the derivative, against sums of the rows' values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dgd.losses import LOSSES, Logistic, Loss, Poisson, Softmax
from dgd.losses.sums import GROUP, sum_of_log1p, sum_of_products, total

EXACT = np.longdouble
SIZES = (0, 1, 7, GROUP - 1, GROUP, GROUP + 1, 40 * GROUP + 13)
NAMES = ("squared", "huber", "logistic", "poisson", "gamma", "softmax")
"""Those that sum themselves, and two that are summed row by row."""
FAR = np.array([0.0, -0.0, 1e-300, 1e-8, -1e-8, 1e-3, 0.3, -1.0, 4.0, -17.0, 36.9, -40.0, 300.0, -700.0, 1e3, -1e3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-30, 1e-17, 3e-9, 1e-8, 2e-4, 1e-2, 0.09, 0.11, 0.2, 1.0])
def test_logarithms_of_groups_are_within_twenty_roundings(size: float, dtype: type) -> None:
    rng = np.random.default_rng(0)
    with np.errstate(under="ignore"):
        for rows in SIZES:
            for t in (rng.uniform(0, size, rows), np.full(rows, size), size ** rng.uniform(0, 1, rows)):
                t = t.astype(dtype)
                exact = np.log1p(t.astype(EXACT)).sum()
                assert abs(sum_of_log1p(t, 1 + t) - exact) <= 20 * np.finfo(dtype).eps / 2 * exact


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_logarithm_of_what_is_no_number_is_none(dtype: type) -> None:
    for place in (0, GROUP, 2 * GROUP):
        t = np.ones(2 * GROUP + 1, dtype)
        t[place] = np.nan
        assert math.isnan(sum_of_log1p(t, 1 + t))


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 100_003])
def test_float32_is_added_as_well_as_in_float64(rows: int) -> None:
    rng = np.random.default_rng(rows)
    a, b = (rng.uniform(0.5, 1.5, rows).astype(np.float32) for _ in range(2))
    assert total(a) == pytest.approx(a.astype(np.float64).sum(), rel=2e-7 / math.sqrt(1 + rows))
    assert sum_of_products(a, b) == pytest.approx(a.astype(np.float64) @ b, rel=2e-7 / math.sqrt(1 + rows))


def rows_of(name: str, shape: tuple[int, ...], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Raw predictions of every size and targets that the loss takes."""
    rng = np.random.default_rng(1)
    eta = rng.choice(FAR, shape) if name in ("logistic", "squared", "huber") else rng.normal(size=shape)
    if name == "logistic":
        y = rng.choice([0.0, 1.0, 0.25], shape)
    elif name == "softmax":
        eta, y = rng.choice(FAR, (shape[0], 3)), rng.integers(0, 3, shape[0]).astype(float)
    else:
        y = rng.integers(1, 9, shape).astype(float)
    return eta.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.each(3)
def test_the_sum_is_that_of_the_rows(name: str, weighted: bool, dtype: type) -> None:
    loss: Any = LOSSES[name]()
    for shape in [(rows,) for rows in SIZES] + ([(5, 2), (2 * GROUP + 3, 3)] if name != "softmax" else []):
        eta, y = rows_of(name, shape, dtype)
        before = eta.copy(), y.copy()
        weight = np.random.default_rng(2).uniform(0, 2, len(eta)).astype(dtype) if weighted else None
        found, derivative = loss.sum_and_derivative(eta, y, weight)
        values = loss.value(eta.astype(EXACT), y.astype(EXACT)) if name in ("logistic", "squared", "huber") else None
        values = loss.value(eta.astype(np.float64), y.astype(np.float64)) if values is None else values
        expected = (values if weight is None else values * weight).sum()
        assert type(found) is float
        assert abs(found - expected) <= 32 * np.finfo(dtype).eps * abs(values).sum() + 4 * np.finfo(dtype).tiny
        assert (derivative == loss.derivative(eta, y)).all()
        assert derivative.dtype == dtype
        again, also, second = loss.sum_and_derivatives(eta, y, weight)
        assert again == found
        assert (also == derivative).all()
        np.testing.assert_array_equal(second, loss.second_derivative(eta, y), strict=True)
        assert (eta == before[0]).all()
        assert (y == before[1]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.each(3)
def test_the_sum_is_finite_where_that_of_the_rows_is(name: str, dtype: type) -> None:
    loss: Any = LOSSES[name]()
    for eta in (np.inf, -np.inf, np.nan, 1e300, -1e300):
        for y in (1.0, 2.0 if name == "poisson" else 0.0 if name in ("logistic", "softmax") else 1.5):
            with np.errstate(all="ignore"):
                raw = np.array([eta] if name != "softmax" else [[eta, 0.0]]).astype(dtype)
                values, derivative = loss.value_and_derivative(raw, np.array([y], dtype))
                found, also = loss.sum_and_derivative(raw, np.array([y], dtype), None)
            np.testing.assert_array_equal(also, derivative)
            np.testing.assert_allclose(found, np.float64(values[0]), rtol=1e-6)


def test_classes_are_summed_by_one_logarithm_unless_nearly_all_are_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    careful: list[int] = []
    log1p = np.log1p
    monkeypatch.setattr(np, "log1p", lambda t: careful.append(len(t)) or log1p(t))
    rng = np.random.default_rng(11)
    y = rng.integers(0, 5, 300).astype(float)
    for scale, asked in ((0.0, 0), (1.0, 0), (40.0, 1)):
        raw = 0.1 * rng.normal(size=(300, 5))
        raw[np.arange(300), y.astype(int)] += scale
        careful.clear()
        found, _ = Softmax(5).sum_and_derivative(raw, y, None)
        assert len(careful) == asked
        values = Softmax(5).value(raw, y)
        assert found == pytest.approx(float(values.sum()), rel=1e-14)


def test_a_count_whose_rate_overflows_keeps_an_infinite_sum() -> None:
    found, _ = Poisson().sum_and_derivative(np.array([1e300, 0.0]), np.array([1e10, 1.0]), None)
    assert found == np.inf


class Doubled(Logistic):
    """Changes the value, and says nothing of its sum."""

    def value(self, raw_prediction: Any, y: Any) -> Any:
        """Twice that of its base."""
        return 2 * super().value(raw_prediction, y)

    def value_and_derivative(self, raw_prediction: Any, y: Any) -> Any:
        """Both twice."""
        return self.value(raw_prediction, y), 2 * super().derivative(raw_prediction, y)


class Steeper(Logistic):
    """Changes the second derivative alone."""

    def second_derivative(self, raw_prediction: Any, y: Any) -> Any:
        """Three times that of its base."""
        return 3 * super().second_derivative(raw_prediction, y)


class Renamed(Logistic):
    """Changes nothing that is summed."""

    name = "renamed"


def test_a_loss_that_changes_another_is_summed_by_its_own_values() -> None:
    eta, y = np.linspace(-3, 3, 200), np.tile([0.0, 1.0], 100)
    found, derivative = Doubled().sum_and_derivative(eta, y, None)
    assert found == pytest.approx(2 * Logistic().value(eta, y).sum(), rel=1e-14)
    assert (derivative == 2 * Logistic().derivative(eta, y)).all()
    found, derivative, second = Doubled().sum_and_derivatives(eta, y, None)
    assert found == pytest.approx(2 * Logistic().value(eta, y).sum(), rel=1e-14)
    assert (derivative == 2 * Logistic().derivative(eta, y)).all()
    assert (Steeper().sum_and_derivatives(eta, y, None)[2] == 3 * second).all()
    assert Renamed.sum_and_derivatives is Logistic.sum_and_derivatives
    assert Renamed.sum_and_derivative is Logistic.sum_and_derivative
    assert [name for name in NAMES if LOSSES[name].sum_and_derivative is Loss.sum_and_derivative] == ["gamma"]
