"""Sums by compiled code: those of NumPy and of a naive oracle, the same bits wherever rows lie, and refusals."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sums import gradient_sum

import dgd
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.data.dataset import Chunk
from dgd.errors import DataError
from dgd.losses import Gamma, Huber, Logistic, Loss, Poisson, Softmax, Squared, SquaredHinge
from dgd.passes.sums.blocks import Blocks
from dgd.passes.sums.compiled import use
from dgd.passes.sums.compiled.compiler import compiled, compiler
from dgd.passes.sums.compiled.kinds import KINDS
from dgd.passes.sums.gradient import AtNull, LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.loss import LossOnly
from dgd.passes.sums.moments import ColumnMoments, TargetMoments
from dgd.passes.sums.row_sums import RowSums

LOSSES: tuple[Loss, ...] = (Squared(), Huber(delta=0.7), Logistic(), Poisson(), Gamma(), SquaredHinge())
NEAR = {"double": 1e-12, "single": 2e-5}


def chunk_of(X: np.ndarray, loss: Loss, *, weighted: bool = False, offset: bool = False, seed: int = 0) -> Chunk:
    rng, rows = np.random.default_rng(seed), len(X)
    y = rng.integers(0, 2, rows).astype(float) if isinstance(loss, Logistic | SquaredHinge) else 0.1 + rng.random(rows)
    weight = rng.random(rows) * (rng.random(rows) < 0.9) if weighted else None
    return Chunk(0, 0, X, y, weight, 0, offset=rng.normal(size=rows) if offset else None)


def both(sums: RowSums, chunk: Chunk) -> tuple[Any, Any]:
    """The parts by compiled code, and without."""
    compiled, plain = (replace(sums, compiled=each)(chunk, Buffers()).parts for each in (True, False))
    return compiled, plain


def naive(chunk: Chunk, loss: Loss, intercept: float, coef: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, gradient and Hessian of the rows, one after the other, by the formulas of the losses."""
    value, gradient, hessian = 0.0, np.zeros(1 + len(coef)), np.zeros((1 + len(coef),) * 2)
    for i, row in enumerate(chunk.X):
        x, y = np.concatenate([[1.0], np.asarray(row, float)]), float(chunk.y[i])
        eta = math.fsum(x[1:] * coef) + intercept + (0.0 if chunk.offset is None else chunk.offset[i])
        w = 1.0 if chunk.weight is None else chunk.weight[i]
        of_row, first, second = formula(loss, eta, y)
        value += w * of_row
        gradient += w * first * x
        hessian += w * second * np.outer(x, x)
    return value, gradient, hessian


def formula(loss: Loss, eta: float, y: float) -> tuple[float, float, float]:
    """Value and derivatives of a row, of which those of `gradient_scale` 2 are halved."""
    r = eta - y
    if isinstance(loss, Squared):
        return r * r, r, 1.0
    if isinstance(loss, Huber):
        inside = abs(r) <= loss.delta
        return (0.5 * r * r, r, 1.0) if inside else (
            loss.delta * (abs(r) - loss.delta / 2), math.copysign(loss.delta, r), 0.0
        )  # fmt: skip
    if isinstance(loss, Logistic):
        p = 1 / (1 + math.exp(-eta))
        return math.log1p(math.exp(-abs(eta))) + max(eta, 0) - y * eta, p - y, p * (1 - p)
    if isinstance(loss, Poisson):
        return math.exp(eta) - y * eta, math.exp(eta) - y, math.exp(eta)
    if isinstance(loss, Gamma):
        return y * math.exp(-eta) + eta, 1 - y * math.exp(-eta), y * math.exp(-eta)
    s = 2 * y - 1
    short = max(0.0, 1 - s * eta)
    return short**2, -s * short, float(short > 0)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [False, True])
def test_they_are_those_of_an_oracle(loss: Loss, precision: str, weighted: bool, offset: bool) -> None:
    rng = np.random.default_rng(3)
    for rows, n in ((1, 1), (3, 2), (4, 0), (5, 31), (131, 15), (77, 32), (66, 33)):
        chunk = chunk_of(rng.normal(size=(rows, n)), loss, weighted=weighted, offset=offset)
        coef = rng.normal(size=n) / max(1, n) ** 0.5
        sums = replace(gradient_sum(loss, 0.3, coef, Hessian(), precision=precision), compiled=True)
        found, hessian = sums(chunk, Buffers()).parts
        value, gradient, expected = naive(chunk, loss, 0.3, coef)
        near = {"rtol": NEAR[precision], "atol": NEAR[precision] * rows}
        np.testing.assert_allclose(found.loss, value, **near)
        np.testing.assert_allclose(found.gradient, gradient, **near)
        np.testing.assert_allclose(hessian.values, expected, **near)
        assert (hessian.values == hessian.values.T).all()
        assert found.gradient.dtype == hessian.values.dtype == np.float64


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("stored", ["f8", "f4", "f2", "i8", "?", ">f4", pytest.param("i1", marks=pytest.mark.slow)])
@pytest.mark.parametrize("centred", [False, True])
def test_a_first_pass_is_that_of_numpy(loss: Loss, stored: str, centred: bool) -> None:
    """All its parts, of what is stored in any way, of few columns and of many."""
    rng = np.random.default_rng(4)
    for rows, n in ((0, 3), (1001, 5), (777, 40)):
        X = (3 * rng.normal(size=(rows, n))).astype(stored)
        centre = Centre(np.arange(n) % 2 * 1.5) if centred and stored != "?" else None
        parts = Hessian(), ColumnMoments(), TargetMoments(), AtNull(None)
        sums = replace(gradient_sum(loss, 0.1, rng.normal(size=n) / 200, *parts), centre=centre)
        compiled, plain = both(sums, chunk_of(X, loss, weighted=True))
        near = {"rtol": 1e-11, "atol": 1e-9}
        for found, expected in zip(compiled, plain, strict=True):
            for name in expected.__slots__:
                if isinstance(expected_value := getattr(expected, name), float | np.ndarray):
                    np.testing.assert_allclose(getattr(found, name), expected_value, **near, err_msg=name)
        np.testing.assert_allclose(compiled[3].moments.mean, plain[3].moments.mean, **near)
        np.testing.assert_allclose(compiled[3].moments.squares, plain[3].moments.squares, **near)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_softmax_is_that_of_numpy(precision: str, weighted: bool) -> None:
    """Of few classes, of which rows lie side by side, and of many; also where all but nothing is left of the loss."""
    rng = np.random.default_rng(10)
    for classes, scale in itertools.product((2, 3, 10, 31, 32, 65, 3000), (1.0, 300.0)):
        for rows in (0, 1, 2, 130):
            y = rng.integers(0, classes, rows).astype(float)
            chunk = Chunk(0, 0, rng.normal(size=(rows, 4)), y, rng.random(rows) if weighted else None, 0)
            coef = scale * rng.normal(size=(4, classes))
            parts = TargetMoments(), AtNull(None)
            sums = gradient_sum(Softmax(classes), rng.normal(size=classes), coef, *parts, precision=precision)
            (found, _, squares), (expected, _, expected_squares) = both(sums, chunk)
            near = 2e-12 if precision == "double" else 2e-5
            np.testing.assert_allclose(found.loss, expected.loss, rtol=near)
            np.testing.assert_allclose(found.gradient, expected.gradient, rtol=near, atol=near * rows)
            np.testing.assert_allclose(squares.squares, expected_squares.squares, rtol=100 * near)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("weighted", [False, True])
def test_few_classes_are_those_of_an_oracle(precision: str, weighted: bool) -> None:
    """Loss and gradient alone, of rows and classes that are no multiple, and of columns that are."""
    rng = np.random.default_rng(12)
    for classes, rows, n in itertools.product((2, 3, 7, 10, 16), (0, 1, 3, 4, 66, 130), (32, 101)):
        X, y = rng.normal(size=(rows, n)).astype("f4"), rng.integers(0, classes, rows).astype(float)
        chunk = Chunk(0, 0, X, y, rng.random(rows) if weighted else None, 0)
        intercept, coef = rng.normal(size=classes), 3 * rng.normal(size=(n, classes)) / n**0.5
        sums = RowSums(Softmax(classes), intercept, coef, (LossAndGradient(),), precision, compiled=True)
        seen, (found,) = chosen(sums, chunk)
        assert seen == ["sum_few_classes"]
        eta = X.astype("g") @ coef + intercept
        p = np.exp(eta - eta.max(axis=1, keepdims=True, initial=-np.inf))
        p /= p.sum(axis=1, keepdims=True)
        own = np.arange(rows), y.astype(int)
        w = np.ones(rows, "g") if chunk.weight is None else chunk.weight
        value = -(w * np.log(p[own])).sum()
        p[own] -= 1
        residual = p * w[:, None]
        near = NEAR[precision]
        np.testing.assert_allclose(found.loss, float(value), rtol=near, atol=near)
        expected = np.vstack([residual.sum(axis=0), X.T @ residual]).astype(float)
        np.testing.assert_allclose(found.gradient, expected, rtol=near, atol=near * max(1, rows) ** 0.5)
        assert found.gradient.dtype == np.float64


def chosen(sums: RowSums, chunk: Chunk) -> tuple[list[str], Any]:
    """The loops that are called for a chunk, and its parts."""
    from dgd.passes.sums.compiled import rows

    seen: list[str] = []

    def called(module: str, function: str, *arguments: Any) -> Any:
        seen.append(function)
        return getattr(compiled(module), function)(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "called", called)
        return seen, sums(chunk, Buffers()).parts


def test_which_loop_a_softmax_has() -> None:
    """Few classes of rows that are not narrow have their own products, where nothing but sums is wanted."""
    for n, classes, parts, expected in (
        (32, 16, (), "sum_few_classes"),
        (31, 16, (), "softmax_rows"),
        (32, 17, (), "softmax_rows"),
        (32, 16, (AtNull(None),), "softmax_rows"),
        (20_000, 16, (), "softmax_rows"),
    ):
        chunk = Chunk(0, 0, np.ones((3, n), "f4"), np.zeros(3), None, 0)
        parts = LossAndGradient(), *parts
        seen, _ = chosen(RowSums(Softmax(classes), 0.0, np.zeros((n, classes)), parts, compiled=True), chunk)
        assert seen == [expected]


@pytest.mark.parametrize("loss", [Logistic(), Softmax(2)], ids=lambda loss: loss.name)
def test_a_loss_alone_is_summed_without_a_gradient(loss: Loss) -> None:
    """As that of rows held out: no row is read again for it."""
    rng = np.random.default_rng(13)
    X = rng.normal(size=(500, 40))
    chunk = Chunk(0, 0, X, rng.integers(0, 2, 500).astype(float), rng.random(500), 0)
    coef = rng.normal(size=(40, 2))[:, : 2 if isinstance(loss, Softmax) else 1].squeeze() / 7
    both_parts = RowSums(loss, 0.2, coef, (LossAndGradient(), LossOnly()), compiled=True)(chunk, Buffers()).parts
    sums = RowSums(loss, 0.2, coef, (LossOnly(),), compiled=True)
    assert sums(chunk, Buffers()).parts == (both_parts[0].loss,) == both_parts[1:]
    made = next(iter(sums._summed(Blocks(chunk, coef, 0.2, Buffers(), encode=loss.encode)))).summed(loss)
    assert made.gradient is None


@pytest.mark.parametrize("y", [-1.0, 3.0, 1.5, np.nan])
@pytest.mark.parametrize("n", [2, 40])
def test_what_is_no_class_is_named(y: float, n: int) -> None:
    chunk = Chunk(0, 0, np.ones((3, n), "f4"), np.array([0.0, y, 2.0]), None, 0)
    sums = RowSums(Softmax(3), np.zeros(3), np.zeros((n, 3)), (LossAndGradient(),), compiled=True)
    with pytest.raises(DataError, match="row 1 is"):
        sums(chunk, Buffers())


@pytest.mark.parametrize("stored", ["f4", "f8", "f2", pytest.param("i1", marks=pytest.mark.slow)])
def test_bits_do_not_depend_on_how_the_rows_lie(stored: str) -> None:
    rng = np.random.default_rng(5)
    for n in (7, 90):
        X = (10 * rng.normal(size=(4000, n))).astype(stored)
        chunk = chunk_of(X, Logistic())
        frozen = X.copy()
        frozen.flags.writeable = False
        for precision in ("double", "single"):
            sums = gradient_sum(Logistic(), 0.1, np.linspace(-1, 1, n), Hessian(), ColumnMoments(), precision=precision)
            sums = replace(sums, compiled=True)
            expected = sums(chunk, Buffers()).parts
            alone = replace(sums, parts=sums.parts[:1])(chunk, Buffers()).parts[0]
            assert (alone.gradient == expected[0].gradient).all()
            assert alone.loss == expected[0].loss
            for other in (
                np.asfortranarray(X),
                X.astype(X.dtype.newbyteorder()),
                frozen,
                np.repeat(X, 2, axis=1)[:, ::2],
            ):
                found = sums(replace(chunk, X=other), Buffers()).parts
                assert found[0].loss == expected[0].loss
                assert (found[0].gradient == expected[0].gradient).all()
                assert (found[1].values == expected[1].values).all()
                assert (found[2].mean == expected[2].mean).all()
            of_classes = RowSums(Softmax(2), 0.1, np.ones((n, 2)), (LossAndGradient(),), precision, compiled=True)
            (few,) = of_classes(chunk, Buffers()).parts
            for other in (np.asfortranarray(X), X.astype(X.dtype.newbyteorder()), np.repeat(X, 2, axis=1)[:, ::2]):
                (found,) = of_classes(replace(chunk, X=other), Buffers()).parts
                assert found.loss == few.loss
                assert (found.gradient == few.gradient).all()


def test_single_keeps_its_digits_over_many_rows() -> None:
    """Rows are added up by the hundred, and these in float64."""
    X = np.full((200_000, 2), 0.1, np.float32)
    chunk = Chunk(0, 0, X, np.zeros(len(X), np.float32), None, 0)
    sums = replace(gradient_sum(Squared(), 1.0, np.zeros(2), Hessian(), precision="single"), compiled=True)
    found, hessian = sums(chunk, Buffers()).parts
    np.testing.assert_allclose(found.gradient, [2e5, 2e4, 2e4], rtol=1e-6)
    np.testing.assert_allclose(hessian.values, 2e5 * np.outer([1, 0.1, 0.1], [1, 0.1, 0.1]), rtol=3e-7)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_exponentials_and_logarithms(dtype: str) -> None:
    limit, top = (87.0, 88.3) if dtype == "f4" else (708.0, 709.4)
    rng, eps = np.random.default_rng(6), np.finfo(dtype).eps
    x = np.concatenate([[0.0, -0.0, 1.0, -1.0], rng.uniform(-limit, top, 3000), rng.normal(size=3000) * 1e-3])
    x = x.astype(dtype)
    np.testing.assert_allclose(exp(x), np.exp(x.astype("g")).astype("f8"), rtol=2 * eps)
    special = np.array([np.inf, 1000.0, np.nan, -np.inf, -1000.0], dtype)
    found = exp(special)
    assert (found[:2] == np.inf).all()
    assert np.isnan(found[2])
    assert (found[3:] == 0).all()
    t = np.concatenate([[0.0, 1.0], rng.random(3000), 10.0 ** -rng.uniform(0, 30, 3000)]).astype(dtype)
    value = np.zeros_like(t)
    compiled("losses")._add_log1p(t / (2 + t), len(t), value)
    np.testing.assert_allclose(value, np.log1p(t.astype("g")).astype("f8"), rtol=4 * eps)


def test_every_float16_is_the_float32_that_it_is_of_numpy() -> None:
    halves = np.arange(2**16, dtype=np.uint16)
    for some in (halves, halves[1:], halves[:1]):
        found = np.zeros(len(some), np.float32)
        compiled("halves").to_single(some.view(np.int16), found.view(np.int32), found)
        np.testing.assert_array_equal(found, some.view(np.float16).astype(np.float32))


def exp(x: np.ndarray) -> np.ndarray:
    found, power = x.copy(), np.empty_like(x)
    compiled("exponential").exp(found, len(x), power, power.view(f"i{x.itemsize}"))
    return found


@pytest.mark.parametrize("loss", [Logistic(), Poisson(), Gamma()], ids=lambda loss: loss.name)
def test_large_predictions_overflow_as_those_of_numpy_do(loss: Loss) -> None:
    for eta in (800.0, -800.0, 1e300, -1e300):
        chunk = Chunk(0, 0, np.array([[eta]]), np.array([1.0]), None, 0)
        compiled, plain = both(gradient_sum(loss, 0.0, np.ones(1)), chunk)
        np.testing.assert_allclose(compiled[0].loss, plain[0].loss, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(compiled[0].gradient, plain[0].gradient, rtol=1e-12, atol=1e-300)


def test_a_bad_cell_is_named() -> None:
    for loss in LOSSES:
        chunk = chunk_of(np.ones((600, 3)), loss)
        chunk.X[517, 1] = np.nan
        with pytest.raises(DataError, match=r"517"):
            replace(gradient_sum(loss, 0.0, np.zeros(3)), compiled=True)(chunk, Buffers())


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_fits_are_those_without(loss: Loss, solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(3000, 6)) * np.geomspace(1, 20, 6) + 1.0
    chunk = chunk_of(X, loss, weighted=True)
    arguments: dict[str, Any] = {"weight": chunk.weight + 0.1, "loss": loss, "solver": solver, "threads": 2}
    plain = dgd.fit(X, chunk.y, **arguments)
    monkeypatch.setattr(use, "FROM_BYTES", 1)
    seen = counted_calls(monkeypatch)
    compiled = dgd.fit(X, chunk.y, **arguments)
    assert seen or (solver == "auto" and isinstance(loss, Squared))  # whose first pass sums products
    np.testing.assert_allclose(compiled.theta, plain.theta, rtol=1e-7, atol=1e-9)
    assert abs(len(compiled.history) - len(plain.history)) <= 1


def counted_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The columns of each block that compiled code sums from now on."""
    code, seen = compiled("kernel"), []
    whole = code.sum_rows

    def sum_rows(*arguments: Any) -> Any:
        seen.append(arguments[2].shape[0])
        return whole(*arguments)

    monkeypatch.setattr(code, "sum_rows", sum_rows)
    return seen


def test_bits_do_not_depend_on_threads_or_workers(
    monkeypatch: pytest.MonkeyPatch, two_workers: Any, tmp_path: Path, tiny_data_are_divided_too: None
) -> None:
    monkeypatch.setattr(use, "FROM_BYTES", 1)
    rng = np.random.default_rng(8)
    X, y = rng.normal(size=(20_000, 12)).astype(np.float32), rng.integers(0, 2, 20_000)
    narrow, wide = tmp_path / "narrow.zarr", tmp_path / "wide.zarr"
    for path in (narrow, wide):
        with dgd.DatasetWriter(path, chunk_rows=700) as writer:
            writer.append(X if path is narrow else np.hstack([X, X**2, X**3]), y)
    for path, loss, solver in (
        (narrow, "logistic", "newton"),
        (narrow, "logistic", "lbfgs"),
        (narrow, Softmax(2), "lbfgs"),
        (wide, Softmax(2), "lbfgs"),
    ):
        found = [dgd.fit(path, loss=loss, solver=solver, threads=threads) for threads in (1, 2, 3)]
        found.append(dgd.fit(path, loss=loss, solver=solver, client=two_workers.client))
        assert all((each.theta == found[0].theta).all() for each in found)
        assert found[3].same_bits


def test_without_a_compiler_sums_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    from dgd.passes.sums.compiled import rows

    monkeypatch.setattr(rows, "compiler", lambda: "")
    chunk = chunk_of(np.random.default_rng(9).normal(size=(100, 4)), Logistic())
    compiled, plain = both(gradient_sum(Logistic(), 0.1, np.arange(4.0)), chunk)
    assert (compiled[0].gradient == plain[0].gradient).all()


def test_which_passes_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.ones((1000, 10))
    y = np.ones(1000)
    dataset = dgd.open_dataset(X, y)
    assert not use.is_worth_it(dataset, Squared())
    monkeypatch.setattr(use, "FROM_BYTES", X.nbytes)
    assert all(use.is_worth_it(dataset, loss) for loss in LOSSES)
    assert {type(loss) for loss in LOSSES} == set(KINDS)
    assert use.is_worth_it(dataset, Softmax(3))
    assert not use.is_worth_it(dataset, dgd.losses.Quantile())
    assert not use.is_worth_it(dgd.open_dataset(X, np.ones((1000, 2))), Squared())
    assert not use.is_worth_it(dgd.open_dataset(X[:999], y[:999]), Squared())


def test_which_fits_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of products, which have at most a pass for it, nor steps of a mini-batch, nor many at once."""
    monkeypatch.setattr(use, "FROM_BYTES", 1)
    rng = np.random.default_rng(11)
    X = rng.normal(size=(400, 3))
    seen = counted_calls(monkeypatch)
    for solver, compiled_by in (("auto", ""), ("lbfgs", compiler()), ("minibatch", "")):
        assert dgd.plan(X, X[:, 0], solver=solver).compiler == compiled_by
        dgd.fit(X, X[:, 0] + rng.normal(size=400), solver=solver, max_iter=3)
        assert bool(seen) == bool(compiled_by)
        seen.clear()
    dgd.cross_validate(X, X[:, 0] > 0, loss="logistic", folds=2)
    assert not seen


def test_the_plan_has_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = np.ones((1000, 10)), np.ones(1000)
    plain = dgd.plan(X, y, loss="logistic")
    monkeypatch.setattr(use, "FROM_BYTES", 1)
    compiled = dgd.plan(X, y, loss="logistic")
    assert compiled.base_bytes - plain.base_bytes > 0.9 * use.COMPILER_BYTES
    assert compiled.compiler == compiler()
    assert f"compiled by     {compiler()}" in compiled.table()
    assert "compiled by" not in plain.table()


FITS = (
    "import resource, sys, warnings, numpy as np, dgd, dgd.fitting.fit\n"
    "from dgd.passes.sums.compiled import use\n"
    "from dgd.passes.memory import peak_bytes, resident_bytes\n"
    "use.FROM_BYTES = 1\n"
    "if 'full' in sys.argv:\n"
    "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    "class Told:\n"
    "    def __call__(self, record): pass\n"
    "    def on_event(self, event):\n"
    "        if event.kind != 'running':\n"
    "            print(event.kind, event.message)\n"
    "X, y = np.linspace(-1, 1, 300).reshape(100, 3) ** 3, np.arange(100) % 7\n"
    "with warnings.catch_warnings(record=True) as told:\n"
    "    warnings.simplefilter('always')\n"
    "    before = resident_bytes()\n"
    "    print(dgd.fit(X, y % 2, loss='logistic', solver='lbfgs', callbacks=[Told()]).theta.tobytes().hex())\n"
    "    if 'peak' in sys.argv:\n"
    "        print(peak_bytes() - before)\n"
    "    if 'softmax' in sys.argv:\n"
    "        print(dgd.fit(np.tile(X, 12), y, loss='softmax', solver='lbfgs', threads=2).theta.tobytes().hex())\n"
    "print(*[str(each.message)[:40] for each in told])\n"
)


def fits(folder: Path, *arguments: str) -> list[str]:
    """θ of fits in a process of its own, and what it was warned of."""
    environment, command = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}, [sys.executable, "-c", FITS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_machine_code_that_is_read_has_the_bits_of_that_which_was_made(tmp_path: Path) -> None:
    """And making it takes no more than is planned, and is spoken of."""
    told, logistic, peak, *softmax = fits(tmp_path, "softmax", "peak")
    assert told.startswith("compiling machine code is made for these sums")
    assert 2**25 < int(peak) <= use.COMPILER_BYTES
    made = [logistic, *softmax]
    assert len(list(tmp_path.rglob("*.nbi"))) == 3
    assert fits(tmp_path, "softmax") == made
    assert made[-1] == ""


@pytest.mark.slow
def test_machine_code_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    _, theta, _ = fits(tmp_path)
    for index in tmp_path.rglob("*.nbi"):
        index.write_bytes(b"")
    assert fits(tmp_path)[1:] == [theta, "machine code cannot be read or kept (EOF"]


@pytest.mark.slow
def test_machine_code_that_cannot_be_kept_is_made_all_the_same(tmp_path: Path) -> None:
    *_, told = fits(tmp_path, "full")
    assert told == "machine code cannot be read or kept (OSE"


def test_switched_off_or_out_of_order(tmp_path: Path) -> None:
    """NUMBA_DISABLE_JIT=1, and a numba that does not go with what else is installed."""
    assert compiler().startswith("numba ")
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 1.1 or less')")
    program = (
        "from dgd.passes.sums.compiled.compiler import compiled, compiler\n"
        "print(compiler() or 'off')\n"
        "try:\n"
        "    compiler() and compiled('kernel')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(dgd.__file__).parents[1])])

    def told(**variables: str) -> str:
        environment = {**os.environ, **variables}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert told(NUMBA_DISABLE_JIT="1") == "off\n"
    assert told(NUMBA_DISABLE_JIT="0") == f"{compiler()}\n"
    assert told(NUMBA_OPT="1") == f"{compiler()} NUMBA_OPT=1\n"
    first, second = told(PYTHONPATH=paths).splitlines()
    assert first == compiler()
    assert second == (
        "ConfigurationError numba is installed and cannot be imported (Numba needs NumPy 1.1 or less); bring it up to "
        "date with `pip install --upgrade 'dgd[fast]'`, or set NUMBA_DISABLE_JIT=1 to do without"
    )
