"""Summaries: centred products from one pass, and fits from them without another one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from test_reference_nist import digits, nist

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.dataset import Chunk
from dgd.data.folds import make_folds
from dgd.errors import ConfigurationError, DataError, PlanError, SchemaError
from dgd.fitting.summary.read_products import in_wider_chunks
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative

RNG = np.random.default_rng(3)
M, N = 1207, 6
X = RNG.normal(size=(M, N)) * [1, 10, 0.1, 3, 1, 5] + [0, 2000, 0, -3, 1e6, 2]
Y = (X - X.mean(axis=0)) @ RNG.normal(size=(N, 3)) + RNG.normal(size=(M, 3)) + [7, 0, 1e5]
WEIGHT = RNG.integers(0, 4, size=M).astype(float)
PENALTIES = [None, L2(0.3), L1(0.2), ElasticNet(l1=0.1, l2=0.2), NonNegative(), Box(lower=-0.1, upper=0.4)]


class Chunked(MemoryRows):
    """Rows in memory, in chunks of a few."""

    def __post_init__(self) -> None:
        super().__post_init__()
        stop = self.shape[0]
        object.__setattr__(self, "bounds", np.append(np.arange(0, stop, 100), stop).astype(np.int64))


def chunked(X: Any = X, y: Any = Y, weight: Any = None) -> dgd.Dataset:
    found = None if weight is None else MemoryRows("weight", weight)
    return dgd.Dataset(Chunked("X", X), MemoryRows("y", y), found)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_the_sums_are_those_of_long_double(weight: Any) -> None:
    summary = dgd.summarize(chunked(weight=weight))
    w = (np.ones(M) if weight is None else weight).astype(np.longdouble)
    A, B = X.astype(np.longdouble), Y.astype(np.longdouble)
    mean, target_mean = w @ A / w.sum(), w @ B / w.sum()
    A, B = A - mean, B - target_mean
    spread, target_spread = np.sqrt(w @ A**2), np.sqrt(w @ B**2)
    total = summary.total
    assert total.rows == M
    assert total.weight == w.sum()
    assert np.abs(summary.mean - mean).max() <= 1e-9
    assert np.abs((total.products - (A.T * w) @ A) / spread / spread[:, None]).max() <= 2e-15
    assert np.abs((total.cross - (A.T * w) @ B) / target_spread / spread[:, None]).max() <= 2e-15
    assert np.abs(total.squares / target_spread**2 - 1).max() <= 2e-15
    assert (total.products == total.products.T).all()


def test_one_read_and_the_same_bits_on_any_number_of_threads(tiny_data_are_divided_too: None) -> None:
    dataset = chunked(weight=WEIGHT)
    one, three = (dgd.summarize(dataset, threads=threads) for threads in (1, 3))
    for name in ("weight", "mean", "products", "target_mean", "cross", "squares"):
        np.testing.assert_array_equal(getattr(one.total, name), getattr(three.total, name))


@pytest.mark.each(2)
@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_fits_are_those_of_newton(penalty: Any, weight: Any) -> None:
    dataset = chunked(weight=weight)
    found = dgd.summarize(dataset).fit(penalty=penalty)
    expected = dgd.fit(dataset, penalty=penalty, solver="newton")
    assert found.status is dgd.Status.CONVERGED
    assert (found.n_iter_, found.plan) == (0, None)
    scale = X.std(axis=0)
    np.testing.assert_allclose(found.coef_ * scale, expected.coef_ * scale, atol=1e-10)
    np.testing.assert_allclose(found.predict(X), expected.predict(X), atol=1e-8)
    assert found.loss == pytest.approx(expected.loss, rel=1e-9)
    assert found.explained == pytest.approx(expected.explained, rel=1e-9)
    assert "without a pass" in found.explain()


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_auto_needs_one_pass(penalty: Any) -> None:
    dataset = chunked(y=Y[:, 0])
    found, expected = (dgd.fit(dataset, penalty=penalty, solver=solver) for solver in ("auto", "newton"))
    assert (found.n_iter_, found.status) == (1, dgd.Status.CONVERGED)
    assert found.bytes_before_first_pass == 0
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-8, atol=1e-12)
    assert found.history[0].loss == pytest.approx(expected.history[0].loss, rel=1e-12)
    assert found.history[0].grad_norm == pytest.approx(expected.history[0].grad_norm, rel=1e-6)


def test_a_second_pass_is_made_where_rounding_would_matter() -> None:
    near = np.column_stack([X[:, 0], X[:, 0] + 1e-5 * X[:, 2]])
    assert dgd.fit(near, Y[:, 0]).n_iter_ > 1
    exact = X[:, :2] @ [1, 2]
    assert dgd.fit(X[:, :2], exact).n_iter_ > 1
    assert dgd.fit(X, Y[:, 0], tol=1e-14).n_iter_ > 1
    assert dgd.summarize(near, Y[:, 0]).fit().status is dgd.Status.ILL_CONDITIONED
    assert "digits are sure" in dgd.summarize(near, Y[:, 0]).fit().message


def test_the_certificate_is_above_the_distance() -> None:
    A = np.column_stack([np.ones(M), X - X.mean(axis=0)]).astype(np.longdouble)
    b = Y[:, 0].astype(np.longdouble)
    R = np.linalg.qr(A.astype(float))[1]
    theta = np.zeros(N + 1, dtype=np.longdouble)
    for _ in range(4):
        step = np.linalg.solve(R, np.linalg.solve(R.T, (A.T @ (b - A @ theta)).astype(float)))
        theta = theta + step
    for found in (dgd.fit(X, Y[:, 0]), dgd.summarize(X, Y[:, 0]).fit()):
        assert found.certificate is not None
        distance = float(np.linalg.norm(found.coef_ - theta[1:]))
        assert distance <= found.certificate.distance <= 1e-6 * np.linalg.norm(found.coef_)


def test_some_features_and_some_targets() -> None:
    data = dgd.open_dataset(X, Y)
    summary = dgd.summarize(dgd.Dataset(data.X, data.y, feature_names=tuple("abcdef")))
    found = summary.fit(features=["e", "a"], targets=2)
    expected = dgd.fit(X[:, [4, 0]], Y[:, 2], solver="newton")
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-9)
    assert found.model.feature_names == ("e", "a")
    assert summary.fit(features=[4, 0], targets=[2]).coef_.shape == (1, 2)
    for wrong in (["z"], [0, 0], [7], [], "e"):
        with pytest.raises(ConfigurationError, match="features"):
            summary.fit(features=wrong)
    for wrong in (3, [-1], []):
        with pytest.raises(ConfigurationError, match="targets"):
            summary.fit(targets=wrong)  # type: ignore[arg-type]


def test_a_penalty_for_each_target() -> None:
    summary, penalties = dgd.summarize(X, Y), [L2(0.5), L1(0.2), L2(0.5)]
    found = summary.fit(penalty=penalties)
    for k, penalty in enumerate(penalties):
        np.testing.assert_allclose(found.coef_[k], dgd.fit(X, Y[:, k], penalty=penalty).coef_, rtol=1e-8, atol=1e-12)
    with pytest.raises(ConfigurationError, match="one for each of 3 targets, got 2"):
        summary.fit(penalty=penalties[:2])


def test_sums_of_summaries() -> None:
    whole = dgd.summarize(X, Y, weight=WEIGHT)
    cuts = [0, 1, 500, 1100, M]
    parts = [dgd.summarize(X[a:b], Y[a:b], weight=WEIGHT[a:b] + (a == 0) * 1.0) for a, b in pairwise(cuts)]
    heavier = dgd.summarize(X, Y, weight=WEIGHT + (np.arange(M) == 0))
    together = parts[0] + parts[1] + parts[2] + parts[3]
    assert together.rows == M
    np.testing.assert_allclose(together.fit().coef_, heavier.fit().coef_, rtol=1e-9)
    with pytest.raises(SchemaError, match="same columns and targets"):
        whole + dgd.summarize(X[:, :3], Y)


GROUPS = np.arange(M) % 3


@pytest.mark.parametrize("by", ["rows", "chunks", GROUPS])
def test_folds_add_up_and_leave_out(by: Any) -> None:
    dataset = chunked()
    kept = dgd.summarize(dataset, folds=3, by=by)
    whole = dgd.fit(dataset, solver="newton")
    assert len(kept.parts) == 3
    assert sum(part.rows for part in kept.parts) == M
    np.testing.assert_allclose(kept.fit().coef_, whole.coef_, rtol=1e-9)
    folds = make_folds("summarize", dataset, 3, by)
    fold = np.concatenate([folds.of(dataset.read(k)) for k in range(dataset.n_chunks)])
    rest = fold != 1
    np.testing.assert_allclose(kept.without_part(1).fit().coef_, dgd.fit(X[rest], Y[rest]).coef_, rtol=1e-9)


def test_each_chunk_kept_apart() -> None:
    dataset = chunked()
    kept = dgd.summarize(dataset, by_chunk=True)
    assert len(kept.parts) == dataset.n_chunks
    np.testing.assert_array_equal(kept.total.products, dgd.summarize(dataset).total.products)
    rest = np.append(np.arange(100), np.arange(200, M))
    np.testing.assert_allclose(kept.without_part(1).fit().coef_, dgd.fit(X[rest], Y[rest]).coef_, rtol=1e-9)


def test_folds_do_not_depend_on_dropped_rows() -> None:
    holed = Y.copy()
    holed[::7] = np.nan
    some = dgd.summarize(dgd.Dataset(Chunked("X", X), MemoryRows("y", holed), missing="drop"), folds=5)
    same = dgd.summarize(chunked(weight=np.where(np.arange(M) % 7, 1.0, 0.0)), folds=5)
    assert some.rows_left_out == -(-M // 7)
    for one, other in zip(some.parts, same.parts, strict=True):
        np.testing.assert_allclose(one.products, other.products, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(("name", "least"), [("longley", 11), ("norris", 12), ("pontius", 10.5)])
def test_nist(name: str, least: float) -> None:
    A, y, certified = nist(name)
    assert digits(dgd.summarize(A, y).fit().theta, certified) >= least


@pytest.mark.parametrize("offset", [1e5, 1e7, 1e9])
def test_large_means_cost_no_digits(offset: float) -> None:
    t, z = np.random.default_rng(1).normal(size=(2, 400))
    y = 5 + 3 * t - 2 * z + 0.1 * z**2 + offset
    far = np.column_stack([offset + t, z])
    expected = np.linalg.lstsq(np.column_stack([np.ones(400), far[:, 0] - offset, z]), y - offset, rcond=None)[0]
    found = dgd.fit(far, y)
    assert found.n_iter_ == 1
    np.testing.assert_allclose(found.coef_, expected[1:], rtol=1e-12)


def test_ragged_edges() -> None:
    one = dgd.summarize(X[:1], Y[:1, 0])
    assert (one.rows, one.total.squares[0]) == (1, 0.0)
    assert dgd.fit(X[:1], Y[:1, 0]).predict(X[:1])[0] == pytest.approx(Y[0, 0])
    constant = np.column_stack([X[:, 0], np.full(M, 7.1)])
    assert dgd.summarize(constant, Y).fit().coef_[0, 1] == 0.0
    with pytest.raises(DataError, match="weight"):
        dgd.summarize(X, Y, weight=np.zeros(M))
    bad = X.copy()
    bad[700, 2] = np.nan
    with pytest.raises(DataError, match="row 700, column 2"):
        dgd.fit(bad, Y)
    with pytest.raises(ConfigurationError, match="the group of each of 1207 rows"):
        dgd.summarize(X, Y, folds=2, by=[1, 2])
    with pytest.raises(PlanError, match="allowed"):
        dgd.summarize(X, Y, execution=dgd.Execution(memory_limit=10**6))


@pytest.mark.parametrize("penalty", [None, L2(0.3), L1(0.2)], ids=repr)
def test_a_fit_is_verified_by_one_pass(penalty: Any) -> None:
    summary = dgd.summarize(chunked())
    found = summary.fit(penalty=penalty, features=[4, 1], targets=[2, 0], verify=True)
    plain = summary.fit(penalty=penalty, features=[4, 1], targets=[2, 0])
    assert (found.n_iter_, plain.n_iter_) == (1, 0)
    assert found.converged
    assert found.theta.tobytes() == plain.theta.tobytes()
    assert found.loss == pytest.approx(plain.loss, rel=1e-9)
    assert "verified by one" in found.explain()
    with pytest.raises(ConfigurationError, match="reads the data again"):
        (summary + summary).fit(verify=True)
    with pytest.raises(ConfigurationError, match="as a list"):
        summary.fit(targets=0, verify=True)


def test_a_sum_in_the_memory_of_the_first_has_the_same_bits() -> None:
    first, second = (dgd.summarize(X[some], Y[some]).total for some in (slice(0, 300), slice(300, None)))
    kept = first.products.copy(), first.cross.copy()
    apart = first + second
    assert (first.products == kept[0]).all()
    assert (first.cross == kept[1]).all()
    together = first.absorb(second)
    assert together.products is first.products
    for name in ("mean", "products", "target_mean", "cross", "squares"):
        assert (getattr(together, name) == getattr(apart, name)).all(), name


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_folds_of_what_is_in_memory_are_summed_by_wider_chunks(
    weight: Any, tiny_data_are_divided_too: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgd.fitting.summary.read_products.LEAST_CHUNKS", 4)
    found = None if weight is None else MemoryRows("weight", weight)
    dataset = dgd.Dataset(MemoryRows("X", X, chunk_rows=10), MemoryRows("y", Y), found)
    folds = make_folds("test", dataset, 3)
    assert in_wider_chunks(dataset, folds).chunk_rows == 10 * (M // 40)
    assert in_wider_chunks(dataset, None) is dataset
    assert in_wider_chunks(dataset, make_folds("test", dataset, 3, "chunks")) is dataset
    one, three = (dgd.summarize(dataset, folds=3, threads=threads) for threads in (1, 3))
    w = np.ones(M) if weight is None else weight
    fold = folds.of(Chunk(0, 0, X, None, None, 0))
    for k, (part, same) in enumerate(zip(one.grams, three.grams, strict=True)):
        assert part.products.tobytes() == same.products.tobytes()
        some = w * (fold == k)
        A = X - some @ X / some.sum()
        expected = (A.T * some) @ A
        size = np.sqrt(np.diag(expected))
        assert np.abs((part.products - expected) / size / size[:, None]).max() <= 1e-13
