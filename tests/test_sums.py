"""The sums of a chunk beside the naive formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sums import gradient_sum

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import ValueRangeError
from dgd.losses import Huber, Logistic, Loss, Poisson, Softmax, Squared
from dgd.models.predictor import Predictor
from dgd.passes.sums import blocks as blocks_module
from dgd.passes.sums.block_rows import block_rows
from dgd.passes.sums.dense_columns import PIECE_BYTES
from dgd.passes.sums.gradient import LossGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.moments import ColumnMoments, TargetMoments, block_moments
from dgd.passes.sums.row_sums import Sums

DTYPES = ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", ">f4", ">f8", ">i4"]


def naive(X: np.ndarray, y: np.ndarray, w: np.ndarray | None, b0: float, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Σ w (Xb + b₀ − y)² and [1 X]ᵀ w (Xb + b₀ − y)."""
    A = np.column_stack([np.ones(len(y)), X.astype(np.float64)])
    r = A @ np.concatenate(([b0], b)) - y
    w = np.ones(len(y)) if w is None else w
    return float((w * r * r).sum()), A.T @ (w * r)


def chunk_of(X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, start: int = 0) -> Chunk:
    return Chunk(index=3, start=start, X=X, y=y, weight=w, bytes_read=0)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 90),
    columns=st.integers(1, 6),
    dtype=st.sampled_from(DTYPES),
    order=st.sampled_from("CF"),
    weighted=st.booleans(),
    block=st.sampled_from([16, 17, 40, 1000]),
    seed=st.integers(0, 100),
)
def test_equals_the_naive_formula(
    rows: int, columns: int, dtype: str, order: str, weighted: bool, block: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    X = np.asarray(rng.integers(0, 5, size=(rows, columns)), order=order).astype(dtype, order=order)
    y, b, b0 = rng.normal(size=rows), rng.normal(size=columns), 0.7
    w = rng.integers(0, 3, size=rows).astype(float) if weighted else None
    before = [array.copy() for array in (X, y)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "block_rows", lambda *_, **__: block)
        sums = gradient_sum(Squared(), b0, b, ColumnMoments())(chunk_of(X, y, w), Buffers())
    found, moments = sums.parts
    loss, gradient = naive(X, y, w, b0, b)
    assert found.loss == pytest.approx(loss, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-11, atol=1e-11)
    assert sums.weight == (rows if w is None else w.sum())
    if sums.weight:
        mean = np.average(X.astype(float), axis=0, weights=w)
        np.testing.assert_allclose(moments.mean, mean, rtol=1e-12, atol=1e-12)
        squares = ((1.0 if w is None else w[:, None]) * (X.astype(float) - mean) ** 2).sum(axis=0)
        np.testing.assert_allclose(moments.squares, squares, rtol=1e-10, atol=1e-10)
    assert (before[0] == X).all()
    assert (y == before[1]).all()


def test_layout_and_storage_do_not_touch_the_bits() -> None:
    """C or F order, big-endian, aligned or not: the same values give the same bits."""
    rng = np.random.default_rng(1)
    X, y, b = rng.normal(size=(3000, 40)), rng.normal(size=3000), rng.normal(size=40)
    raw = np.frombuffer(b"x" + X.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(X.shape)
    assert not raw.flags.aligned
    forms = [X, np.asfortranarray(X), X.astype(">f8"), raw, np.repeat(X, 2, axis=1)[:, ::2]]
    first, *others = (gradient_sum(Squared(), 0.5, b)(chunk_of(form, y), Buffers()).parts[0] for form in forms)
    for other in others:
        assert other.loss == first.loss
        assert (other.gradient == first.gradient).all()


@pytest.mark.parametrize("outputs", [(), (2,), (5,), (12,)])
def test_the_prediction_of_a_row_has_the_same_bits_in_any_chunk(outputs: tuple[int, ...]) -> None:
    for n in (2, 3, 11, 57):
        rng = np.random.default_rng(n)
        X, coef = rng.normal(size=(103, n)), rng.normal(size=(*outputs, n))
        model = Predictor(coef, np.zeros(outputs) if outputs else 0.5, "squared")
        whole = model.raw_prediction(X)
        for rows in (1, 2, 3, 5, 7, 33, 64):
            parts = [model.raw_prediction(X[start : start + rows]) for start in range(0, len(X), rows)]
            assert np.concatenate(parts).tobytes() == whole.tobytes(), (n, rows)
        np.testing.assert_allclose(whole, X @ coef.T + model.intercept, rtol=1e-12, atol=1e-13)


def test_float32_is_computed_in_float64_unless_single_is_asked_for() -> None:
    rng = np.random.default_rng(2)
    X, b = (rng.normal(size=(4000, 30)) + 100).astype(np.float32), rng.normal(size=30)
    y = X.astype(float) @ b
    (double,) = gradient_sum(Squared(), 0.0, b)(chunk_of(X, y), Buffers()).parts
    (single,) = gradient_sum(Squared(), 0.0, b, precision="single")(chunk_of(X, y), Buffers()).parts
    assert double.loss < 1e-18
    assert 1e-10 < single.loss < 1
    assert double.gradient.dtype == single.gradient.dtype == np.float64


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("b", [0.0, 1.5])
@pytest.mark.parametrize("n", [1, 5, 200])
def test_a_value_that_is_not_finite_is_found_where_it_is(value: float, b: float, n: int) -> None:
    """Also where its coefficient is zero: BLAS must not skip it."""
    X, y = np.ones((2000, n), order="C"), np.ones(2000)
    X[1234, n - 1] = value
    with pytest.raises(ValueRangeError, match=rf"'X', chunk 3: row 11234, column {n - 1} is (nan|inf|-inf)") as caught:
        gradient_sum(Squared(), 0.0, np.full(n, b))(chunk_of(X, y, start=10_000), Buffers())
    assert (caught.value.array, caught.value.row, caught.value.column) == ("X", 11234, n - 1)
    assert caught.value.rows == (10_000, 12_000)


def test_a_target_or_weight_that_is_not_finite_is_found() -> None:
    X, bad = np.ones((40, 2)), np.ones(40)
    bad[7] = np.nan
    for name, chunk in (("y", chunk_of(X, bad)), ("weight", chunk_of(X, np.ones(40), bad))):
        with pytest.raises(ValueRangeError, match=f"'{name}', chunk 3: row 7 is nan"):
            gradient_sum(Squared(), 0.0, np.zeros(2))(chunk, Buffers())


def test_a_negative_weight_is_refused() -> None:
    w = np.ones(3000)
    w[2500] = -0.5
    with pytest.raises(ValueRangeError, match=r"row 2500 is -0.5, expected a weight of 0 or more"):
        gradient_sum(Squared(), 0.0, np.zeros(200))(chunk_of(np.ones((3000, 200)), np.ones(3000), w), Buffers())


def test_overflow_of_finite_data_is_a_number_not_an_error() -> None:
    """Divergence is for the solver to see."""
    sums = gradient_sum(Squared(), 0.0, np.array([1e300]))(chunk_of(np.full((4, 1), 1e200), np.ones(4)), Buffers())
    assert sums.parts[0].loss == np.inf


def test_block_rows_depend_on_columns_and_dtypes_alone() -> None:
    f8, f4 = np.dtype("f8"), np.dtype("f4")
    assert block_rows(252, f8) == 2560
    assert block_rows(252, f4) == 5120
    assert block_rows(10**6, f8) == 16
    assert block_rows(15, f4) == 2 * block_rows(15, f8) == 2**16
    assert block_rows(1, f4) == 2**16
    assert block_rows(212, f8, outputs=11) == 2560


def test_moments_do_not_cancel() -> None:
    """A column of mean 1e8 and deviation 1: the sum of squares of raw values would lose it all."""
    x = 1e8 + np.random.default_rng(3).normal(size=(10_000, 1))
    parts = [block_moments(x[i : i + 77], None) for i in range(0, 10_000, 77)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert np.sqrt(total.squares / total.weight)[0] == pytest.approx(x.std(), rel=1e-7)
    assert total.mean[0] == pytest.approx(x.mean(), rel=1e-15)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_moments_of_a_block_of_several_pieces(dtype: str) -> None:
    """2.6 pieces, and weights of which the second piece has none."""
    rng = np.random.default_rng(4)
    x = rng.normal(loc=[0, 1e3, 1e6], size=(PIECE_BYTES // 24 * 26 // 10, 3)).astype(dtype)
    weight = rng.integers(0, 3, size=len(x)).astype(dtype)
    weight[PIECE_BYTES // 24 : 2 * (PIECE_BYTES // 24)] = 0
    for w in (None, weight):
        found, expected = block_moments(x, w), x.astype(np.float64)
        mean = np.average(expected, axis=0, weights=w)
        assert found.weight == (len(x) if w is None else w.sum())
        np.testing.assert_allclose(found.mean, mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.variance, np.average((expected - mean) ** 2, axis=0, weights=w), rtol=1e-9)


def test_rows_of_no_weight_add_nothing_to_moments() -> None:
    x = np.arange(6.0)[:, None]
    none = block_moments(x, np.zeros(6))
    some = block_moments(x, np.ones(6))
    for both in (none + some, some + none):
        assert (both.weight, both.mean[0], both.squares[0]) == (6.0, 2.5, 17.5)
    assert (none + none).weight == 0.0


def test_sums_add_part_by_part() -> None:
    a = Sums(3.0, (LossGradient(1.0, np.array([1.0, 2.0])), 5.0))
    total = a + Sums(30.0, (LossGradient(10.0, np.array([10.0, 20.0])), 50.0))
    found = total.parts[0]
    assert (found.loss, list(found.gradient), total.weight, total.parts[1]) == (11.0, [11.0, 22.0], 33.0, 55.0)


@pytest.mark.parametrize("loss", [Squared(), Softmax(3)], ids=str)
def test_a_chunk_without_rows_adds_nothing(loss: Loss) -> None:
    tail = (3,) if loss.name == "softmax" else ()
    coef, rng = np.ones((2, *tail)), np.random.default_rng(0)
    some = chunk_of(rng.normal(size=(5, 2)), rng.integers(0, 3, size=5), rng.uniform(size=5))
    parts = (ColumnMoments(), TargetMoments(), Hessian())
    whole = gradient_sum(loss, np.zeros(tail), coef, *parts)(some, Buffers())
    none = gradient_sum(loss, np.zeros(tail), coef, *parts)(some.take(np.arange(0)), Buffers())
    assert none.weight == 0
    assert (whole + none).parts[0].gradient.tobytes() == whole.parts[0].gradient.tobytes()
    assert (whole + none).parts[3].values.tobytes() == whole.parts[3].values.tobytes()


LOSSES_AND_TARGETS: list[tuple[Loss, str]] = [
    (Squared(), "number"),
    (Squared(), "numbers"),
    (Huber(), "number"),
    (Huber(), "numbers"),
    (Logistic(), "share"),
    (Poisson(), "count"),
    (Softmax(classes=(0, 1, 2)), "class"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "target"), LOSSES_AND_TARGETS, ids=str)
def test_every_loss_equals_the_naive_formula(loss: Loss, target: str, weighted: bool) -> None:
    """Loss, gradient and Hessian sums beside A = [1 X], with an offset and several blocks."""
    rng = np.random.default_rng(4)
    rows, n = 53, 4
    X, w = rng.normal(size=(rows, n)), rng.integers(0, 3, size=rows).astype(float) if weighted else None
    y = {
        "number": rng.normal(size=rows) * 3,
        "numbers": rng.normal(size=(rows, 2)) * 3,
        "share": rng.uniform(size=rows),
        "count": rng.integers(0, 5, size=rows),
        "class": rng.integers(0, 3, size=rows),
    }[target]
    q = loss.n_outputs(y.shape)
    tail = () if q is None else (q,)
    theta, offset = rng.normal(size=(n + 1, *tail)), rng.normal(size=(rows, *tail))
    chunk = Chunk(index=0, start=0, X=X, y=y, weight=w, bytes_read=0, offset=offset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "block_rows", lambda *_, **__: 20)
        sums = gradient_sum(loss, theta[0], theta[1:], TargetMoments(), Hessian())(chunk, Buffers())
    found, targets, found_hessian = sums.parts[0], sums.parts[1], sums.parts[2].values
    A, weight = np.column_stack([np.ones(rows), X]), np.ones(rows) if w is None else w
    raw, encoded = A @ theta + offset, loss.encode(y, np.dtype("f8"))
    value, derivative = loss.value_and_derivative(raw, encoded)
    second = loss.second_derivative(raw, encoded)
    assert found.loss == pytest.approx(float(weight @ value), rel=1e-12)
    np.testing.assert_allclose(found.gradient, A.T @ (derivative.T * weight).T, rtol=1e-10, atol=1e-12)
    if loss.quadratic:
        hessian = np.einsum("ia,i,ib->ab", A, weight, A)
    elif q is None:
        hessian = np.einsum("ia,i,ib->ab", A, weight * second, A)
    elif second.ndim == 2:
        hessian = np.einsum("ia,ik,ib->kab", A, weight[:, None] * second, A)
    else:
        hessian = np.einsum("ia,ikl,ib->klab", A, weight[:, None, None] * second, A)
    np.testing.assert_allclose(found_hessian, hessian, rtol=1e-10, atol=1e-10)
    columns = np.eye(3)[y] if target == "class" else np.reshape(y, (rows, -1))
    np.testing.assert_allclose(targets.moments.mean, np.average(columns, axis=0, weights=weight), rtol=1e-12)
    assert targets.saturated == pytest.approx(float(weight @ loss.saturated(encoded)), rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "y", "said"),
    [
        (Logistic(), np.array([0.0, 1.0, 1.5, 0.0]), "row 12 is 1.5, and the loss 'logistic' expects"),
        (Logistic(classes=("no", "yes")), np.array(["no", "yes", "maybe", "no"]), "row 12 is maybe, and the loss"),
        (Poisson(), np.array([0, 3, -1, 2]), "row 12 is -1, and the loss 'poisson' expects"),
        (Softmax(classes=(0, 1)), np.array([0, 1, 2, 1]), "row 12 is 2, and the loss 'softmax' expects"),
        (Squared(), np.array(["1", "2", "x", "4"]), "row 10 is 1, and the loss 'squared' expects a number"),
    ],
    ids=str,
)
def test_a_target_that_is_none_is_named(loss: Loss, y: np.ndarray, said: str) -> None:
    coef = np.zeros((2, 2)) if loss.name == "softmax" else np.zeros(2)
    chunk = Chunk(index=3, start=10, X=np.ones((4, 2)), y=y, weight=None, bytes_read=0)
    with pytest.raises(ValueRangeError, match=said) as caught:
        gradient_sum(loss, np.zeros(coef.shape[1:]), coef)(chunk, Buffers())
    assert caught.value.array == "y"
    assert caught.value.chunk == 3
