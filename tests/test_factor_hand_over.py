"""A fit that goes from centred products to an R factor, where the condition of the columns would cost digits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DATA, read_json
from test_reference_nist import digits, nist
from test_summary import Chunked

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.errors import DataError
from dgd.fitting import problem
from dgd.passes.plan import Need
from dgd.passes.products_need import products_need
from dgd.penalties import L2

FACTOR = "summed the R factor"
RNG = np.random.default_rng(11)
M = 1234
T = np.sort(RNG.uniform(2, 10, size=M))
POWERS = np.column_stack([T**k for k in range(1, 8)])
NEAR = RNG.normal(size=(M, 4)) @ np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 3e-7]])
NOISE = RNG.normal(size=M)
WEIGHT = RNG.integers(0, 4, size=M).astype(float)


class Counting(Chunked):
    """Chunks of 100 rows that count how often they are read."""

    reads = 0

    def read(self, start: int, stop: int, buffers: Any) -> Any:
        object.__setattr__(self, "reads", self.reads + 1)
        return super().read(start, stop, buffers)


def data(X: Any, y: Any, weight: Any = None) -> dgd.Dataset:
    return dgd.Dataset(Counting("X", X), MemoryRows("y", y), None if weight is None else MemoryRows("weight", weight))


def long_double(X: Any, y: Any, weight: Any = None, *, intercept: bool = True, l2: float = 0.0) -> np.ndarray:
    """θ by Householder's QR of the scaled columns, refined in long double."""
    w = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(w.astype(np.longdouble))
    A = np.column_stack([np.ones(len(y)), X] if intercept else [X]).astype(np.longdouble) * root[:, None]
    b = y.astype(np.longdouble) * root
    ridge = np.zeros(A.shape[1])
    ridge[int(intercept) :] = np.sqrt(l2 * w.sum() / 2)
    A, b = np.vstack([A, np.diag(ridge)]), np.concatenate([b, np.zeros(len(ridge))])
    size = np.sqrt((A * A).sum(axis=0))
    Q, R = np.linalg.qr((A / size).astype(float))
    z = np.zeros(A.shape[1], np.longdouble)
    for _ in range(30):
        residual = b - (A / size) @ z
        z = z + np.linalg.solve(R, Q.T @ residual.astype(float))
        z = z + np.linalg.solve(R, np.linalg.solve(R.T, ((A / size).T @ (b - (A / size) @ z)).astype(float)))
    return np.asarray(z / size, dtype=float)


@pytest.mark.parametrize(
    ("name", "least", "passes"), [("filip", 7, 3), ("wampler1", 9.2, 2), ("wampler2", 12.5, 2), ("longley", 11, 1)]
)
def test_nist(name: str, least: float, passes: int) -> None:
    """As statsmodels' QR: 8.1, 9.3, 13.7 and 10.9 digits."""
    A, y, certified = nist(name)
    dataset = data(A, y)
    found = dgd.fit(dataset)
    assert digits(found.theta, certified) >= least
    assert found.converged
    assert (found.n_iter_, dataset.X.reads) == (passes, passes)  # type: ignore[attr-defined]
    assert (FACTOR in found.explain()) == (passes > 1)
    assert found.certificate is not None
    assert found.certificate.distance >= np.linalg.norm(found.coef_ - certified[1:])


@pytest.mark.each(4)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("l2", [0.0, 1e-14])
@pytest.mark.parametrize("X", [POWERS, NEAR], ids=["powers", "near"])
def test_digits_that_are_called_sure_are_right(X: Any, l2: float, weight: Any, intercept: bool) -> None:
    y = X @ (np.arange(1.0, X.shape[1] + 1) if X is POWERS else [1e7, 1e7, 3, -1e7]) + 0.01 * NOISE
    dataset = data(X, y, weight)
    found = dgd.fit(dataset, penalty=L2(l2) if l2 else None, fit_intercept=intercept)
    assert FACTOR in found.explain()
    assert found.n_iter_ <= 3
    assert X is not NEAR or "near each other: columns 0, 1, 3" in found.message
    assert dataset.X.reads == found.n_iter_ * dataset.n_chunks  # type: ignore[attr-defined]
    expected = long_double(X, y, weight, intercept=intercept, l2=l2)
    sure = int(found.explain().partition("by which ")[2].partition(" ")[0])
    coef = expected[int(intercept) :]
    scale = X.std(axis=0)
    relative = np.abs(found.coef_ - coef) / np.maximum(np.abs(coef), 1e-6 * np.abs(coef * scale).max() / scale)
    assert relative.max() <= 10.0**-sure
    assert found.certificate is not None
    assert found.certificate.distance >= np.linalg.norm(found.coef_ - coef)


def test_steps_that_do_not_settle_end_by_an_r_factor() -> None:
    """As NIST's wampler 4, whose residual is a hundred thousand times the least term."""
    x = np.arange(21.0)
    powers = np.column_stack([x**k for k in range(1, 6)])
    away = np.linalg.qr(np.column_stack([np.ones(21), powers]), mode="complete")[0][:, 6]
    dataset = data(powers, 1 + powers.sum(axis=1) + 1e6 * away)
    found = dgd.fit(dataset)
    assert (found.n_iter_, dataset.X.reads) == (4, 4)  # type: ignore[attr-defined]
    assert "pass 4 summed the R factor" in found.explain()
    assert np.abs(found.theta - 1).max() <= 1e-7


def test_several_targets() -> None:
    Y = np.column_stack([POWERS @ np.ones(7) + NOISE, np.sin(T), NOISE])
    found = dgd.fit(data(POWERS, Y))
    assert FACTOR in found.explain()
    for k in range(3):
        np.testing.assert_allclose(found.theta[:, k], long_double(POWERS, Y[:, k]), rtol=1e-5)


@pytest.mark.parametrize("kind", ["sum", "twice", "dummies"])
def test_columns_that_depend_on_each_other_end_as_they_did(kind: str) -> None:
    X = RNG.normal(size=(M, 5))
    if kind == "sum":
        X[:, 4] = X[:, 0] - 2 * X[:, 3]
    elif kind == "twice":
        X[:, 4] = X[:, 1]
    else:
        X = np.eye(5)[RNG.integers(0, 5, size=M)]
    found = dgd.fit(data(X, X[:, 0] + NOISE))
    expected = np.linalg.lstsq(X - X.mean(axis=0), X[:, 0] + NOISE, rcond=None)[0]
    np.testing.assert_allclose(found.coef_, expected, atol=1e-10)
    assert (found.n_iter_, found.converged) == (2, True)
    assert FACTOR not in found.explain()
    assert "nearly collinear: rank 4 of 5" in found.message


def test_a_small_gradient_that_is_not_settled_is_refined() -> None:
    """Rounding, and with it the processor, decides which of them are to be."""
    fits = []
    for seed in range(30):
        a, b, c, noise = np.random.default_rng(seed).normal(size=(4, 300))
        fits.append(dgd.fit(np.column_stack([a, a + 1e-3 * b, c, 2 * c - a]), a + b + noise, threads=1))
    assert all(found.converged for found in fits)
    refined = [found for found in fits if found.n_iter_ == 3]
    assert refined
    assert not any("R factor" in found.explain() for found in refined)


def test_an_r_factor_that_says_too_little_is_left() -> None:
    """Columns that differ by 1e-13: the third pass finds that out, and the fit goes on as it would without."""
    X = RNG.normal(size=(M, 2))
    found = dgd.fit(data(np.column_stack([X[:, 0], X[:, 0] + 1e-13 * X[:, 1]]), 1e6 * X[:, 1] + X[:, 0]), max_iter=5)
    assert found.status is dgd.Status.ITERATION_LIMIT
    assert "pass 3 has too few as well" in found.explain()
    assert "rank 1 of 2" in found.message
    assert [record.accepted for record in found.history[2:4]] == [False, True]


def test_it_is_planned_and_goes_without_where_it_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    y = POWERS @ np.ones(7) + NOISE
    needs = [problem.products_need(500, 1, 10_000, "double", passes=2, factors=factors) for factors in (False, True)]
    assert needs[1].block_bytes > needs[0].block_bytes

    def much(*arguments: Any, factors: bool = False, **more: Any) -> Need:
        found = products_need(*arguments, factors=factors, **more)
        return replace(found, held_bytes=2**50) if factors else found

    monkeypatch.setattr(problem, "products_need", much)
    found = dgd.fit(data(POWERS, y), execution=dgd.Execution(memory_limit=2**40))
    assert FACTOR not in found.explain()
    assert "an R factor needs 1,024 TiB in each process, with 1 TiB allowed" in found.explain()
    assert found.plan is not None
    assert found.plan.memory_bytes < 2**40
    assert found.n_iter_ > 2


def test_the_same_bits_on_threads_and_after_a_break(tmp_path: Path, tiny_data_are_divided_too: None) -> None:
    y = POWERS @ np.ones(7) + NOISE
    one, three = (dgd.fit(data(POWERS, y), threads=threads) for threads in (1, 3))
    assert one.theta.tobytes() == three.theta.tobytes()
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=100) as writer:
        writer.append(POWERS, y)
    stopped = dgd.fit(tmp_path / "a.zarr", max_iter=1, checkpoint=tmp_path / "c", checkpoint_every="pass")
    assert not stopped.converged
    resumed = dgd.resume(tmp_path / "c", max_iter=10)
    assert resumed.theta.tobytes() == dgd.fit(tmp_path / "a.zarr").theta.tobytes()
    assert FACTOR in resumed.explain()


def test_validation_rows_are_scored_at_its_solution() -> None:
    y = POWERS @ np.ones(7) + NOISE
    found = dgd.fit(data(POWERS[:1000], y[:1000]), validation=(POWERS[1000:], y[1000:]))
    assert FACTOR in found.explain()
    residual = found.predict(POWERS[1000:]) - y[1000:]
    assert found.history[-1].validation_loss == pytest.approx(float(residual @ residual) / len(residual), rel=1e-9)


@pytest.mark.parametrize("fitted", [dgd.fit, lambda A, y: dgd.summarize(A, y, method="qr").fit()], ids=["fit", "qr"])
def test_standard_errors_of_filip(fitted: Any) -> None:
    """From the R factor, which has digits where the inverse of products has none; without a pass."""
    A, y, _ = nist("filip")
    certified = read_json(DATA / "nist" / "filip.json")["certified"]
    found = fitted(A, y).inference()
    assert found.passes == 0
    assert digits(found.standard_errors, np.array(certified["sd_of_params"])) >= 7
    assert digits(np.sqrt(found.statistics.dispersion), np.array([certified["residual_sd"]])) >= 8
    assert found.statistics.r2[0] == pytest.approx(certified["r_squared"], rel=1e-9)
    assert any("digits are right" in note for note in found.notes)


def test_no_standard_errors_of_columns_that_depend_on_each_other() -> None:
    X = RNG.normal(size=(M, 3))
    X[:, 2] = X[:, 0] - X[:, 1]
    found = dgd.summarize(data(X, NOISE), method="qr").fit()
    np.testing.assert_allclose(found.coef_, np.linalg.lstsq(X - X.mean(axis=0), NOISE, rcond=None)[0], atol=1e-9)
    ridge = dgd.summarize(data(X, NOISE), method="qr").fit(penalty=L2(0.1))
    for result, penalized in ((found, "refuse"), (ridge, "ignore")):
        with pytest.raises(DataError, match=r"nearly collinear: rank 2 of 3 \(columns 0, 1, 2\)"):
            result.inference(penalized=penalized)


def exact(X: Any, y: Any) -> np.ndarray:
    """θ by the normal equations in 70 decimal digits."""
    with localcontext() as context:
        context.prec = 70
        as_decimals = np.vectorize(Decimal, otypes=[object])
        A, b = as_decimals(np.column_stack([np.ones(len(y)), X])), as_decimals(y)
        G, c = A.T @ A, A.T @ b
        for i in range(len(c)):
            for j in range(i + 1, len(c)):
                part = G[j, i] / G[i, i]
                G[j], c[j] = G[j] - part * G[i], c[j] - part * c[i]
        for i in reversed(range(len(c))):
            c[i] = (c[i] - G[i, i + 1 :] @ c[i + 1 :]) / G[i, i]
    return c.astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_promised_that_exact_arithmetic_does_not_keep(seed: int) -> None:
    """Columns of any condition from 1e4 to 1e11, scale and mean, with little noise and much."""
    rng, handed_over = np.random.default_rng(seed), 0
    for _ in range(6):
        m, n = int(rng.integers(40, 400)), int(rng.integers(2, 7))
        turned = np.linalg.qr(rng.normal(size=(n, n)))[0]
        sizes = np.logspace(0, -rng.uniform(4, 11), n)
        X = (rng.normal(size=(m, n)) * sizes) @ turned * 10 ** rng.uniform(-3, 3, n) + rng.normal(size=n)
        y = X @ rng.normal(size=n) * 10 ** rng.uniform(0, 6) + rng.choice([0, 1e-6, 1, 100]) * rng.normal(size=m)
        found = dgd.fit(data(X, y), max_iter=10)
        if FACTOR in found.explain():
            handed_over += 1
            assert found.certificate is not None
            assert np.linalg.norm(found.coef_ - exact(X, y)[1:]) <= found.certificate.distance
    assert handed_over > 0
