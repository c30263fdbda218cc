"""Conjugate gradients, L-BFGS and Newton, on functions whose minimum is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Solver, Status, vector_norm
from dgd.solvers.conjugate_gradient import ConjugateGradient
from dgd.solvers.lbfgs import LBFGS, fits_quadratic
from dgd.solvers.newton import Newton
from dgd.solvers.steps.line_search import Sample, Search, search_along
from dgd.solvers.steps.newton_step import newton_step
from dgd.solvers.steps.pairs import inverse_times

Evaluate = Callable[[np.ndarray], Evaluation]
Array = np.ndarray

CG, BFGS, NEWTON = ConjugateGradient(), LBFGS(), Newton()
SPECTRA = {"log": np.geomspace(1, 1e-4, 30), "linear": np.linspace(1e-4, 1, 30)}


def regression(eigenvalues: Array, seed: int = 0) -> tuple[Array, Array]:
    """X and y with these eigenvalues of 2/m XᵀX."""
    rng = np.random.default_rng(seed)
    n, m = len(eigenvalues), 4 * len(eigenvalues)
    U, _ = np.linalg.qr(rng.normal(size=(m, n)))
    V, _ = np.linalg.qr(rng.normal(size=(n, n)))
    X = (U * np.sqrt(eigenvalues * m / 2)) @ V.T
    return X, X @ rng.normal(size=n) + 0.3 * rng.normal(size=m)


def squares(X: Array, y: Array, offset: float = 0.0, noise: float = 0.0) -> Evaluate:
    """1/m ‖Xθ − y‖² + offset, with the noise of a less exact gradient."""
    m, rng = len(y), np.random.default_rng(9)
    H = 2 / m * X.T @ X

    def evaluate(theta: Array) -> Evaluation:
        r = X @ theta - y
        gradient = 2 / m * (X.T @ r) + noise * rng.normal(size=len(theta))
        return Evaluation(theta, float(r @ r / m) + offset, gradient, hessian=H)

    return evaluate


def glm(X: Array, y: Array, curves: Callable[[Array, Array], tuple[Array, Array, Array]], l2: float = 0.0) -> Evaluate:
    """The mean loss of raw predictions Xθ with ½ l2 ‖θ‖², from value, first and second derivative by row."""

    def evaluate(theta: Array) -> Evaluation:
        with np.errstate(over="ignore", invalid="ignore"):
            value, first, second = curves(X @ theta, y)
            hessian = (X.T * second) @ X / len(y) + l2 * np.eye(len(theta))
            gradient = X.T @ first / len(y) + l2 * theta
            return Evaluation(theta, float(value.mean() + 0.5 * l2 * theta @ theta), gradient, hessian=hessian)

    return evaluate


def logistic(raw: Array, y: Array) -> tuple[Array, Array, Array]:
    p = 0.5 * (1 + np.tanh(raw / 2))
    return np.logaddexp(0, raw) - y * raw, p - y, p * (1 - p)


def poisson(raw: Array, y: Array) -> tuple[Array, Array, Array]:
    rate = np.exp(raw)
    return rate - y * raw, rate - y, rate


def huber(raw: Array, y: Array) -> tuple[Array, Array, Array]:
    r = raw - y
    inside = abs(r) <= 1
    return np.where(inside, r * r / 2, abs(r) - 0.5), np.clip(r, -1, 1), inside.astype(float)


def softmax(X: Array, Y: Array) -> Evaluate:
    """The mean cross-entropy of q classes without penalty: any vector added to all classes changes nothing."""
    m, n = X.shape
    q = Y.shape[1]

    def evaluate(theta: Array) -> Evaluation:
        raw = X @ theta.reshape(q, n).T
        raw = raw - raw.max(1, keepdims=True)
        total = np.exp(raw).sum(1, keepdims=True)
        p = np.exp(raw) / total
        W = p[:, :, None] * (np.eye(q) - p[:, None, :])
        hessian = np.einsum("mij,ma,mb->iajb", W, X, X, optimize=True).reshape(q * n, q * n) / m
        value = float((np.log(total[:, 0]) - (raw * Y).sum(1)).mean())
        return Evaluation(theta, value, ((p - Y).T @ X / m).ravel(), hessian=hessian)

    return evaluate


def run(
    solver: Any, evaluate: Evaluate, n: int, *, passes: int = 200, tol: float = 1e-8
) -> tuple[Any, list[Evaluation]]:
    """The loop of a fit without a fit: until `tol`, a status, or the passes are spent."""
    state, seen = solver.init(np.zeros(n), tol=tol), []
    for _ in range(passes):
        seen.append(evaluate(solver.ask(state)))
        state = solver.tell(state, seen[-1])
        if seen[-1].finite and seen[-1].grad_norm <= tol * seen[0].grad_norm:
            break
        if state.status is not None:
            break
    return state, seen


def reached(seen: list[Evaluation], tol: float = 1e-8) -> bool:
    return seen[-1].grad_norm <= tol * seen[0].grad_norm


def reference(evaluate: Evaluate, n: int) -> Array:
    """Damped Newton by lstsq, to rounding level."""
    theta = np.zeros(n)
    for _ in range(100):
        at, step = evaluate(theta), 1.0
        d = np.linalg.lstsq(at.hessian, -at.gradient, rcond=1e-12)[0]
        while not evaluate(theta + step * d).value <= at.value + 1e-14 * abs(at.value) and step > 1e-12:
            step /= 2
        theta = theta + step * d
    return theta


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("solver", "bar"), [(CG, 75), (BFGS, 75), (NEWTON, 2)], ids=["cg", "lbfgs", "newton"])
def test_passes_on_least_squares(solver: Solver, bar: int, spectrum: str, scale: float, seed: int) -> None:
    """At a condition of 10⁴; a first trial that is a poor guess of the scale may cost a pass."""
    X, y = regression(scale * SPECTRA[spectrum], seed)
    _, seen = run(solver, squares(X, y), 30)
    assert reached(seen)
    assert len(seen) <= bar + (spectrum == "log") * (scale != 1)
    best = np.linalg.lstsq(X, y)[0]
    assert vector_norm(seen[-1].point - best) <= 1e-4 * vector_norm(best)


@pytest.mark.parametrize("solver", [CG, BFGS, NEWTON], ids=["cg", "lbfgs", "newton"])
def test_least_norm_where_the_hessian_is_singular(solver: Solver) -> None:
    rng = np.random.default_rng(3)
    wide = rng.normal(size=(20, 50))
    tall = rng.normal(size=(80, 6)) * np.array([1, 2, 3, 1, 0.1, 0.3])
    repeated = np.hstack([tall, tall[:, :3], np.zeros((80, 1)), 10 * tall[:, 3:4]])
    for X in (wide, repeated):
        y = rng.normal(size=len(X))
        _, seen = run(solver, squares(X, y), X.shape[1], tol=1e-12)
        assert reached(seen, 1e-12)
        np.testing.assert_allclose(seen[-1].point, np.linalg.lstsq(X, y)[0], atol=1e-9)


def test_cg_is_the_textbooks_iteration() -> None:
    """The two-pass formulas of Hestenes and Stiefel, with H at hand."""
    X, y = regression(np.array([3.0, 1.0, 0.5, 0.2, 0.05]))
    evaluate, H = squares(X, y), 2 / len(y) * X.T @ X
    state, theta = CG.init(np.zeros(5)), np.zeros(5)
    state = CG.tell(state, evaluate(CG.ask(state)))
    g = evaluate(theta).gradient
    p = -g
    for _ in range(4):
        before = state
        state = CG.tell(state, evaluate(CG.ask(state)))
        alpha = (g @ g) / (p @ H @ p)
        theta, old = theta + alpha * p, g
        g = g + alpha * (H @ p)
        p = -g + (g @ g) / (old @ old) * p
        np.testing.assert_allclose(state.point, theta, rtol=1e-10, atol=1e-12)
        assert state.learning_rate == pytest.approx(alpha)
        assert state.value == pytest.approx(evaluate(theta).value, rel=1e-10)
        assert before.value > state.value


def test_cg_measures_a_step_again_whose_trial_was_far_too_short() -> None:
    X, y = regression(1e-6 * SPECTRA["log"])
    evaluate, state, accepted = squares(X, y), CG.init(np.zeros(30)), []
    for _ in range(3):
        state = CG.tell(state, evaluate(CG.ask(state)))
        accepted.append(state.accepted)
    assert accepted == [False, False, True]


def test_cg_carries_the_true_gradient() -> None:
    """A condition of 10⁷ takes hundreds of steps; the gradient and the loss must not drift on the way."""
    X, y = regression(np.geomspace(1, 1e-7, 40), 2)
    evaluate = squares(X, y)
    state = CG.init(np.zeros(40), tol=1e-10)
    for _ in range(180):
        state = CG.tell(state, evaluate(CG.ask(state)))
        true = evaluate(state.point)
        assert vector_norm(state.gradient - true.gradient) <= 0.2 * true.grad_norm
        assert state.value == pytest.approx(true.value, rel=1e-9)
    assert state.since < 100
    assert state.restarts == 0


@pytest.mark.parametrize("bend", [0.0, -1.0])
def test_cg_stops_where_the_curvature_is_not_positive(bend: float) -> None:
    state, seen = run(CG, lambda z: Evaluation(z, float(z.sum() + 0.5 * bend * z @ z), np.ones(3) + bend * z), 3)
    assert state.status is Status.STALLED
    assert (state.point == 0).all()
    assert len(seen) <= 4


@pytest.mark.parametrize("solver", [CG, BFGS], ids=["cg", "lbfgs"])
def test_rounding_level_at_a_condition_of_10_000(solver: Solver) -> None:
    X, y = regression(SPECTRA["log"])
    state, seen = run(solver, squares(X, y, 5.0), 30, passes=130, tol=0.0)
    assert state.status is Status.STALLED
    assert squares(X, y)(state.point).grad_norm == min(at.grad_norm for at in seen) <= 1e-13 * seen[0].grad_norm


@pytest.mark.parametrize("noise", [0.0, 1e-13, 1e-9])
@pytest.mark.parametrize("solver", [CG, BFGS, NEWTON], ids=["cg", "lbfgs", "newton"])
def test_rounding_level_is_called_stalled(solver: Solver, noise: float) -> None:
    """An offset hides descent in the loss long before the gradient is at its rounding."""
    X, y = regression(np.geomspace(1, 1e-2, 12))
    state, seen = run(solver, squares(X, y, 5.0, noise), 12, tol=0.0)
    assert state.status is Status.STALLED
    exact = squares(X, y)
    assert exact(state.point).grad_norm <= 10 * max(noise, 1e-14) * max(1, seen[0].grad_norm)


@pytest.mark.parametrize("solver", [BFGS, NEWTON], ids=["lbfgs", "newton"])
def test_rounding_level_of_other_losses(solver: Solver) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 5))
    y = (rng.random(400) < 0.5 + 0.3 * np.tanh(X[:, 0])).astype(float)
    base = glm(X, y, logistic)
    best = reference(base, 5)

    def offset(theta: Array) -> Evaluation:
        at = base(theta)
        return Evaluation(theta, at.value + 5.0, at.gradient, hessian=at.hessian)

    state, seen = run(solver, offset, 5, tol=0.0)
    assert state.status is Status.STALLED
    assert len(seen) < 200
    np.testing.assert_allclose(state.point, best, atol=1e-12)


def problem(kind: str) -> tuple[Evaluate, int]:
    rng = np.random.default_rng(5)
    X = np.hstack([np.ones((600, 1)), rng.normal(size=(600, 7))])
    raw = X @ rng.normal(size=8)
    if kind == "logistic":
        return glm(X, (rng.random(600) < 1 / (1 + np.exp(-raw))).astype(float), logistic), 8
    if kind == "poisson":
        return glm(X, rng.poisson(np.exp(0.3 * raw + 4)).astype(float), poisson), 8
    if kind == "steep poisson":
        return glm(X, rng.poisson(np.exp(0.3 * raw + 9)).astype(float), poisson), 8
    if kind == "huber":
        return glm(X, raw + rng.standard_t(2, size=600), huber), 8
    if kind == "one parameter":
        return glm(X[:, :1], rng.poisson(3.0, size=600).astype(float), poisson), 1
    if kind == "repeated columns":
        return glm(X[:, [*range(8), 1, 2]], (rng.random(600) < 1 / (1 + np.exp(-raw))).astype(float), logistic), 10
    Y = np.eye(3)[(X @ rng.normal(size=(8, 3)) + rng.gumbel(size=(600, 3))).argmax(1)]
    return softmax(X, Y), 24


KINDS = ["logistic", "poisson", "steep poisson", "huber", "one parameter", "repeated columns", "softmax"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("solver", "bar"), [(BFGS, 60), (NEWTON, 14)], ids=["lbfgs", "newton"])
def test_minima_of_other_losses(solver: Solver, bar: int, kind: str) -> None:
    evaluate, n = problem(kind)
    state, seen = run(solver, evaluate, n)
    assert reached(seen)
    assert len(seen) <= bar + 6 * (kind == "steep poisson")
    np.testing.assert_allclose(seen[-1].point, reference(evaluate, n), atol=1e-6)
    assert "step" in state.advice


@pytest.mark.parametrize("case", ["n=500", "scales", "nearly separable"])
def test_newton_passes_on_logistic_regression(case: str) -> None:
    rng = np.random.default_rng(0)
    n = 500 if case == "n=500" else 50
    X = rng.normal(size=(2000, n))
    theta = rng.normal(size=n) / np.sqrt(n)
    y = (rng.random(2000) < 1 / (1 + np.exp(-X @ theta))).astype(float)
    if case == "scales":
        X = X * np.geomspace(1e-6, 1e6, n)
    if case == "nearly separable":
        y = (X @ theta > 0).astype(float)
        y[:5] = 1 - y[:5]
    evaluate = glm(X, y, logistic, l2=1e-6 if case == "nearly separable" else 0.0)
    state, seen = run(NEWTON, evaluate, n, passes=12)
    assert reached(seen)
    assert "singular" not in state.advice


def test_newton_by_an_inexact_hessian_refines() -> None:
    X, y = regression(SPECTRA["log"])
    rng, exact = np.random.default_rng(2), squares(X, y)

    def evaluate(theta: Array) -> Evaluation:
        at = exact(theta)
        return Evaluation(theta, at.value, at.gradient, hessian=at.hessian * (1 + 1e-6 * rng.normal(size=(30, 30))))

    _, seen = run(NEWTON, evaluate, 30, tol=1e-12)
    assert reached(seen, 1e-12)
    assert len(seen) <= 8


def test_newton_at_a_huge_condition_needs_one_refinement() -> None:
    X, y = regression(np.geomspace(1, 1e-12, 20))
    _, seen = run(NEWTON, squares(X, y), 20, tol=1e-10)
    assert reached(seen, 1e-10)
    assert len(seen) <= 3


def test_newton_step_sees_that_a_softmax_with_a_rare_class_is_singular() -> None:
    """Its Cholesky factor may be made to the end, and no pivot is small."""
    for seed in (2, 4, 12, 16, 17):
        rng = np.random.default_rng(seed)
        X = np.column_stack([np.ones(500), rng.normal(size=(500, 4))])
        for rarity in range(34):
            scores = np.column_stack([*(X @ rng.normal(size=5) for _ in range(3)), X @ rng.normal(size=5) / 100])
            scores[:, 3] -= rarity
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            s = p[:, :, None] * (np.eye(4) - p[:, None, :])
            H = np.einsum("ia,ikl,ib->akbl", X, s, X, optimize=True).reshape(20, 20) / 500
            assert newton_step(H, rng.normal(size=20))[1] == 15


def test_newton_step_solves_lifts_and_scales() -> None:
    rng = np.random.default_rng(4)
    A, g = rng.normal(size=(6, 6)), rng.normal(size=6)
    H, D = A @ A.T, np.geomspace(1e-8, 1e8, 6)
    step, rank = newton_step(H, g)
    np.testing.assert_allclose(step, np.linalg.solve(H, -g), rtol=1e-8)
    scaled, _ = newton_step(H * D * D[:, None], g * D)
    np.testing.assert_allclose(scaled * D, step, rtol=1e-8)
    down, _ = newton_step(H - 2 * np.linalg.eigvalsh(H)[2] * np.eye(6), g)
    assert rank == 6
    assert down @ g < 0


def test_newton_reports_a_singular_hessian() -> None:
    evaluate, n = problem("softmax")
    state, seen = run(NEWTON, evaluate, n)
    assert "of rank 16 for 24 parameters" in state.advice
    assert abs(np.linalg.eigvalsh(seen[-1].hessian)[0]) <= 1e-12


def test_lbfgs_direction_is_that_of_the_dense_formula() -> None:
    """B₊ = (I − ρ s yᵀ) B (I − ρ y sᵀ) + ρ s sᵀ, from B = sᵀy/yᵀy · I of the last pair."""
    rng = np.random.default_rng(6)
    A = rng.normal(size=(7, 7))
    pairs = tuple((s, A @ A.T @ s) for s in rng.normal(size=(4, 7)))
    s, y = pairs[-1]
    B = (s @ y) / (y @ y) * np.eye(7)
    for s, y in pairs:
        V = np.eye(7) - np.outer(y, s) / (s @ y)
        B = V.T @ B @ V + np.outer(s, s) / (s @ y)
    g = rng.normal(size=7)
    np.testing.assert_allclose(inverse_times(pairs, g), B @ g, rtol=1e-9)


def test_a_quadratic_is_told_from_other_losses() -> None:
    X, y = regression(SPECTRA["log"])
    points = np.random.default_rng(7).normal(size=(2, 30))
    assert fits_quadratic(*map(squares(X, y, 5.0), points))
    assert not fits_quadratic(*map(glm(X, abs(y), poisson), points))


def test_lbfgs_leaves_conjugate_gradients_once_the_loss_bends() -> None:
    """Huber's loss with every residual inside at the start is a quadratic there, and no longer at the far trial."""
    rng = np.random.default_rng(8)
    X = rng.normal(size=(300, 12)) * np.geomspace(1, 30, 12)
    evaluate = glm(X, np.clip(X @ rng.normal(size=12), -0.99, 0.99), huber)
    state, seen = run(BFGS, evaluate, 12, passes=400)
    assert reached(seen)
    assert state.conjugate is None
    lowest = min(at.value for at in seen)
    assert state.value <= lowest + 1e-12


def test_lbfgs_leaves_conjugate_gradients_where_the_loss_is_a_slope() -> None:
    """Huber's loss with every residual far outside falls and does not bend: a quadratic without a minimum."""
    rng = np.random.default_rng(9)
    X = rng.normal(size=(40, 3))
    _, seen = run(BFGS, glm(X, 1e4 * (X @ [1.0, 2.0, 3.0] + rng.normal(size=40)), huber), 3, passes=400)
    assert reached(seen)


@pytest.mark.parametrize(("solver", "bar"), [(CG, 60), (BFGS, 60), (NEWTON, 60)], ids=["cg", "lbfgs", "newton"])
def test_infinite_trials_are_shortened(solver: Solver, bar: int) -> None:
    """Beyond a ball around the start the loss overflows, and the first trials of all three lead there."""
    X, y = regression(1e3 * np.geomspace(1, 0.1, 5))
    inner, far = squares(X, 0.01 * y), 2 * vector_norm(np.linalg.lstsq(X, 0.01 * y)[0])

    def evaluate(theta: Array) -> Evaluation:
        at = inner(theta)
        value = at.value if vector_norm(theta) <= far else np.inf
        return Evaluation(theta, value, at.gradient, hessian=at.hessian / 100)

    state, seen = run(solver, evaluate, 5, passes=2000, tol=1e-6)
    assert any(not at.finite for at in seen)
    assert np.isfinite(state.point).all()
    assert len(seen) <= bar


@pytest.mark.parametrize("solver", [CG, BFGS, NEWTON], ids=["cg", "lbfgs", "newton"])
def test_no_search_goes_on_for_ever(solver: Solver) -> None:
    """The start is the only point with a finite loss."""

    def evaluate(z: Array) -> Evaluation:
        return Evaluation(z, 1.0 if (z == 1).all() else np.inf, z, hessian=np.eye(3))

    state, passes = solver.init(np.ones(3)), 0
    while state.status is None and passes < 100:
        state, passes = solver.tell(state, evaluate(solver.ask(state))), passes + 1
    assert state.status is Status.STALLED
    assert passes <= 30
    assert (state.point == 1).all()


def test_the_line_search_brackets_and_is_exact_on_a_parabola() -> None:
    """φ(t) = (t − 3)²: 0.01 is too short, 1 is enough, 7 is too long; from either the secant leads to 3."""

    def at(t: float) -> Evaluation:
        return Evaluation(np.array([t]), (t - 3) ** 2, np.array([2 * (t - 3)]))

    def trial(t: float) -> tuple[Search, Sample]:
        search = search_along(at(0.0), np.ones(1), t, 9.0)
        assert search is not None
        return search, search.sample(at(t))

    for t, accepted, following in (
        (0.01, False, 1.0),
        (0.1, False, 3.0),
        (1.0, True, 3.0),
        (5.9, True, 3.0),
        (7.0, False, 3.0),
    ):
        search, sample = trial(t)
        assert search.accepts(sample) is accepted
        assert search.after(sample).step == pytest.approx(following)
    search, _ = trial(7.0)
    assert search.after(Sample(7.0, np.inf, np.nan)).step == pytest.approx(0.7)
    for rise, slope, accepted in ((1e-13, 1.0, True), (1e-13, 7.0, False), (1e-9, 1.0, False)):
        assert search.accepts(Sample(7.0, 9.0 + rise, slope)) is accepted
    assert search_along(at(0.0), -np.ones(1), 1.0, 9.0) is None


@pytest.mark.parametrize("solver", [CG, BFGS, NEWTON], ids=["cg", "lbfgs", "newton"])
def test_a_constant_and_a_loss_that_is_infinite_from_the_start(solver: Solver) -> None:
    constant, seen = run(solver, lambda z: Evaluation(z, 2.0, np.zeros(3), hessian=np.zeros((3, 3))), 3)
    assert len(seen) == 1
    assert (constant.point == 0).all()
    infinite, _ = run(solver, lambda z: Evaluation(z, np.inf, np.ones(3), hessian=np.eye(3)), 3)
    assert infinite.status is Status.DIVERGED


@pytest.mark.parametrize("kind", ["squares", "poisson", "softmax"])
@pytest.mark.parametrize("solver", [CG, BFGS, NEWTON], ids=["cg", "lbfgs", "newton"])
def test_the_contract(solver: Solver, kind: str) -> None:
    """ask is a function of the state; tell leaves the state it was given alone; nothing is written into."""
    kind = "squares" if solver.quadratic_only else kind
    evaluate, n = (squares(*regression(SPECTRA["log"])), 30) if kind == "squares" else problem(kind)
    state = solver.init(np.zeros(n), tol=1e-8)
    assert np.isnan(state.value)
    for _ in range(8):
        asked = solver.ask(state)
        assert (asked == solver.ask(state)).all()
        told = evaluate(asked.copy())
        for array in (told.point, told.gradient, told.hessian):
            array.flags.writeable = False
        after, again = solver.tell(state, told), solver.tell(state, told)
        assert (solver.ask(after) == solver.ask(again)).all()
        assert (asked == solver.ask(state)).all()
        assert (after.learning_rate > 0) is after.accepted
        assert after.value <= state.value + 1e-12 * abs(state.value) or np.isnan(state.value)
        state = after


def test_a_memory_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"memory=.*at least 1, got 0"):
        LBFGS(memory=0)
