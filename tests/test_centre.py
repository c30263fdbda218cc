"""Large means: of columns, of targets. They cost no digits, no passes, and no start far away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgd
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled
from dgd.data.dataset import Chunk
from dgd.estimators import HuberRegressor, LinearRegression
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.row_sums import RowSums

M = 600
RNG = np.random.default_rng(7)
GRID = 2.0**-10
Z = np.round(RNG.normal(size=(M, 3)) / GRID) * GRID
ETA = Z @ [0.7, -0.4, 0.2]
NOISE = RNG.normal(size=M)
TARGETS = {
    "squared": np.round((ETA + NOISE) / GRID) * GRID,
    "huber": np.round((ETA + NOISE) / GRID) * GRID,
    "logistic": (ETA + NOISE > 0).astype(float),
    "poisson": np.round(np.exp(ETA + 1)),
    "softmax": np.digitize(ETA + NOISE, [-1, 1]).astype(float),
}
PENALTIES = {
    "none": None,
    "l2": dgd.penalties.L2(0.1),
    "l1": dgd.penalties.L1(0.02),
    "box": dgd.penalties.Box(lower=-0.3, upper=0.3),
}
SMOOTH = ("newton", "lbfgs", "nesterov", "barzilai-borwein", "gd")


def solvers(loss: str, penalty: str) -> tuple[str, ...]:
    if penalty in ("l1", "box"):
        return ("newton", "fista")
    return (*SMOOTH, "cg") if loss == "squared" else SMOOTH


CASES = [(loss, penalty, solver) for loss in TARGETS for penalty in PENALTIES for solver in solvers(loss, penalty)]


def fit(X: Any, y: Any, **options: Any) -> dgd.Result:
    return dgd.fit(X, y, threads=1, **options)


@pytest.mark.each(12)
@pytest.mark.parametrize(("loss", "penalty", "solver"), CASES)
def test_a_columns_mean_costs_neither_passes_nor_digits(loss: str, penalty: str, solver: str) -> None:
    """Offsets of 2¹⁰, 2²⁰ and 2³⁰ spreads, for which the stored columns are as exact as those centred beforehand."""
    options = {"loss": loss, "penalty": PENALTIES[penalty], "solver": solver, "max_iter": 400, "tol": 1e-9}
    centred = fit(Z, TARGETS[loss], **options)
    for offset in (2.0**10, 2.0**20, 2.0**30):
        found = fit(Z + np.array([offset, 0, -offset]), TARGETS[loss], **options)
        assert found.status is centred.status
        assert found.n_iter_ <= 1.5 * centred.n_iter_
        np.testing.assert_allclose(found.coef_, centred.coef_, rtol=1e-7, atol=1e-7)


@pytest.mark.each(12)
@pytest.mark.parametrize("solver", [*SMOOTH, "cg", "fista"])
@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_a_targets_mean_is_no_part_of_what_is_solved(loss: str, tol: float, solver: str) -> None:
    """As if it had been subtracted: not the same bits, but the same path."""
    if loss == "huber" and solver == "cg":
        return
    y = TARGETS[loss]
    near = fit(Z, y, loss=loss, solver=solver, tol=tol)
    for mean in (1e3, 1e6, 1e9, 1e12):
        far = fit(Z, y + mean, loss=loss, solver=solver, tol=tol)
        assert far.status is near.status is dgd.Status.CONVERGED
        assert far.n_iter_ <= 1.2 * near.n_iter_ + 2
        np.testing.assert_allclose(far.coef_, near.coef_, rtol=0, atol=20 * tol + 1e-11)
        assert far.intercept_ == pytest.approx(mean + near.intercept_, rel=1e-12, abs=20 * tol)


@pytest.mark.parametrize("dtype", ["f4", "i8", "u8", "i4"])
def test_the_difference_is_taken_before_digits_are_lost(dtype: str) -> None:
    """Whole numbers: near 2⁶² for 64 bits, where float64 holds every 1024th only; near 2²⁴ for float32."""
    far = {"f4": 2**23, "i4": 2**30, "i8": 2**62, "u8": 2**63 + 2**62}[dtype]
    near = RNG.integers(0, 1000, size=(M, 2))
    y = near @ [0.01, -0.02] + NOISE
    X = (near.astype(object) + far).astype(dtype)
    for precision, digits in (("double", 1e-9), ("single", 1e-4)):
        expected = fit(near.astype(float), y).coef_
        np.testing.assert_allclose(fit(X, y, precision=precision).coef_, expected, rtol=digits)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "softmax"])
def test_a_fit_starts_at_the_best_constant(loss: str) -> None:
    """Wherever rows lie and however they are weighted: the first loss is that of the null model."""
    y, w = np.sort(TARGETS[loss]), np.repeat([1.0, 3.0], M // 2)
    store = dgd.open_dataset(Z, y, weight=w)
    first = dgd.fit(store, loss=loss, max_iter=1)
    none = dgd.fit(np.zeros((M, 1)), y, weight=w, loss=loss)
    assert first.history[0].loss == pytest.approx(none.loss, rel=1e-12)


@pytest.mark.parametrize("log_rate", [0, 7, 16, 30, 60])
def test_counts_of_any_size_take_few_newton_passes(log_rate: float) -> None:
    y = np.round(np.exp(ETA + log_rate))
    found = fit(Z, y, loss="poisson")
    assert found.status is dgd.Status.CONVERGED
    assert found.n_iter_ <= 8
    exposed = fit(Z, np.round(np.exp(ETA)), offset=np.full(M, -float(log_rate)), loss="poisson")
    assert exposed.n_iter_ <= 8


@pytest.mark.parametrize("penalty", [None, dgd.penalties.L1(0.05), dgd.penalties.Box(lower=0, upper=0.5)])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_single_precision_ends_where_its_rounding_begins(penalty: Any, offset: float) -> None:
    X = (Z + offset).astype(np.float32)
    for loss, y in TARGETS.items():
        double, single = (fit(X, y, loss=loss, penalty=penalty, precision=p) for p in ("double", "single"))
        assert single.status is dgd.Status.CONVERGED
        assert "converged to single precision" in single.message
        assert single.n_iter_ <= double.n_iter_
        if loss != "softmax":
            np.testing.assert_allclose(single.coef_, double.coef_, atol=1e-4)


@pytest.mark.parametrize("mean", [0.0, 2.0e8, 1.7e9, 1e10, 1e12])
def test_hubers_scale_does_not_depend_on_the_targets_mean(mean: float) -> None:
    y = np.round((ETA + RNG.standard_t(2, M)) * 1024) / 1024
    near, far = (HuberRegressor(alpha=0).fit(Z, y + shift) for shift in (0.0, mean))
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-9)
    assert far.scale_ == pytest.approx(near.scale_, rel=1e-9)


@pytest.mark.parametrize("value", [7.0, 0.1, 1.0, 1e9])
@pytest.mark.parametrize("penalty", [dgd.penalties.Box(upper=1.0), dgd.penalties.NonNegative(), None])
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
def test_a_constant_column_beside_an_intercept_has_no_coefficient(loss: str, penalty: Any, value: float) -> None:
    X = np.column_stack([Z, np.full(M, value)])
    found, without = (fit(A, TARGETS[loss], loss=loss, penalty=penalty) for A in (X, Z))
    assert found.coef_[3] == 0
    assert found.status is dgd.Status.CONVERGED
    np.testing.assert_allclose(found.theta[:4], without.theta, atol=1e-9)


def test_a_timestamp_is_not_dropped() -> None:
    t = 1e9 + RNG.normal(size=M)
    y = 3 * (t - 1e9) + NOISE / 10
    found = LinearRegression().fit(np.column_stack([t, Z[:, 0]]), y)
    assert found.coef_[0] == pytest.approx(3, abs=0.02)
    assert found.n_iter_ == 1


def chunk_of(X: np.ndarray, index: int) -> Chunk:
    return Chunk(index, 10 * index, X, np.arange(float(len(X))), None, 0)


def test_sums_about_different_centres_add_up() -> None:
    """As those of one chunk of all rows, about the first one's centre."""
    X = np.column_stack([1e6 + np.arange(20.0), np.arange(20.0) % 3, np.full(20, 5.0)])
    y = np.arange(10.0).tolist() * 2
    parts = (LossAndGradient(), Hessian(), ColumnMoments())
    sums = RowSums(dgd.losses.Squared(), 0.0, np.array([0.0, 0.5, 0.0]), parts, own=True)
    first, second = (sums(chunk_of(X[10 * k : 10 * k + 10], k), Buffers()) for k in (0, 1))
    assert first.about is not None
    assert second.about is not None
    assert first.about[0] != second.about[0]
    total = first + second
    D = np.column_stack([np.ones(20), X - first.about])
    residual = X @ [0.0, 0.5, 0.0] - y
    np.testing.assert_allclose(total.parts[0].gradient, D.T @ residual, rtol=1e-12)
    np.testing.assert_allclose(total.parts[1].values, D.T @ D, rtol=1e-12)
    np.testing.assert_allclose(total.parts[2].mean, (X - first.about).mean(axis=0), rtol=1e-12)


def test_a_centre_goes_there_and_back() -> None:
    centre, theta = Centre(np.array([8.0, 0.0]), 2.0), np.array([1.0, 0.5, -1.0])
    assert (centre.to_user(theta) == [-1.0, 0.5, -1.0]).all()
    assert (centre.from_user(centre.to_user(theta)) == theta).all()


def test_columns_near_zero_are_left_as_they_are() -> None:
    assert sampled(Z) is None
    assert sampled(np.zeros((0, 2))) is None
    found = sampled(Z + np.array([1e4, 0, 10]))
    assert found is not None
    assert found[1:].tolist() == [0, 0]


def test_what_is_read_before_the_first_pass_is_counted(store: str) -> None:
    """The targets, once; nothing by the textbook, nor without an intercept."""
    found = dgd.fit(store, solver="cg", max_iter=2)
    assert 0 < found.bytes_before_first_pass < 0.5 * found.plan.bytes_per_pass
    assert found.bytes_before_first_pass >= 8 * dgd.open_dataset(store).shape[0]
    assert dgd.fit(store, learning_rate=0.1, max_iter=2).bytes_before_first_pass == 0
    assert dgd.fit(store, fit_intercept=False, max_iter=2).bytes_before_first_pass == 0
