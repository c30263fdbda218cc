"""Newton with l1 and bounds: the minimum of its parabola, its line search, and its passes."""

from __future__ import annotations

import time
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.errors import ConfigurationError
from dgd.fitting.auto_solver import choose
from dgd.fitting.coefficient_prox import CoefficientProx
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.objective import Objective
from dgd.losses import Huber, Logistic, Softmax, Squared
from dgd.passes.executor import InlineExecutor
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative, Penalty
from dgd.solvers.base import Evaluation, Kinks, Prox, Status, vector_norm
from dgd.solvers.newton import Newton
from dgd.solvers.steps.line_search import FLAT, ProximalSearch
from dgd.solvers.steps.quadratic_model import _of_any, _of_few, quadratic_minimum

Array = np.ndarray


def minimum(theta: Array, *problem: Any) -> Array:
    """argmin of the quadratic with a penalty."""
    gradient, hessian, penalty = problem
    return quadratic_minimum(theta, gradient, hessian, Kinks(*penalty.kinks(theta)))[0]


def prox_of(penalty: Penalty, n: int) -> CoefficientProx:
    """A penalty's prox, on coefficients without an intercept."""
    return CoefficientProx(penalty, Coordinates.identity(n, intercept=False))


def regression(m: int, n: int, seed: int = 0, correlation: float = 0.3) -> tuple[Array, Array]:
    """Correlated columns of deviation 1, a third of them with an effect."""
    rng = np.random.default_rng(seed)
    X = np.sqrt(1 - correlation) * rng.normal(size=(m, n)) + np.sqrt(correlation) * rng.normal(size=(m, 1))
    b = np.where(np.arange(n) % 3 == 0, rng.normal(size=n), 0.0)
    return X, X @ b + 0.3 * rng.normal(size=m)


def parabola(X: Array, y: Array) -> tuple[Array, Array]:
    """Gradient at 0 and Hessian of 1/m ‖Xb − y‖²."""
    return -2 / len(y) * X.T @ y, 2 / len(y) * X.T @ X


def coordinate_descent(g: Array, H: Array, penalty: Penalty) -> Array:
    """The oracle: gᵀz + ½ zᵀHz + nonsmooth(z), one coordinate at a time, each exactly."""
    z = penalty.prox(np.zeros(len(g)), 0.0)
    for _ in range(1000):
        before = z.copy()
        for j in range(len(g)):
            v = z.copy()
            v[j] -= (g[j] + H[j] @ z) / H[j, j]
            z[j] = penalty.prox(v, 1 / H[j, j])[j]
        if abs(z - before).max() <= 2e-16:
            break
    return z


def strengths(n: int) -> Array:
    """One for each feature, with zeros."""
    return np.where(np.arange(n) % 4 == 1, 0.0, np.linspace(0.02, 0.5, n))


PENALTIES: dict[str, Penalty] = {
    "l1": L1(0.2),
    "strengths with zeros": L1(strengths(12)),
    "non-negative": NonNegative(),
    "non-negative and l1": NonNegative(l1=0.1),
    "box": Box(lower=-0.1, upper=0.2),
    "box away from 0": Box(lower=0.1, upper=0.5, l1=0.1),
    "box and l1": Box(lower=-0.2, upper=np.linspace(0.0, 0.5, 12), l1=0.1),
    "equal bounds": Box(lower=np.r_[0.3, np.full(11, -1.0)], upper=np.r_[0.3, np.full(11, 1.0)]),
    "one-sided": Box(upper=0.1, l1=strengths(12)),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", PENALTIES)
def test_the_models_minimum_is_that_of_coordinate_descent(name: str, seed: int) -> None:
    """From 0, and from a feasible point that is not; zeros and bounds to the bit."""
    penalty, (g, H) = PENALTIES[name], parabola(*regression(40, 12, seed))
    best = coordinate_descent(g, H, penalty)
    pinned = penalty.prox(best + 1e-9, 0.0 * best) != best + 1e-9
    pinned |= (best == 0) | (penalty.prox(best - 1e-9, 0.0 * best) != best - 1e-9)
    for start in (np.zeros(12), np.random.default_rng(seed).normal(size=12)):
        theta = penalty.prox(start, 0.0)
        z = minimum(theta, g + H @ theta, H, penalty)
        np.testing.assert_allclose(z, best, rtol=0, atol=1e-12)
        assert (z[pinned] == best[pinned]).all()
        assert (minimum(z, g + H @ z, H, penalty)[pinned] == best[pinned]).all()


@pytest.mark.parametrize("seed", range(6))
def test_non_negative_least_squares_against_every_support(seed: int) -> None:
    n = 2 + seed % 5
    g, H = parabola(*regression(n + 2, n, seed, 0.8))
    candidates = []
    for support in chain.from_iterable(combinations(range(n), k) for k in range(n + 1)):
        z, at = np.zeros(n), list(support)
        z[at] = np.linalg.solve(H[np.ix_(at, at)], -g[at])
        if (z >= 0).all():
            candidates.append((g @ z + z @ H @ z / 2, tuple(z)))
    z = minimum(np.zeros(n), g, H, NonNegative())
    np.testing.assert_allclose(z, min(candidates)[1], atol=1e-11)
    assert ((z > 0) == (np.array(min(candidates)[1]) > 0)).all()


def hard(kind: str) -> tuple[Array, Array]:
    X, y = regression(150, 60, 3)
    if kind == "wide":
        return X[:20], y[:20]
    if kind == "repeated":
        return np.hstack([X[:, :30], X[:, :30]]), y
    if kind == "scales":
        return X * np.geomspace(1e-6, 1e6, 60), y
    if kind == "zero column":
        return np.hstack([X[:, :59], np.zeros((150, 1))]), y
    U, _, V = np.linalg.svd(X, full_matrices=False)
    return (U * np.geomspace(12, 1.2e-5, 60)) @ V, y


@pytest.mark.parametrize("strength", [0.3, 0.01, 1e-4, 0.0])
@pytest.mark.parametrize("kind", ["wide", "repeated", "scales", "zero column", "condition 1e12"])
def test_optimality_where_the_hessian_is_singular_or_badly_scaled(kind: str, strength: float) -> None:
    """In units of each column, to 1e-13 of the first gradient or to rounding; l1, or bounds where that is 0."""
    g, H = parabola(*hard(kind))
    D = np.where(np.diag(H) > 0, np.sqrt(np.diag(H)), 1.0)
    l1 = strength * abs(g / D).max() * D
    boxes: list[Penalty] = [Box(lower=-0.3 / D, upper=0.1 / D, l1=l1), NonNegative(l1=l1)]
    for penalty in [L1(l1)] if strength else boxes:
        z = minimum(np.zeros(60), g, H, penalty)
        least = penalty.subgradient(z, g + H @ z)
        rounding = np.finfo(float).eps * ((abs(H) @ abs(z)) / D).max()
        assert abs(least / D).max() <= max(1e-13 * abs(g / D).max(), 4 * rounding)
        assert (penalty.prox(z, 0.0) == z).all()


def test_the_least_norm_where_no_bound_is_met() -> None:
    X, y = hard("repeated")
    z = minimum(np.zeros(60), *parabola(X, y), Box(lower=-50.0, upper=50.0))
    np.testing.assert_allclose(z, np.linalg.lstsq(X, y)[0], atol=1e-10)


def test_a_null_direction_leads_to_the_first_kinks() -> None:
    """Q = −z₀ + z₁²/2 over z₀ ≤ 3e6 and |z₁| free: the Hessian is singular, and Q falls as far as the bound."""
    penalty = Box(upper=np.array([3e6, np.inf]))
    z = minimum(np.zeros(2), np.array([-1.0, 0.5]), np.diag([0.0, 1.0]), penalty)
    assert (z == [3e6, -0.5]).all()


def test_a_model_that_falls_for_ever_ends() -> None:
    began = time.perf_counter()
    z = minimum(np.zeros(3), np.array([-1.0, 0.5, 0.01]), np.diag([0.0, 1.0, 1.0]), L1(0.1))
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[1:], [-0.4, 0.0], atol=1e-12)
    assert z[0] > 0
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("name", PENALTIES)
def test_a_prox_takes_one_step_for_each_coefficient(name: str) -> None:
    """Element by element what a number gives, to the bit; for q outputs too."""
    penalty, rng = PENALTIES[name], np.random.default_rng(7)
    for shape in ((12,), (12, 3), (12, 1)):
        b, steps = rng.normal(size=shape), rng.uniform(0, 3, size=shape)
        found = penalty.prox(b, steps)
        for index in np.ndindex(shape):
            assert found[index] == penalty.prox(b, float(steps[index]))[index]
        assert (penalty.prox(b, 0.7) == penalty.prox(b, np.full(shape, 0.7))).all()


@pytest.mark.parametrize("outputs", [None, 2])
def test_the_objective_leaves_the_intercept_to_itself(outputs: int | None) -> None:
    X, y = regression(20, 12)
    targets = y if outputs is None else np.column_stack([y, -y])
    penalty = L1(strengths(12))
    found = Objective(dgd.open_dataset(X, targets), Squared(), InlineExecutor(), penalty=penalty)
    rng = np.random.default_rng(1)
    z, steps = rng.normal(size=13 * (outputs or 1)), rng.uniform(0, 3, size=13 * (outputs or 1))
    prox = found.prox(found.unknown())
    moved = prox(z, steps)
    part = Coordinates.identity(12, intercept=True, outputs=outputs).coef_part
    assert (part(moved) == penalty.prox(part(z), part(steps))).all()
    assert (moved[: outputs or 1] == z[: outputs or 1]).all()
    assert (prox(z, 0.5) == prox(z, np.full_like(z, 0.5))).all()


def fit(X: Array, y: Array, **options: Any) -> dgd.Result:
    return dgd.fit(X, y, **{"solver": "newton", "threads": 1, **options})


def passes(result: dgd.Result) -> int:
    assert result.status is Status.CONVERGED
    assert result.history[-1].grad_norm <= 1e-10 * result.history[0].grad_norm
    return len(result.history)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("raw", [False, True], ids=["standardised", "raw"])
@pytest.mark.parametrize("kind", ["l1", "elastic net", "box", "non-negative"])
def test_quadratics_take_two_passes(kind: str, raw: bool, standardize: bool) -> None:
    """Whatever the columns' scales and offsets; and with zeros and bounds that are exact."""
    X, y = regression(200, 12, 2)
    scale = np.geomspace(1e-4, 1e4, 12) if raw else np.ones(12)
    penalties: dict[str, Penalty] = {
        "l1": L1(0.2 * scale),
        "elastic net": ElasticNet(l1=0.2 * scale, l2=0.1 * scale**2),
        "box": Box(lower=-0.1 / scale, upper=0.2 / scale),
        "non-negative": NonNegative(),
    }
    penalty = penalties[kind]
    result = fit((X + 0.5 * raw) * scale, y, penalty=penalty, standardize=standardize)
    assert passes(result) <= 2 + raw
    centred = X - X.mean(axis=0)
    g, H = parabola(centred, y - y.mean())
    oracle = penalty.scaled(scale)
    best = coordinate_descent(g, H + np.diag(oracle.curvature(g)), oracle)
    np.testing.assert_allclose(result.coef_ * scale, best, atol=1e-9)
    assert ((result.coef_ == 0) == (best == 0)).all()
    assert 1 <= ((best == 0) | (best == 0.2) | (best == -0.1)).sum() <= 11
    if kind == "box" and not (raw and standardize):
        assert ((result.coef_ == 0.2 / scale) == (best == 0.2)).all()


def targets(loss: str, X: Array) -> tuple[Any, Array]:
    rng = np.random.default_rng(11)
    eta = 0.3 + X @ np.where(np.arange(X.shape[1]) % 3 == 0, rng.normal(size=X.shape[1]), 0.0)
    if loss == "logistic":
        return Logistic(), (rng.random(len(X)) < 1 / (1 + np.exp(-eta))).astype(float)
    if loss == "poisson":
        return "poisson", rng.poisson(np.exp(0.3 * eta)).astype(float)
    if loss == "huber":
        return Huber(), eta + rng.standard_t(2, size=len(X))
    Y = X[:, :3] + rng.gumbel(size=(len(X), 3))
    return Softmax(classes=(0.0, 1.0, 2.0)), Y.argmax(axis=1).astype(float)


@pytest.mark.parametrize("penalty", [L1(0.03), ElasticNet(l1=0.02, l2=0.1), Box(lower=-0.2, upper=0.3)], ids=str)
@pytest.mark.parametrize("loss", ["logistic", "poisson", "softmax", "huber"])
def test_other_losses_take_a_dozen_passes(loss: str, penalty: Penalty) -> None:
    """And end where FISTA ends; starting from there, the first pass is the last."""
    X, _ = regression(400, 12, 5)
    made, y = targets(loss, X)
    result = fit(X, y, loss=made, penalty=penalty)
    assert passes(result) <= 12
    reference = fit(X, y, loss=made, penalty=penalty, solver="fista", max_iter=5000)
    assert reference.status is Status.CONVERGED
    np.testing.assert_allclose(shifted(result, X), shifted(reference, X), atol=1e-8)
    assert ((result.coef_ == 0) == (reference.coef_ == 0)).all()
    again = fit(X, y, loss=made, penalty=penalty, theta0=result, tol=1e-12)
    assert len(again.history) <= 8
    np.testing.assert_allclose(shifted(again, X), shifted(result, X), atol=1e-9)


def shifted(result: dgd.Result, X: Array) -> Array:
    """Raw predictions, for a softmax from their mean over the classes, on which nothing depends."""
    raw = X @ result.coef_.T + result.intercept_
    return raw if raw.ndim == 1 else raw - raw.mean(axis=1, keepdims=True)


def test_three_hundred_features_within_a_second() -> None:
    X, y = regression(1200, 300, 1)
    began = time.perf_counter()
    result = fit(X, y, penalty=L1(0.05))
    assert time.perf_counter() - began < 1.0
    assert passes(result) == 2
    assert 20 < (result.coef_ == 0).sum() < 290


def test_more_features_than_rows_and_repeated_columns() -> None:
    X, y = regression(40, 120, 8)
    for A in (X, np.hstack([X[:, :30], X[:, :30], np.zeros((40, 1))])):
        assert passes(fit(A, y, penalty=L1(0.05))) <= 3
        assert passes(fit(A, (y > 0).astype(float), loss="logistic", penalty=L1(0.02))) <= 12


def composite(X: Array, y: Array, penalty: Penalty, loss: str = "squared", offset: float = 0.0) -> Any:
    """What an objective gives a solver, by the formula, with bounds that must be kept."""

    def evaluate(b: Array) -> Evaluation:
        assert (penalty.prox(b, 0.0) == b).all()
        raw = X @ b
        with np.errstate(over="ignore", invalid="ignore"):
            rate = np.exp(raw)
            if loss == "squared":
                value, first, second = (raw - y) ** 2, 2 * (raw - y), np.full_like(y, 2.0)
            else:
                value, first, second = rate - y * raw, rate - y, rate
            gradient, g = X.T @ first / len(y), penalty.nonsmooth_value(b)
            least = penalty.subgradient(b, gradient)
            H = (X.T * second) @ X / len(y)
            return Evaluation(b, float(value.mean()) + g + offset, gradient, g, least, H)

    return evaluate


def run(evaluate: Any, start: Array, prox: Prox, passes: int = 100, tol: float = 0.0) -> tuple[Any, list[Evaluation]]:
    """The loop of a fit, until a status; the state is asked twice, and what it is told cannot be written to."""
    solver = Newton()
    state, seen = solver.init(start, tol=tol), []
    for _ in range(passes):
        asked = solver.ask(state)
        assert (asked == solver.ask(state)).all()
        seen.append(evaluate(asked))
        for array in (seen[-1].point, seen[-1].gradient, seen[-1].hessian):
            array.flags.writeable = False
        if tol > 0 and seen[-1].finite and seen[-1].grad_norm <= tol * seen[0].grad_norm:
            break
        before, state = state, solver.tell(state, seen[-1], prox)
        assert (asked == solver.ask(before)).all()
        assert (state.learning_rate > 0) is state.accepted
        assert np.isnan(before.value) or state.value <= before.value + 1e-12 * abs(before.value)
        if state.status is not None:
            break
    return state, seen


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("name", PENALTIES)
def test_rounding_level_is_called_stalled(name: str, offset: float) -> None:
    penalty, (X, y) = PENALTIES[name], regression(80, 12, 6)
    evaluate = composite(X, y, penalty, offset=offset)
    state, seen = run(evaluate, penalty.prox(np.zeros(12), 0.0), prox_of(penalty, 12))
    assert state.status is Status.STALLED
    assert len(seen) <= 40
    assert evaluate(state.point).grad_norm <= 1e-13 * seen[0].grad_norm


@pytest.mark.parametrize("name", PENALTIES)
def test_steps_that_are_too_long_are_shortened(name: str) -> None:
    """A Poisson loss from where it is flat: e^η overflows at the first minimum of the parabola."""
    penalty = PENALTIES[name]
    X, _ = regression(80, 12, 6)
    y = np.random.default_rng(2).poisson(np.exp(0.5 * X[:, 0] + 6)).astype(float)
    evaluate = composite(np.hstack([np.ones((80, 1)), X]), y, free_first(penalty), "poisson")
    start = free_first(penalty).prox(np.zeros(13), 0.0)
    start[0] = -5.0
    state, seen = run(evaluate, start, prox_of(free_first(penalty), 13), tol=1e-9)
    assert seen[-1].grad_norm <= 1e-9 * seen[0].grad_norm
    assert state.rejected >= 1
    assert not all(at.finite for at in seen)
    assert len(seen) <= 40


def free_first(penalty: Penalty) -> Box:
    """The same penalty on all coefficients but a first one."""
    names = {"lower": -np.inf, "upper": np.inf, "l1": 0.0}
    if isinstance(penalty, NonNegative):
        names["lower"] = 0.0
    given = {name: np.broadcast_to(getattr(penalty, name, other), 12) for name, other in names.items()}
    rest = {"lower": -np.inf, "upper": np.inf, "l1": 0.0}
    return Box(**{name: np.r_[rest[name], values] for name, values in given.items()})


def test_a_start_at_the_minimum_needs_one_pass() -> None:
    X, y = regression(80, 12, 6)
    penalty = L1(0.2)
    best = coordinate_descent(*parabola(X, y), penalty)
    state, seen = run(composite(X, y, penalty), best, prox_of(penalty, 12), passes=1)
    assert seen[0].grad_norm <= 1e-14
    np.testing.assert_allclose(Newton().ask(state), best, atol=1e-14)
    state, seen = run(composite(X, y, L1(100.0)), np.zeros(12), prox_of(L1(100.0), 12))
    assert len(seen) == 1
    assert (state.point == 0).all()


def test_the_search_takes_z_itself_and_measures_by_what_is_promised() -> None:
    """f = (b − 4)²/2 and g = |b| from b = −1: the minimum is at 3, where F = 3.5; and any t to there descends."""
    penalty = L1(1.0)

    def at(b: float, value: float | None = None, slope: float | None = None) -> Evaluation:
        f = (b - 4) ** 2 / 2 + abs(b) if value is None else value
        gradient = np.array([b - 4 if slope is None else slope])
        return Evaluation(np.array([b]), f, gradient, abs(b), penalty.subgradient(np.array([b]), gradient))

    target = np.array([3.0])
    search = ProximalSearch(at(-1.0), target, target, 1e-12)
    assert search.trial is target
    assert search.promised(at(3.0)) == pytest.approx(-5 * 4 + 2)
    assert search.descends(at(3.0))
    assert not search.descends(at(3.0, value=at(-1.0).value, slope=7.0))
    assert not search.descends(at(3.0, value=np.inf))
    level = at(-1.0).value + 5e-13
    assert search.descends(at(3.0, value=level, slope=-0.5))
    assert not search.descends(at(3.0, value=level + 1e-11, slope=-0.5))
    shorter = search.shorter(at(3.0, value=100.0, slope=90.0), penalty.prox)
    assert shorter.step == pytest.approx(0.1)
    assert search.shorter(at(3.0, value=100.0, slope=7.0), penalty.prox).step == pytest.approx(18 / (12 * 4))
    assert search.shorter(at(3.0, value=np.inf), penalty.prox).step == pytest.approx(0.1)
    np.testing.assert_allclose(shorter.trial, [-0.6])
    for _ in range(FLAT):
        assert search.moves
        search = search.shorter(at(3.0, value=level), penalty.prox)
    assert not search.moves


def test_no_search_goes_on_for_ever() -> None:
    """The start is the only point with a finite loss."""
    penalty, solver = L1(0.1), Newton()
    start = np.ones(3)

    def evaluate(z: Array) -> Evaluation:
        value = 1.0 if (z == start).all() else np.inf
        return Evaluation(z, value, z, 0.3, penalty.subgradient(z, z), np.eye(3))

    state, passes = solver.init(start), 0
    while state.status is None and passes < 100:
        state, passes = solver.tell(state, evaluate(solver.ask(state)), prox_of(penalty, 3)), passes + 1
    assert state.status is Status.STALLED
    assert passes <= 30
    assert (state.point == start).all()


def test_a_hessian_of_zero_leaves_steps_along_the_gradient() -> None:
    """Huber's loss where every residual is large: the parabola is flat, and no bound is met."""
    penalty, solver = L1(0.1), Newton()
    state = solver.init(np.zeros(2))
    g = np.array([-1.0, 0.05])
    state = solver.tell(
        state,
        Evaluation(np.zeros(2), 9.0, g, 0.0, penalty.subgradient(np.zeros(2), g), np.zeros((2, 2))),
        prox_of(penalty, 2),
    )
    assert state.status is None
    asked = solver.ask(state)
    assert asked[0] > 0
    assert asked[1] == 0


@pytest.mark.parametrize(
    ("loss", "penalty", "p", "name"),
    [
        (Squared(), L1(0.1), 1000, "summary"),
        (Squared(), NonNegative(), 1001, "fista"),
        (Logistic(), L1(0.1), 300, "newton"),
        (Logistic(), Box(lower=0.0), 301, "quasi-newton"),
        (Logistic(), Box(lower=0.0), 1001, "fista"),
        (Huber(), L1(0.1), 3, "fista"),
        (Huber(), L2(0.1), 3, "lbfgs"),
        (Squared(), L2(0.1), 1001, "cg"),
        (Logistic(), L2(0.1), 301, "quasi-newton"),
        (Logistic(), L2(0.1), 1001, "lbfgs"),
    ],
)
def test_auto_takes_newton_with_a_prox_too(loss: Any, penalty: Penalty, p: int, name: str) -> None:
    assert choose(loss, penalty, p, "auto").name == name


def test_too_many_parameters_for_a_hessian_name_a_solver_with_a_prox() -> None:
    X = np.zeros((2, 2100))
    with pytest.raises(ConfigurationError, match=r"at most 2,048 parameters are allowed for; use solver='fista'"):
        fit(X, np.arange(2.0), penalty=L1(0.1))


def test_norms_in_the_tests_own_oracle() -> None:
    """Coordinate descent ends at a minimum: its least subgradient is rounding."""
    for penalty in PENALTIES.values():
        g, H = parabola(*regression(40, 12))
        z = coordinate_descent(g, H, penalty)
        assert vector_norm(penalty.subgradient(z, g + H @ z)) <= 1e-13


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_few_null_directions_are_found_as_by_all_eigenvectors(missing: int) -> None:
    rng = np.random.default_rng(missing)
    A = rng.normal(size=(70, 70 - missing)) * np.geomspace(1e-2, 1, 70 - missing)
    S, b = A @ A.T, rng.normal(size=70)
    few, every = _of_few(S, b), _of_any(S, b)
    assert few is not None
    np.testing.assert_allclose(few[0], every[0], rtol=1e-6, atol=1e-9 * abs(every[0]).max())
    np.testing.assert_allclose(few[1] @ few[1].T, every[1] @ every[1].T, atol=1e-9)


@pytest.mark.parametrize(
    "values", [np.zeros(70), np.ones(70), np.r_[np.zeros(5), np.ones(65)], np.r_[0, 1e-10, np.ones(68)]]
)
def test_null_directions_are_left_to_eigenvectors_where_they_are_not_few_and_apart(values: np.ndarray) -> None:
    Q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(70, 70)))
    assert _of_few(Q * values @ Q.T, Q[:, -1]) is None
