"""Every registered penalty: prox and subgradient by their optimality and by brute force, derivatives by a stencil."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import dgd
from dgd.errors import ConfigurationError
from dgd.penalties import L1, L2, PENALTIES, Box, ElasticNet, NonNegative, NoPenalty, Penalty

Vector = NDArray[np.float64]

PER_FEATURE_L1 = [0.0, 0.5, 2.0, 0.25, 1.0]
PER_FEATURE_L2 = [3.0, 0.0, 0.5, 1.0, 10.0]
LOWER = [-1.0, -np.inf, 0.0, 0.5, -2.0]
UPPER = [1.0, -0.5, 0.0, np.inf, -2.0]

CASES: list[Penalty] = [
    NoPenalty(),
    L2(PER_FEATURE_L2),
    L1(0.7),
    L1(PER_FEATURE_L1),
    ElasticNet(l1=PER_FEATURE_L1, l2=PER_FEATURE_L2),
    Box(),
    Box(lower=LOWER, upper=UPPER),
    Box(lower=LOWER, upper=UPPER, l1=PER_FEATURE_L1, l2=PER_FEATURE_L2),
    Box(upper=0.5, l1=0.7),
    NonNegative(l1=0.7, l2=1.5),
]
SHAPES = [(5,), (5, 3)]
STEPS = [0.1, 1.0, 3.0]

each_case = pytest.mark.parametrize("penalty", CASES, ids=repr)


def within(name: str, values: Sequence[Any]) -> Callable[[Any], Any]:
    """Run a test for each value in one case: all penalties are one class, and every case would run the same lines."""

    def decorate(test: Any) -> Any:
        @functools.wraps(test)
        def looped(**given: Any) -> None:
            for value in values:
                test(**given, **{name: value})

        signature = inspect.signature(test)
        others = [parameter for parameter in signature.parameters.values() if parameter.name != name]
        looped.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return looped

    return decorate


each_shape = within("shape", SHAPES)
each_step = within("step", STEPS)


def coefficients(shape: tuple[int, ...], seed: int = 0) -> Vector:
    """Coefficients of every sign, some of them 0."""
    b = np.random.default_rng(seed).normal(scale=2, size=shape)
    b[seed % 5] = 0
    return b


def parts(penalty: Penalty, shape: tuple[int, ...]) -> tuple[Vector, Vector, Vector, Vector]:
    """l1, l2, lower and upper of each coefficient, by loops."""
    defaults = {"l1": 0.0, "l2": 0.0, "lower": 0.0 if isinstance(penalty, NonNegative) else -np.inf, "upper": np.inf}
    found = {name: np.empty(shape) for name in defaults}
    for name, default in defaults.items():
        given_as: Any = getattr(penalty, name, default)
        for j in range(shape[0]):
            found[name][j] = given_as if isinstance(given_as, float) else given_as[j]
    return found["l1"], found["l2"], found["lower"], found["upper"]


def interval(penalty: Penalty, b: Vector) -> tuple[Vector, Vector]:
    """The ends of ∂nonsmooth(b), coefficient by coefficient, from the definition."""
    l1, _, lower, upper = parts(penalty, b.shape)
    least, most = np.empty(b.shape), np.empty(b.shape)
    for i in np.ndindex(b.shape):
        least[i], most[i] = (-l1[i], l1[i]) if b[i] == 0 else (np.sign(b[i]) * l1[i],) * 2
        if b[i] == lower[i]:
            least[i] = -np.inf
        if b[i] == upper[i]:
            most[i] = np.inf
    return least, most


def test_a_penalty_is_named_by_its_key() -> None:
    assert all(penalty.name == name for name, penalty in PENALTIES.items())
    assert {type(penalty) for penalty in CASES} == set(PENALTIES.values())


@each_case
@each_shape
def test_values_are_the_sums_of_the_formula(penalty: Penalty, shape: tuple[int, ...]) -> None:
    b = coefficients(shape)
    l1, l2, _, _ = parts(penalty, shape)
    assert penalty.value(b) == pytest.approx(sum(l2[i] * b[i] ** 2 / 2 for i in np.ndindex(shape)), rel=1e-14)
    assert penalty.nonsmooth_value(b) == pytest.approx(sum(l1[i] * abs(b[i]) for i in np.ndindex(shape)), rel=1e-14)
    assert type(penalty.value(b)) is type(penalty.nonsmooth_value(b)) is float


@each_case
@each_shape
def test_gradient_and_curvature_by_a_five_point_stencil(penalty: Penalty, shape: tuple[int, ...]) -> None:
    b, h = coefficients(shape), 1e-2
    gradient, curvature = np.empty(shape), np.empty(shape)
    for i in np.ndindex(shape):
        e = np.zeros(shape)
        e[i] = h
        far_left, left, right, far_right = (penalty.value(b + k * e) for k in (-2, -1, 1, 2))
        gradient[i] = (far_left - 8 * left + 8 * right - far_right) / (12 * h)
        slopes = [penalty.gradient(b + k * e)[i] for k in (-2, -1, 1, 2)]
        curvature[i] = (slopes[0] - 8 * slopes[1] + 8 * slopes[2] - slopes[3]) / (12 * h)
    np.testing.assert_allclose(penalty.gradient(b), gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(penalty.curvature(b), curvature, rtol=1e-10, atol=1e-10)
    assert penalty.gradient(b).shape == penalty.curvature(b).shape == shape


@each_case
@each_shape
@each_step
def test_prox_by_its_optimality_condition(penalty: Penalty, shape: tuple[int, ...], step: float) -> None:
    for seed in range(5):
        b = coefficients(shape, seed)
        z = penalty.prox(b, step)
        _, _, lower, upper = parts(penalty, shape)
        least, most = interval(penalty, z)
        assert z.shape == shape
        assert ((lower <= z) & (z <= upper)).all()
        assert ((least - 1e-12 <= (b - z) / step) & ((b - z) / step <= most + 1e-12)).all()


@each_case
@each_shape
@each_step
def test_prox_is_the_least_point_of_a_grid(penalty: Penalty, shape: tuple[int, ...], step: float) -> None:
    b = np.round(coefficients(shape) * 8) / 8
    l1, _, lower, upper = parts(penalty, shape)
    grid = np.arange(-1000, 1001).reshape(-1, *(1 for _ in shape)) / 100
    cost = l1 * np.abs(grid) + (grid - b) ** 2 / (2 * step)
    cost[(grid < lower) | (grid > upper)] = np.inf
    best = grid.ravel()[np.argmin(cost, axis=0)]
    np.testing.assert_allclose(penalty.prox(b, step), best, atol=0.00501)


@given(
    st.floats(-20, 20),
    st.floats(0, 5),
    st.tuples(st.floats(-3, 3), st.floats(-3, 3)).map(sorted),
    st.floats(0.01, 10),
)
def test_soft_threshold_then_clip_is_the_prox_of_both(b: float, l1: float, bounds: list[float], step: float) -> None:
    lower, upper = bounds
    z = float(Box(lower=lower, upper=upper, l1=l1).prox(np.array([b]), step)[0])

    def cost(x: float) -> float:
        return step * l1 * abs(x) + (x - b) ** 2 / 2

    turns = [lower, upper, *(x for x in (0.0, b - step * l1, b + step * l1) if lower <= x <= upper)]
    assert lower <= z <= upper
    assert cost(z) <= min(map(cost, turns)) * (1 + 1e-12) + 1e-12


@each_case
@each_step
def test_prox_does_not_part_two_points(penalty: Penalty, step: float) -> None:
    for seed in range(5):
        b, c = coefficients((5, 3), seed), coefficients((5, 3), seed + 1)
        apart = np.abs(penalty.prox(b, step) - penalty.prox(c, step))
        assert (apart <= np.abs(b - c) + 1e-15).all()


def test_the_zero_of_a_prox_has_no_sign() -> None:
    b = np.array([-3.0, -0.5, -0.0, 0.0, 0.5, 3.0])
    found = L1(0.5).prox(b, 1.0)
    np.testing.assert_array_equal(found, np.sign(b) * np.maximum(np.abs(b) - 0.5, 0))
    assert not np.signbit(found[1:]).any()


@each_case
@each_shape
def test_kinks_are_where_the_prox_stays(penalty: Penalty, shape: tuple[int, ...]) -> None:
    """They are l1 and bounds of each coefficient, in an array of its own."""
    l1, _, lower, upper = parts(penalty, shape)
    assert penalty.has_kinks
    found = penalty.kinks(coefficients(shape))
    assert found is not None
    for values, expected in zip(found, (l1, lower, upper), strict=True):
        assert (values.shape, values.flags.writeable) == (shape, True)
        np.testing.assert_array_equal(values, expected)


def minimiser(penalty: Penalty, c: Vector) -> Vector:
    """argmin_b ½‖b − c‖² + penalty(b): with both squares as one, a prox at c/(1 + l2) with step 1/(1 + l2)."""
    l2 = parts(penalty, c.shape)[1]
    best = np.empty(c.shape)
    for j in range(len(c)):
        best[j] = penalty.prox(c / (1 + l2), 1 / (1 + l2[j].flat[0]))[j]
    return best


@each_case
@each_shape
def test_subgradient_is_zero_at_the_minimiser_and_nowhere_else(penalty: Penalty, shape: tuple[int, ...]) -> None:
    _, _, lower, upper = parts(penalty, shape)
    for seed in range(5):
        c = coefficients(shape, seed)
        best = minimiser(penalty, c)
        for move in (0, 1e-6, 0.25, -1e-6, -0.25):
            b = np.clip(best + move, lower, upper)
            least = penalty.subgradient(b, b - c + penalty.gradient(b))
            assert least.shape == shape
            assert (np.abs(least) >= np.abs(b - best) - 1e-14).all(), "the objective is strongly convex with modulus 1"
            assert move or np.abs(least).max() <= 1e-14


@each_case
@each_shape
def test_subgradient_is_the_least_of_the_interval_by_brute_force(penalty: Penalty, shape: tuple[int, ...]) -> None:
    _, _, lower, upper = parts(penalty, shape)
    for seed in range(5):
        b = np.clip(coefficients(shape, seed), lower, upper)
        gradient = coefficients(shape, seed + 10)
        least, most = interval(penalty, b)
        share = np.linspace(0, 1, 10001).reshape(-1, *(1 for _ in shape))
        elements = gradient + (1 - share) * np.maximum(least, -20) + share * np.minimum(most, 20)
        found = penalty.subgradient(b, gradient)
        np.testing.assert_allclose(np.abs(found), np.abs(elements).min(axis=0), atol=0.00201)
        assert ((gradient + least - 1e-14 <= found) & (found <= gradient + most + 1e-14)).all()


@each_case
@each_shape
def test_a_coefficient_outside_its_bounds_counts_as_the_bound(penalty: Penalty, shape: tuple[int, ...]) -> None:
    _, _, lower, upper = parts(penalty, shape)
    b, gradient = 10 * coefficients(shape), coefficients(shape, 1)
    found = penalty.subgradient(b, gradient)
    np.testing.assert_array_equal(found, penalty.subgradient(np.clip(b, lower, upper), gradient))
    assert np.isfinite(found).all()
    assert np.isfinite(penalty.nonsmooth_value(b))


@each_case
@each_shape
@each_step
def test_scaled_is_the_same_function_of_the_scaled_coefficients(
    penalty: Penalty, shape: tuple[int, ...], step: float
) -> None:
    scale = np.array([0.01, 0.5, 1.0, 3.0, 200.0])
    along = scale.reshape(-1, *(1 for _ in shape[1:]))
    scaled, b, gradient = penalty.scaled(scale), coefficients(shape), coefficients(shape, 1)
    assert type(scaled) is type(penalty)
    assert scaled.is_smooth == penalty.is_smooth
    assert scaled.value(b * along) == pytest.approx(penalty.value(b), rel=1e-14)
    assert scaled.nonsmooth_value(b * along) == pytest.approx(penalty.nonsmooth_value(b), rel=1e-14)
    np.testing.assert_allclose(scaled.gradient(b * along) * along, penalty.gradient(b), rtol=1e-14)
    np.testing.assert_allclose(scaled.curvature(b * along) * along**2, penalty.curvature(b), rtol=1e-14)
    found = scaled.subgradient(b * along, gradient / along) * along
    np.testing.assert_allclose(found, penalty.subgradient(b, gradient), rtol=1e-14, atol=1e-14)
    for j in range(5):
        z = scaled.prox(b * along, step * scale[j] ** 2)[j] / scale[j]
        np.testing.assert_allclose(z, penalty.prox(b, step)[j], rtol=1e-13, atol=1e-14)


@each_case
def test_each_output_is_penalised_as_by_itself(penalty: Penalty) -> None:
    b, gradient = coefficients((5, 5)), coefficients((5, 5), 1)
    for k in range(5):
        np.testing.assert_array_equal(penalty.prox(b, 0.5)[:, k], penalty.prox(b[:, k], 0.5))
        alone = penalty.subgradient(b[:, k], gradient[:, k])
        np.testing.assert_array_equal(penalty.subgradient(b, gradient)[:, k], alone)
        np.testing.assert_array_equal(penalty.gradient(b)[:, k], penalty.gradient(b[:, k]))
        np.testing.assert_array_equal(penalty.curvature(b)[:, k], penalty.curvature(b[:, k]))


@each_case
@each_shape
def test_inputs_are_neither_changed_nor_returned(penalty: Penalty, shape: tuple[int, ...]) -> None:
    b, gradient, scale = coefficients(shape), coefficients(shape, 1), np.arange(1.0, 6.0)
    before = b.copy(), gradient.copy(), scale.copy()
    results = [penalty.gradient(b), penalty.curvature(b), penalty.prox(b, 0.5), penalty.subgradient(b, gradient)]
    penalty.value(b), penalty.nonsmooth_value(b), penalty.scaled(scale)
    for result in results:
        assert result.dtype == np.float64
        result += 1
    for array, old in zip((b, gradient, scale), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize(
    ("penalty", "smooth"),
    [
        (NoPenalty(), True),
        (L2(1), True),
        (L1(0), True),
        (L1([0, 0.1]), False),
        (L1(0.1), False),
        (ElasticNet(l1=0, l2=1), True),
        (ElasticNet(l1=1, l2=0), False),
        (Box(), True),
        (Box(l2=1), True),
        (Box(l1=[0, 1]), False),
        (Box(lower=[-np.inf, 0]), False),
        (Box(upper=3), False),
        (NonNegative(), False),
    ],
    ids=repr,
)
def test_is_smooth_where_nothing_needs_a_prox(penalty: Penalty, smooth: bool) -> None:
    assert penalty.is_smooth is smooth
    if smooth:
        b = np.array([-0.5, 2.0])
        np.testing.assert_array_equal(penalty.prox(b, 0.5), b)


OPTIONS = [
    *((kind, option) for kind in (L1, ElasticNet, Box, NonNegative) for option in ("l1",)),
    *((kind, option) for kind in (L2, ElasticNet, Box, NonNegative) for option in ("l2",)),
    *((Box, option) for option in ("lower", "upper")),
]
OTHERS = {"l1": 0.0, "l2": 0.0}


def build(kind: Any, option: str, value: Any) -> Any:
    others = OTHERS if kind is ElasticNet else {}
    return kind(**{**others, option: value})


each_option = pytest.mark.parametrize(("kind", "option"), OPTIONS)


@pytest.mark.parametrize(("kind", "option"), [(L1, "l1"), (Box, "upper")])
@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.nan, "got nan"),
        ([0.5, np.nan], r"got nan for feature 1 \(counted from 0\)"),
        (True, "got True"),
        ([1.0, False], r"got \[1.0, False\]"),
        (np.array([True, False]), "got array"),
        ("1", "got '1'"),
        (["1", "2"], "got "),
        (None, "got None"),
        (1j, "got 1j"),
        ([1.0, [2.0, 3.0]], "got "),
        (np.ones((2, 2, 2)), r"got an array of shape \(2, 2, 2\)"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "got masked_array"),
    ],
    ids=repr,
)
def test_what_is_not_a_number_is_refused(kind: type, option: str, value: Any, got: str) -> None:
    call = rf"^`{kind.__name__}\({option}=\.\.\.\)` must be a number"
    with pytest.raises(ConfigurationError, match=f"{call}.*, or one per feature, {got}") as refused:
        build(kind, option, value)
    assert len(str(refused.value)) < 160


@pytest.mark.parametrize(("kind", "option"), OPTIONS[:-2])
@within("value", [-1.0, -1e-300, np.inf, -np.inf])
def test_negative_and_infinite_strengths_are_refused(kind: type, option: str, value: float) -> None:
    message = rf"^`{kind.__name__}\({option}=...\)` must be a number of 0 or more, or one per feature, got {value}"
    with pytest.raises(ConfigurationError, match=message):
        build(kind, option, value)
    with pytest.raises(ConfigurationError, match=f"got {value} for feature 2"):
        build(kind, option, [0, 1, value, -5])


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"lower": np.inf}, r"`Box\(lower=...\)` must be a number, or -inf for no bound, or one per feature, got inf"),
        ({"upper": [0, -np.inf]}, r"`Box\(upper=...\)` must be a number, or inf for no bound, .* -inf for feature 1"),
        ({"lower": 2, "upper": 1}, r"`Box\(lower=..., upper=...\)` must have lower <= upper, got 2.0 > 1.0$"),
        ({"lower": [0, 0, 2], "upper": 1}, "got 2.0 > 1.0 for feature 2"),
        ({"lower": 0, "upper": [0, -1]}, "got 0.0 > -1.0 for feature 1"),
        ({"lower": [0, 0], "upper": [1, 1, 1]}, "must be of one length, got 2 and 3 numbers"),
    ],
)
def test_bounds_that_cannot_be_kept_are_refused(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Box(**bounds)


@each_option
def test_check_wants_one_number_or_one_per_feature(kind: type, option: str) -> None:
    build(kind, option, 0.5).check(3)
    build(kind, option, [0.5, 1, 2]).check(3)
    message = rf"`{kind.__name__}\({option}=...\)` must be one number, or one per feature: 3 here, got "
    for wrong in ([0.5], [0.5, 1], [0.5, 1, 2, 3], []):
        with pytest.raises(ConfigurationError, match=f"{message}{len(wrong)}$"):
            build(kind, option, wrong).check(3)


@each_option
def test_numbers_are_kept_as_a_float_or_a_read_only_copy(kind: type, option: str) -> None:
    for number in (2, 2.0, np.float32(2), np.int8(2), np.array(2)):
        kept = getattr(build(kind, option, number), option)
        assert type(kept) is float
        assert kept == 2.0
    for numbers in ([1, 2], (1, 2), np.array([1, 2]), np.array([1.0, 2.0])):
        kept = getattr(build(kind, option, numbers), option)
        assert kept.dtype == np.float64
        assert kept is not numbers
        assert kept.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 5
    mine = np.array([1.0, 2.0])
    penalty = build(kind, option, mine)
    mine[:] = 7
    assert getattr(penalty, option).tolist() == [1.0, 2.0]


@each_case
def test_a_penalty_prints_compares_and_copies(penalty: Penalty) -> None:
    assert len(repr(penalty)) < 100
    assert repr(penalty).startswith(f"{type(penalty).__name__}(")
    assert (copy.deepcopy(penalty) == penalty) in {True, False}
    assert penalty in {penalty}
    b = coefficients((5, 3))
    for other in (copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))):
        assert repr(other) == repr(penalty)
        np.testing.assert_array_equal(
            other.prox(b, 0.5) + other.gradient(b), penalty.prox(b, 0.5) + penalty.gradient(b)
        )


def test_a_penalty_is_written_as_the_call_that_makes_it() -> None:
    assert repr(L1(1)) == "L1(l1=1.0)"
    assert repr(Box(lower=LOWER, l2=0.5)) == "Box(lower=<5 numbers>, upper=inf, l1=0.0, l2=0.5)"


class Quartic(Penalty):
    """A penalty of a user's own: Σ bⱼ⁴/4 within |bⱼ| ≤ 1, without kinks that dgd knows."""

    name = "quartic"
    is_smooth = False

    def value(self, b: Vector) -> float:
        return float((b**4).sum()) / 4

    def gradient(self, b: Vector) -> Vector:
        return b**3

    def curvature(self, b: Vector) -> Vector:
        return 3 * b**2

    def nonsmooth_value(self, b: Vector) -> float:
        return 0.0

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        return np.clip(b, -1, 1)

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        stays = ((b >= 1) & (gradient < 0)) | ((b <= -1) & (gradient > 0))
        return np.where(stays, 0.0, gradient)

    def scaled(self, scale: Vector) -> Quartic:
        return self

    def check(self, n_features: int) -> None:
        pass


def test_a_penalty_of_another_kind_is_fitted_but_not_by_newton() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X @ [3.0, 0.5, -0.2]
    found = dgd.fit(X, y, penalty=Quartic(), standardize=False)
    assert found.choice is not None
    assert found.choice.name == "fista"
    assert "not known to be l1 and bounds" in found.explain()
    assert found.coef_[0] == 1
    slope = 2 / 60 * X.T @ (X @ found.coef_ + found.intercept_ - y) + found.coef_**3
    np.testing.assert_allclose(slope[1:], 0, atol=1e-9)
    with pytest.raises(ConfigurationError, match=r"solver='newton'.*not known to be l1 and bounds; use solver='fista'"):
        dgd.fit(X, y, penalty=Quartic(), solver="newton")
