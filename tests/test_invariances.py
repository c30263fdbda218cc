"""The same problem put in another way has the same answer: rows, columns, chunks, dtypes, outputs, losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from methods import OFFSET, SQUARED, TARGETS, WEIGHT, M, N, X

import dgd
from dgd.losses import Huber
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative
from dgd.testing import MemoryChunks

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

LOSSES: dict[str, Any] = {
    "squared": "squared",
    "huber": Huber(delta=1.35),
    "logistic": "logistic",
    "poisson": "poisson",
    "softmax": "softmax",
}
RIDGE = L2(0.05)
quick = settings(max_examples=25, deadline=None)
each_loss = pytest.mark.parametrize("loss", LOSSES)


def fit(data: Any, y: Any = None, loss: str = "squared", **options: Any) -> dgd.Result:
    """To the end, by Newton's method where there is nothing against it; huber's, too, is near enough."""
    everything = {"loss": LOSSES[loss], "penalty": RIDGE, "solver": "newton", "tol": 1e-13, "threads": 1, **options}
    return dgd.fit(data, y, **everything)


def same(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    scale = max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=tolerance * scale)


@each_loss
def test_a_weight_is_so_many_rows(loss: str) -> None:
    times = WEIGHT.astype(int)
    repeated = fit(np.repeat(X, times, axis=0), np.repeat(TARGETS[loss], times, axis=0), loss)
    weighted = fit(X, TARGETS[loss], loss, weight=WEIGHT)
    same(weighted.theta, repeated.theta)
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-12)
    assert weighted.explained == (None if repeated.explained is None else pytest.approx(repeated.explained, rel=1e-10))


@each_loss
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_weights_count_by_their_ratio(loss: str, factor: float) -> None:
    same(
        fit(X, TARGETS[loss], loss, weight=factor * WEIGHT).theta,
        fit(X, TARGETS[loss], loss, weight=WEIGHT).theta,
    )


@each_loss
@pytest.mark.parametrize("standardize", [True, False])
def test_a_column_in_other_units_has_its_coefficient_in_them(loss: str, standardize: bool) -> None:
    """With a penalty the strength is in units of the coefficient, too."""
    units = np.array([1e-3, 2.0, 50.0, 1e3])
    base = fit(X, TARGETS[loss], loss, penalty=L2(0.05), standardize=standardize)
    other = fit(X * units, TARGETS[loss], loss, penalty=L2(0.05 * units**2), standardize=standardize)
    same(other.coef_ * units, base.coef_, 1e-9)
    same(other.intercept_, base.intercept_, 1e-9)


@each_loss
def test_a_shifted_column_moves_the_intercept_alone(loss: str) -> None:
    shift = np.array([3.0, -1, 0.5, 10])
    base, other = fit(X, TARGETS[loss], loss), fit(X + shift, TARGETS[loss], loss)
    same(other.coef_, base.coef_, 1e-9)
    same(other.intercept_ + other.coef_ @ shift, base.intercept_, 1e-9)


def chunks(order: np.ndarray, bounds: Any, y: np.ndarray) -> dgd.Dataset:
    return dgd.Dataset(X=MemoryChunks("X", X[order], bounds), y=MemoryChunks("y", y[order], bounds))


@each_loss
@pytest.mark.parametrize("solver", ["gd", "lbfgs"])
def test_the_order_of_chunks_changes_rounding_alone(loss: str, solver: str) -> None:
    """Iterate by iterate, not at the solution only."""
    bounds = np.arange(0, M + 1, M // 10)
    bounds[-1] = M
    parts = np.array_split(np.arange(M), bounds[1:-1])
    shuffled = [parts[k] for k in np.random.default_rng(0).permutation(len(parts))]
    moved = np.concatenate(([0], np.cumsum([len(part) for part in shuffled])))
    options: dict[str, Any] = {"solver": solver, "max_iter": 8, "tol": 0}
    here = fit(chunks(np.arange(M), bounds, TARGETS[loss]), loss=loss, **options)
    there = fit(chunks(np.concatenate(shuffled), moved, TARGETS[loss]), loss=loss, **options)
    same(there.theta, here.theta, 1e-12)


@quick
@given(cuts=st.sets(st.integers(1, M - 1), max_size=30), loss=st.sampled_from(sorted(LOSSES)))
def test_where_rows_are_cut_into_chunks_changes_rounding_alone(cuts: set[int], loss: str) -> None:
    """Chunks of one row, a short last one, a single one: all are drawn."""
    y, options = TARGETS[loss], {"solver": "gd", "max_iter": 5, "tol": 0}
    cut = fit(chunks(np.arange(M), np.array([0, *sorted(cuts), M]), y), loss=loss, **options)
    same(cut.theta, fit(X, y, loss, **options).theta, 1e-12)


@pytest.mark.parametrize("bounds", [[0, M], list(range(M + 1)), [0, 1, M], [0, M - 1, M], [0, 100, 200, M]])
@each_loss
def test_ragged_chunks(bounds: list[int], loss: str) -> None:
    """A single one, one row each, a first or last of one row, a short last one."""
    same(fit(chunks(np.arange(M), bounds, TARGETS[loss]), loss=loss).theta, fit(X, TARGETS[loss], loss).theta)


@each_loss
def test_stored_in_float32_the_same_values_have_the_same_answer(loss: str) -> None:
    rounded, y = X.astype("f4"), TARGETS[loss].astype("f4")
    stored, wide = fit(rounded, y, loss), fit(rounded.astype("f8"), y.astype("f8"), loss)
    same(stored.theta, wide.theta, 1e-12)


@each_loss
@pytest.mark.parametrize("solver", ["gd", "lbfgs", "newton"])
def test_single_precision_is_near(loss: str, solver: str) -> None:
    """Softmax intercepts are compared without their mean, which no data determine.

    gd may end where the loss rounds, at 1e-7 of it: that is √1e-7 of the coefficients.
    """
    options: dict[str, Any] = {"solver": solver, "tol": 1e-5, "max_iter": 3000}
    single = fit(X.astype("f4"), TARGETS[loss], loss, precision="single", **options)
    assert single.converged or (solver == "gd" and single.status is dgd.Status.STALLED)
    apart = single.theta - fit(X, TARGETS[loss], loss).theta
    if loss == "softmax":
        apart[0] -= apart[0].mean()
    assert 0 < np.abs(apart).max() <= (1e-4 if single.converged else 3e-4)


@each_loss
def test_an_offset_is_a_column_whose_coefficient_is_one(loss: str) -> None:
    """A box holds the column's coefficient there; and for the squared loss it is a part of y."""
    y = TARGETS[loss]
    if loss == "softmax":
        offset = np.column_stack([OFFSET, 0 * OFFSET, -OFFSET])
        given_theta = fit(X, y, loss, offset=offset).theta
        # Three columns cannot each have a coefficient of their own class: what is minimised is checked instead.
        z = X @ given_theta[1:] + given_theta[0] + offset
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        miss = p - np.eye(3)[y.astype(int)]
        same(X.T @ miss / M + 0.05 * given_theta[1:], np.zeros((N, 3)), 1e-9)
        return
    offset_fit = fit(X, y, loss, offset=OFFSET)
    fixed = np.array([-np.inf] * N + [1.0]), np.array([np.inf] * N + [1.0])
    box = Box(lower=fixed[0], upper=fixed[1], l2=[0.05] * N + [0.0])
    column = fit(
        np.column_stack([X, OFFSET]), y, loss, penalty=box, solver="fista", tol=1e-12, max_iter=20_000, standardize=True
    )
    assert column.coef_[-1] == pytest.approx(1, rel=1e-14)
    same(column.theta[:-1], offset_fit.theta, 1e-8)
    if loss == "squared":
        same(offset_fit.theta, fit(X, y - OFFSET).theta)


def targets_of(loss: str) -> np.ndarray:
    """Three columns of targets, different from each other."""
    y = TARGETS[loss]
    return np.column_stack([y, y[::-1], np.roll(y, 7)])


@pytest.mark.parametrize("loss", ["squared", "huber", "poisson", "logistic"])
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "fista"])
def test_several_outputs_are_fits_of_their_own(loss: str, solver: str) -> None:
    penalty = ElasticNet(l1=0.02, l2=0.05) if solver == "fista" else RIDGE
    options: dict[str, Any] = {"penalty": penalty, "solver": solver, "tol": 1e-12, "max_iter": 20_000}
    several = fit(X, targets_of(loss), loss, weight=WEIGHT, **options)
    assert several.coef_.shape == (3, N)
    for k, y in enumerate(targets_of(loss).T):
        single = fit(X, y, loss, weight=WEIGHT, **options)
        same(several.theta[:, k], single.theta, 1e-10)
        assert several.intercept_[k] == several.theta[0, k]  # type: ignore[index]


def test_softmax_of_two_classes_is_the_logistic_loss() -> None:
    """Their difference is the log-odds; the penalty of both halves of it is half of its own, twice."""
    softmax = fit(X, TARGETS["logistic"], "softmax", penalty=L2(0.1))
    logistic = fit(X, TARGETS["logistic"], "logistic", penalty=L2(0.05))
    same(softmax.theta[:, 1] - softmax.theta[:, 0], logistic.theta, 1e-9)
    assert softmax.history[0].loss == pytest.approx(logistic.history[0].loss, rel=1e-12)
    assert softmax.loss == pytest.approx(logistic.loss, rel=1e-10)
    same(softmax.model.predict(X), logistic.model.predict(X), 0)


@pytest.mark.parametrize(
    ("scalar", "each"),
    [
        (L2(0.3), L2([0.3] * N)),
        (L1(0.1), L1([0.1] * N)),
        (ElasticNet(l1=0.1, l2=0.2), ElasticNet(l1=[0.1] * N, l2=[0.2] * N)),
        (Box(lower=-0.1, upper=0.4), Box(lower=[-0.1] * N, upper=[0.4] * N)),
        (NonNegative(l2=0.1), NonNegative(l2=[0.1] * N)),
    ],
    ids=lambda penalty: penalty.name,
)
@pytest.mark.parametrize("target", ["squared", "two"])
@pytest.mark.parametrize("standardize", [True, False])
def test_equal_strengths_are_one_strength(scalar: Any, each: Any, target: str, standardize: bool) -> None:
    options: dict[str, Any] = {"solver": "gd", "max_iter": 20, "tol": 0, "standardize": standardize}
    here, there = (dgd.fit(X, TARGETS[target], penalty=p, **options) for p in (scalar, each))
    assert (here.theta == there.theta).all()
    assert here.loss == pytest.approx(there.loss, rel=1e-14)


@pytest.mark.parametrize("solver", ["auto", "newton", "fista"])
def test_bounds_at_infinity_are_none(solver: str) -> None:
    free, boxed = (dgd.fit(X, SQUARED, penalty=p, solver=solver, tol=1e-12) for p in (None, Box(lower=-np.inf)))
    assert (free.theta == boxed.theta).all()
    same(dgd.fit(X, SQUARED, penalty=Box(lower=-1e9, upper=1e9), tol=1e-12).theta, free.theta)


@pytest.mark.parametrize("solver", ["gd", "lbfgs", "newton"])
def test_huber_of_a_huge_delta_is_half_the_squared_loss(solver: str) -> None:
    options: dict[str, Any] = {"penalty": None, "solver": solver, "tol": 1e-12, "max_iter": 5000}
    squared = fit(X, SQUARED, **options)
    huber = dgd.fit(X, SQUARED, loss=Huber(delta=1e9), **options)
    same(huber.theta, squared.theta)
    assert huber.loss == pytest.approx(squared.loss / 2, rel=1e-12)


@quick
@given(loss=st.sampled_from(sorted(LOSSES)), seed=st.integers(0, 99))
def test_a_permutation_of_columns_permutes_coefficients(loss: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(N)
    base, other = (fit(values, TARGETS[loss], loss, weight=WEIGHT) for values in (X, X[:, order]))
    same(other.coef_, base.coef_[..., order])
    same(other.intercept_, base.intercept_)
