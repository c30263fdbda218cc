"""Every registered loss: its derivatives against stencils, its tails against exact values, its targets."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import nbinom, norm

from dgd.errors import ConfigurationError
from dgd.losses import (
    LOSSES,
    Huber,
    Logistic,
    Loss,
    NegativeBinomial,
    Poisson,
    Quantile,
    Softmax,
    Squared,
    Tweedie,
)
from dgd.losses.scaled_huber import ScaledHuber

POINTWISE = json.loads((Path(__file__).parent / "data" / "misc" / "pointwise_losses.json").read_text())
OF_REFERENCE = {"half_squared": Squared(), "half_poisson": Poisson(), "binomial": Logistic(), "multinomial": Softmax()}
SEPARABLE = [name for name in LOSSES if name not in ("softmax", "binomial")]
OF_CLASSES = ("logistic", "probit", "cloglog", "squared_hinge")
F64 = np.dtype(np.float64)

ETA = np.array([-1e3, -2.5, -0.3, 0.0, 0.7, 4.0, 1e3])
Y = np.array([-3.0, -2.5, 0.0, 0.0, 1.0, -4.0, 5.0])
SHARES = np.array([0.0, 1.0, 0.25, 0.0, 1.0, 0.5, 1.0])
COUNTS = np.array([0.0, 3.0, 0.5, 0.0, 1.0, 7.0, 20.0])
RATES = np.array([-30.0, -2.5, -0.3, 0.0, 0.7, 4.0, 8.0])
POINTS = {
    "logistic": (ETA, SHARES),
    "probit": (np.array([-30.0, -2.5, -0.3, 0.0, 0.7, 4.0, 8.0]), SHARES),
    "cloglog": (np.array([-30.0, -2.5, -0.3, 0.0, 0.7, 2.0, 4.0]), SHARES),
    "binomial": (ETA.clip(-30, 30), np.array([[0.0, 3], [5, 0], [2, 7], [0, 0], [1, 1], [0.5, 2], [4, 1]])),
    "squared_hinge": (ETA, np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0])),
    "poisson": (RATES, COUNTS),
    "negative_binomial": (RATES, COUNTS),
    "tweedie": (RATES, COUNTS),
    "gamma": (RATES.clip(-3), COUNTS + 0.1),
    "inverse_gaussian": (RATES.clip(-3), COUNTS + 0.1),
    "softmax": (
        np.array([[0.2, 0.5, -0.3], [5, 6, 0], [-5, 0, 5], [3, 1, 2], [0, 0, 0], [-1e3, 0, 1], [7, -7, 1]]),
        np.array([0.0, 1, 0, 2, 1, 2, 0]),
    ),
}
"""Raw predictions and encoded targets, where those of a loss are not any numbers at all."""


def points(name: str) -> tuple[np.ndarray, np.ndarray]:
    return POINTS.get(name, (ETA, Y))


def two_outputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    eta, y = points(name)
    return np.stack([eta, eta[::-1] + 0.5], axis=1), np.stack([y, y[::-1]], axis=1)


ALL_POINTS = [pytest.param(name, points(name), id=name) for name in LOSSES] + [
    pytest.param(name, two_outputs(name), id=f"{name}, two outputs") for name in SEPARABLE
]


def stencil(f: Callable[[np.ndarray], np.ndarray], eta: np.ndarray) -> np.ndarray:
    """∂f/∂η by five points, output by output: of f's shape, with η's outputs as one more axis at the end."""
    outputs = eta.reshape(len(eta), -1)
    columns = []
    for j in range(outputs.shape[1]):
        h = np.zeros_like(outputs)
        h[:, j] = 1e-3 * np.maximum(1, np.abs(outputs[:, j]))
        at = [f((outputs + k * h).reshape(eta.shape)) for k in (-2, -1, 1, 2)]
        slope = (at[0] - 8 * at[1] + 8 * at[2] - at[3]).T / (12 * h[:, j])
        columns.append(slope.T)
    return columns[0] if eta.ndim == 1 else np.stack(columns, axis=-1)


@pytest.mark.parametrize(("name", "at"), ALL_POINTS)
def test_derivative_by_a_five_point_stencil(name: str, at: tuple[np.ndarray, np.ndarray]) -> None:
    loss, (eta, y) = LOSSES[name](), at
    derivative = loss.derivative(eta, y)
    assert derivative.shape == eta.shape
    expected = stencil(lambda eta: loss.value(eta, y), eta)
    np.testing.assert_allclose(loss.gradient_scale * derivative, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "at"), ALL_POINTS)
def test_second_derivative_by_a_five_point_stencil(name: str, at: tuple[np.ndarray, np.ndarray]) -> None:
    loss, (eta, y) = LOSSES[name](), at
    second = loss.second_derivative(eta, y)
    expected = stencil(lambda eta: loss.derivative(eta, y), eta)
    if second.shape != expected.shape:  # output by output: the rest of the matrix is zero
        second = np.eye(eta.shape[1]) * second[:, :, None]
    np.testing.assert_allclose(second, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "at"), ALL_POINTS)
def test_both_at_once_are_each_by_itself(name: str, at: tuple[np.ndarray, np.ndarray], dtype: type) -> None:
    loss, eta, y = LOSSES[name](), at[0].astype(dtype), at[1].astype(dtype)
    before = eta.copy(), y.copy()
    value, derivative = loss.value_and_derivative(eta, y)
    assert (value == loss.value(eta, y)).all()
    assert (derivative == loss.derivative(eta, y)).all()
    assert value.shape == (len(eta),)
    others = loss.second_derivative(eta, y), loss.response(eta), loss.saturated(y), loss.encode(y, np.dtype(dtype))
    assert all(array.dtype == dtype for array in (value, derivative, *others))
    assert (eta == before[0]).all()
    assert (y == before[1]).all()


@pytest.mark.parametrize("name", SEPARABLE)
def test_the_value_of_a_row_is_the_sum_over_its_outputs(name: str) -> None:
    loss, (eta, y) = LOSSES[name](), two_outputs(name)
    single = [(loss.value(eta[:, j], y[:, j]), loss.saturated(y[:, j])) for j in range(2)]
    np.testing.assert_allclose(loss.value(eta, y), single[0][0] + single[1][0], rtol=1e-15)
    np.testing.assert_allclose(loss.saturated(y), single[0][1] + single[1][1], rtol=1e-15)
    assert loss.n_outputs(y.shape) == 2
    assert loss.n_outputs(y[:, 0].shape) is None


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_named_by_its_key(name: str) -> None:
    assert LOSSES[name].name == name


def test_squared_is_the_mse_without_a_half() -> None:
    loss = LOSSES["squared"]()
    assert loss.value(np.array([5.0]), np.array([2.0])) == 9.0
    assert loss.gradient_scale * loss.derivative(np.array([5.0]), np.array([2.0])) == 6.0


# Exact values, tails and far ends


@pytest.mark.parametrize("case", POINTWISE["scalar"], ids=lambda case: f"{case['loss']} {case['y']} {case['raw']}")
def test_pointwise_reference(case: dict[str, Any]) -> None:
    loss, eta, y = OF_REFERENCE[case["loss"]], np.array([case["raw"]]), np.array([case["y"]])
    half = 0.5 if case["loss"] == "half_squared" else 1.0
    scale = half * loss.gradient_scale
    ours = {
        "value": half * loss.value(eta, y),
        "gradient": scale * loss.derivative(eta, y),
        "hessian": scale * loss.second_derivative(eta, y),
    }
    for what, found in ours.items():
        assert found[0] == pytest.approx(float(case[f"{what}_mp"]), rel=1e-15, abs=1e-15)
        if case[what] is not None:
            assert found[0] == pytest.approx(case[what], rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("case", POINTWISE["multinomial"], ids=lambda case: f"{case['y']} {case['raw']}")
def test_pointwise_reference_of_softmax(case: dict[str, Any]) -> None:
    value = Softmax().value(np.array([case["raw"]], dtype=float), np.array([case["y"]], dtype=float))
    assert value[0] == pytest.approx(case["value"], rel=1e-15, abs=1e-15)


def exact_logistic(eta: float, y: float) -> list[float]:
    """The naive formulas, with 400 digits."""
    getcontext().prec = 400
    e, target = Decimal(eta).exp(), Decimal(y)
    value = (1 + e).ln() - target * Decimal(eta)
    return [float(value), float(e / (1 + e) - target), float(e / (1 + e) ** 2)]


@pytest.mark.parametrize("eta", [-700.0, -300.5, -37.0, -1e-3, -0.0, 0.0, 1e-9, 0.3, 20.0, 36.9, 300.0, 700.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_two_classes_keep_every_digit_in_the_tails(eta: float, y: float) -> None:
    expected = exact_logistic(eta, y)
    logistic, softmax = Logistic(), Softmax()
    one, pair, target = np.array([eta]), np.array([[-3.0, eta - 3]]), np.array([y])
    found = [f(one, target)[0] for f in (logistic.value, logistic.derivative, logistic.second_derivative)]
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert logistic.response(one)[0] == pytest.approx(exact_logistic(eta, 0.0)[1], rel=1e-15, abs=0)
    if pair[0, 1] - pair[0, 0] == eta:
        for column, sign in ((0, -1), (1, 1)):
            assert softmax.value(pair, target)[0] == pytest.approx(expected[0], rel=3e-15, abs=0)
            assert softmax.derivative(pair, target)[0, column] == pytest.approx(sign * expected[1], rel=3e-15, abs=0)
            hessian = softmax.second_derivative(pair, target)[0]
            np.testing.assert_allclose(sign * hessian[column], [-expected[2], expected[2]], rtol=3e-15)


SQUARES = ("squared", "squared_hinge", "squared_epsilon_insensitive")


@pytest.mark.parametrize("eta", [1e20, 1e300, -1e20, -1e300])
@pytest.mark.parametrize("name", [name for name in LOSSES if name not in SQUARES])
def test_the_far_ends_neither_warn_nor_are_nan(name: str, eta: float) -> None:
    loss, y = LOSSES[name](), np.array([0.5 if name in ("gamma", "inverse_gaussian") else 0.0, 1.0])
    y = np.array([[0.0, 2.0], [1.0, 1.0]]) if name == "binomial" else y
    raw = np.full(2, eta) if name != "softmax" else np.array([[eta, 0.0], [eta, -eta]])
    value, derivative = loss.value_and_derivative(raw, y)
    assert not np.isnan(value).any()
    assert not np.isnan(derivative).any()
    assert not np.isnan(loss.second_derivative(raw, y)).any()
    assert not np.isnan(loss.response(raw)).any()
    if name not in ("gamma", "inverse_gaussian"):
        assert (value >= 0).all()
    overflows = {
        "poisson": eta > 0,
        "tweedie": True,
        "gamma": eta < 0,
        "inverse_gaussian": eta < 0,
        "cloglog": eta > 0,
        "probit": abs(eta) == 1e300,
    }
    assert (value.max() == np.inf) == overflows.get(name, False)


def test_poisson_overflows_to_infinity_whatever_the_count() -> None:
    eta = np.array([1e3, 1e300, 1e300])
    assert (Poisson().value(eta, np.array([0.0, 1e10, 1e300])) == np.inf).all()


# The least values


def best_prediction(name: str, y: np.ndarray) -> np.ndarray:
    """The raw prediction at which each row's loss is least, or one close to infinity."""
    if name == "softmax":
        return 1e3 * np.eye(3)[y.astype(int)]
    if name == "binomial":
        return np.clip(np.log(np.maximum(y[:, 0], 1e-300)) - np.log(np.maximum(y[:, 1], 1e-300)), -1e2, 1e2)
    with np.errstate(divide="ignore"):
        best = {
            "logistic": np.log(y.clip(0)) - np.log1p(-y.clip(0, 1)),
            "probit": norm.ppf(y.clip(0, 1)),
            "cloglog": np.log(-np.log1p(-y.clip(0, 1))),
            "squared_hinge": 2 * y - 1,
            "squared_epsilon_insensitive": y,
            "huber": y,
            "squared": y,
            "quantile": y + (2 * Quantile().quantile - 1) * Quantile().smoothing,
        }.get(name, np.log(y.clip(0)))
    return np.clip(best, *{"cloglog": (-1e2, 4), "probit": (-30, 30)}.get(name, (-1e3, 1e3)))


@pytest.mark.parametrize("name", LOSSES)
def test_saturated_is_the_least_value(name: str) -> None:
    loss, y = LOSSES[name](), points(name)[1]
    best, saturated = best_prediction(name, y), loss.saturated(y)
    np.testing.assert_allclose(loss.value(best, y), saturated, rtol=1e-14, atol=1e-15)
    steps = np.random.default_rng(0).normal(size=(50, *best.shape)) * np.geomspace(1e-3, 30, 50).reshape(
        -1, *[1] * best.ndim
    )
    for step in steps:
        assert (loss.value(best + step, y) >= saturated - 1e-14).all()


def least_over_constants(loss: Loss, y: np.ndarray, k: int) -> float:
    """The least mean loss of k numbers, the same for each row: golden sections, number by number."""

    def mean(constant: np.ndarray) -> float:
        raw = np.broadcast_to(constant, (len(y), k)) if k > 1 else np.full(len(y), constant[0])
        return float(loss.value(raw, y).mean())

    constant, golden = np.zeros(k), (5**0.5 - 1) / 2
    for _ in range(1 if y.ndim == 2 else 12 * k):
        for j in range(k):
            low, high = -8.0, 8.0
            while high - low > 1e-6:
                left, right = constant.copy(), constant.copy()
                left[j], right[j] = high - golden * (high - low), low + golden * (high - low)
                low, high = (low, right[j]) if mean(left) < mean(right) else (left[j], high)
            constant[j] = (low + high) / 2
    return mean(constant)


UNKNOWN_NULL = ("huber", "quantile", "squared_epsilon_insensitive")


def test_labels_of_two_classes_have_no_entropy_beside_those_between_them() -> None:
    loss = Logistic()
    np.testing.assert_array_equal(loss.saturated(np.array([0.0, 1.0, 1.0, 0.0])), np.zeros(4))
    np.testing.assert_allclose(loss.saturated(np.array([0.0, 1.0, 0.5])), [0.0, 0.0, np.log(2)])
    assert np.isnan(loss.saturated(np.array([1.0, np.nan]))).tolist() == [False, True]


@pytest.mark.parametrize(("name", "at"), [case for case in ALL_POINTS if case.values[0] not in UNKNOWN_NULL])
def test_null_value_is_the_best_constant(name: str, at: tuple[np.ndarray, np.ndarray]) -> None:
    loss, y = LOSSES[name](), at[1]
    mean, variance = y.mean(axis=0), y.var(axis=0)
    if name == "softmax":
        mean = np.bincount(y.astype(int), minlength=3) / len(y)
    k = 3 if name == "softmax" else 1 if name == "binomial" else y[0].size
    assert loss.null_value(mean, variance) == pytest.approx(least_over_constants(loss, y, k), rel=1e-9)


def test_null_value_of_one_class_alone_is_zero_and_that_of_huber_unknown() -> None:
    zero, one = np.array(0.0), np.array(1.0)
    assert (
        Logistic().null_value(zero, zero) == Logistic().null_value(one, zero) == Poisson().null_value(zero, zero) == 0
    )
    assert Softmax().null_value(np.array([0.0, 1.0, 0.0]), zero) == 0
    assert np.isnan(Huber().null_value(zero, one))


# Huber


def test_huber_by_its_two_branches() -> None:
    r = np.array([-1e6, -2.5, -2.0, -1.9, 0.0, 1.0, 2.0, 2.1, 7.0])
    naive = np.where(np.abs(r) <= 2, r**2 / 2, 2 * (np.abs(r) - 1))
    np.testing.assert_allclose(Huber(delta=2).value(r + 3, np.full(9, 3.0)), naive, rtol=1e-15)
    assert (Huber(delta=2).derivative(r, np.zeros(9)) == [-2, -2, -2, -1.9, 0, 1, 2, 2, 2]).all()
    assert (Huber(delta=2).second_derivative(r, np.zeros(9)) == [0, 0, 1, 1, 1, 1, 1, 0, 0]).all()


@pytest.mark.parametrize("delta", [0, -1.0, np.nan, np.inf, "1", None])
def test_huber_refuses_a_delta_that_is_not_positive(delta: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`Huber\(delta=...\)` must be a positive number, got"):
        Huber(delta=delta)


# Those with a parameter


@pytest.mark.parametrize("power", [1, 2, 3.0, np.nan, "1.5", None])
def test_tweedie_refuses_a_power_and_names_the_loss_that_has_it(power: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"above 1 and below 2.*Poisson\(\), 2 Gamma\(\), 3 InverseGaussian"):
        Tweedie(power=power)


@pytest.mark.parametrize("alpha", [0, -1.0, np.nan, np.inf, "1", None])
def test_negative_binomial_refuses_an_alpha_that_is_not_positive(alpha: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`NegativeBinomial\(alpha=...\)` must be a positive number"):
        NegativeBinomial(alpha=alpha)


@pytest.mark.parametrize("wrong", [{"quantile": 0}, {"quantile": 1}, {"smoothing": 0}, {"smoothing": np.inf}])
def test_quantile_refuses_what_is_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"`Quantile\({next(iter(wrong))}=...\)` must be a number"):
        Quantile(**wrong)


@pytest.mark.parametrize("power", [1.01, 1.5, 1.99])
def test_tweedie_of_every_power_has_its_derivatives(power: float) -> None:
    loss, (eta, y) = Tweedie(power), points("tweedie")
    expected = stencil(lambda eta: loss.value(eta, y), eta)
    np.testing.assert_allclose(loss.derivative(eta, y), expected, rtol=1e-9, atol=1e-9)
    expected = stencil(lambda eta: loss.derivative(eta, y), eta)
    np.testing.assert_allclose(loss.second_derivative(eta, y), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("alpha", [1e-6, 0.3, 1.0, 40.0])
def test_negative_binomial_is_the_likelihood_of_scipy(alpha: float) -> None:
    eta, y = np.array([-3.0, 0.0, 0.7, 4.0]), np.array([0.0, 3.0, 1.0, 70.0])
    loss, mu = NegativeBinomial(alpha), np.exp(eta)
    expected = nbinom.logpmf(y, 1 / alpha, 1 / (1 + alpha * mu))
    found = loss.log_base(y) - loss.value(eta, y)
    np.testing.assert_allclose(found, expected, rtol=1e-12 / min(alpha, 1))


def test_a_small_alpha_is_poisson() -> None:
    eta, y = points("poisson")
    np.testing.assert_allclose(NegativeBinomial(1e-12).derivative(eta, y), Poisson().derivative(eta, y), rtol=1e-8)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.99])
def test_the_smoothed_pinball_is_within_its_bound(quantile: float) -> None:
    r = np.linspace(-3, 3, 601)
    pinball = np.maximum(-quantile * r, (1 - quantile) * r)
    above = Quantile(quantile, 0.5).value(r, np.zeros_like(r)) - pinball
    assert (above >= -1e-15).all()
    assert above.max() == pytest.approx(0.5 / 4, rel=1e-14)
    np.testing.assert_allclose(above[np.abs(r) >= 0.5], 0, atol=1e-15)


# Targets


def test_outputs_of_softmax_are_its_classes() -> None:
    assert Softmax(classes=["a", "b", "c"]).n_outputs((9,)) == 3
    with pytest.raises(ConfigurationError, match=r"must be declared.*`Softmax\(classes=\[\.\.\.\]\)`"):
        Softmax().n_outputs((9,))
    with pytest.raises(ConfigurationError, match=r"one column of labels, got targets of shape \(9, 2\)"):
        Softmax(classes=[0, 1]).n_outputs((9, 2))


@pytest.mark.parametrize(
    ("name", "y", "expected"),
    [
        ("huber", [-1.5, 2, np.nan], [-1.5, 2, np.nan]),
        ("huber", [True, False], [1, 0]),
        ("logistic", [0, 0.25, 1, 1.5, -1, np.nan], [0, 0.25, 1, np.nan, np.nan, np.nan]),
        ("logistic", [True, False], [1, 0]),
        ("logistic", [0, 1, 2], [0, 1, np.nan]),
        ("softmax", [0, 2, 1.5, -1, np.inf, np.nan], [0, 2, np.nan, np.nan, np.nan, np.nan]),
        ("softmax", [True, False], [1, 0]),
        ("poisson", [0, 0.5, 9, -1, np.nan], [0, 0.5, 9, np.nan, np.nan]),
        ("poisson", [0, -1, 2], [0, np.nan, 2]),
        ("tweedie", [0, 0.5, 9, -1, np.nan], [0, 0.5, 9, np.nan, np.nan]),
        ("gamma", [0, 0.5, 9, -1, np.nan], [np.nan, 0.5, 9, np.nan, np.nan]),
    ]
    + [("probit", [0, 0.25, 1, 1.5, -1, np.nan], [0, 0.25, 1, np.nan, np.nan, np.nan])]
    + [("squared_hinge", [0, 1, 0.5, 2, np.nan], [0, 1, np.nan, np.nan, np.nan])]
    + [("binomial", [[3, 0], [1, -1], [np.inf, 1], [0, np.nan]], [[3, 0], [1, np.nan], [np.nan, 1], [0, np.nan]])]
    + [(name, ["1", "0"], [np.nan, np.nan]) for name in LOSSES],
)
def test_targets_that_are_not_expected_become_nan(name: str, y: list[Any], expected: list[float]) -> None:
    given = np.array(y)
    for dtype in (np.dtype(np.float32), F64):
        encoded = LOSSES[name]().encode(given, dtype)
        assert encoded.dtype == dtype
        np.testing.assert_array_equal(encoded, expected)
    np.testing.assert_array_equal(given, np.array(y))


@pytest.mark.parametrize(("name", "at"), ALL_POINTS)
def test_a_target_that_is_nan_is_never_lost(name: str, at: tuple[np.ndarray, np.ndarray]) -> None:
    loss, eta, y = LOSSES[name](), at[0], at[1].copy()
    y[2, ...] = np.nan
    value, derivative = loss.value_and_derivative(eta, y)
    assert np.flatnonzero(np.isnan(value)).tolist() == [2]
    assert np.isnan(derivative[2]).all()
    assert np.isfinite(np.delete(derivative, 2, axis=0)).all()


def test_an_index_beyond_the_classes_is_nan() -> None:
    assert np.isnan(Softmax().value(np.zeros((3, 2)), np.array([2.0, -1.0, 0.5]))).all()


# Responses


def test_response_is_the_expected_target() -> None:
    eta = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(Logistic().response(eta), 1 / (1 + np.exp(-eta)), rtol=1e-15)
    np.testing.assert_allclose(Poisson().response(eta), np.exp(eta), rtol=1e-15)
    assert (Huber().response(eta) == eta).all()
    raw = np.array([[1.0, 2.0, 0.0], [900.0, 0.0, 901.0]])
    naive = np.exp(raw - 450) / np.exp(raw - 450).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Softmax().response(raw), naive, rtol=1e-13)


def test_losses_take_their_obvious_argument_by_position() -> None:
    assert Huber(1.5).delta == 1.5
    assert Quantile(0.9, 0.5) == Quantile(quantile=0.9, smoothing=0.5)
    assert Tweedie(1.9).power == 1.9
    assert NegativeBinomial(0.5).alpha == 0.5
    assert ScaledHuber(2.0).epsilon == 2.0
    assert Logistic(["no", "yes"]).labels == ("no", "yes")
    assert Softmax(["a", "b", "c"]).labels == ("a", "b", "c")
    assert Softmax(3).labels == (0, 1, 2)
    assert Softmax(3) == Softmax(range(3))
    for wrong in (1, True, 0, -2):
        with pytest.raises(ConfigurationError, match=r"`Softmax\(classes=...\)` must be"):
            Softmax(wrong)
