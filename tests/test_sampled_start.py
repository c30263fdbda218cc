"""A fit that begins at the minimum over a sample: as right as any, a pass late at worst, and of the same bits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster

import dgd
from dgd.fitting.sampled import planned, size, start, taking
from dgd.fitting.sampled.start import decrement
from dgd.penalties import L1, L2, Box
from dgd.solvers import LBFGS, Evaluation
from dgd.solvers.base import Kinks, no_prox
from dgd.solvers.steps.metric import DenseMetric

M, N = 30_000, 12
RNG = np.random.default_rng(3)


def columns(n: int, condition: float, m: int = M) -> np.ndarray:
    rng = np.random.default_rng(n)
    turned, _ = np.linalg.qr(rng.normal(size=(n, n)))
    X = rng.normal(size=(m, n)) * np.geomspace(1, condition**-0.5, n) @ turned
    return (X / X.std(axis=0)).astype(np.float32)


X = columns(N, 1e6)
ETA = X @ RNG.normal(size=N)
ETA = 1.5 * ETA / ETA.std()
CLASSES = (RNG.random(M) < 1 / (1 + np.exp(-ETA))).astype(np.int8)
TARGETS: dict[str, Any] = {
    "logistic": CLASSES,
    "poisson": RNG.poisson(np.exp(0.5 * ETA)),
    "gamma": RNG.gamma(2, np.exp(0.5 * ETA)) + 1e-3,
    "softmax": np.digitize(ETA + RNG.logistic(size=M), [-1, 1]),
}


@pytest.fixture(autouse=True)
def small_data_are_sampled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "LEAST_NUMBERS", 1)


def without_sample(*data: Any, **options: Any) -> dgd.Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned, "sample_size", lambda *_: None)
        found = dgd.fit(*data, **options)
    assert "sample" not in found.explain()
    return found


@pytest.mark.each(2)
@pytest.mark.parametrize("loss", TARGETS)
def test_the_same_minimum_in_no_more_passes(loss: str) -> None:
    some = X[:, :4] if loss == "softmax" else X
    plain = without_sample(some, TARGETS[loss], loss=loss, tol=1e-9)
    found = dgd.fit(some, TARGETS[loss], loss=loss, tol=1e-9)
    assert "whose minimum is where pass 2 began" in found.explain()
    assert found.converged
    assert found.n_iter_ < plain.n_iter_
    said = re.search("by the rehearsal on a part of it ([0-9]) pass", found.explain())
    assert said is not None
    assert abs(int(said[1]) - (plain.n_iter_ - found.n_iter_)) <= 1
    assert found.loss == pytest.approx(plain.loss, rel=1e-12)
    np.testing.assert_allclose(
        found.model.raw_prediction(some[:50]), plain.model.raw_prediction(some[:50]), rtol=1e-6, atol=1e-6
    )
    assert found.history[1].loss < found.history[0].loss


@pytest.mark.parametrize("penalty", [L1(3e-3), Box(lower=-0.2, upper=0.1), L2(1e-2)], ids=["l1", "bounds", "l2"])
def test_penalties_are_those_of_the_whole(penalty: Any) -> None:
    plain = without_sample(X, CLASSES, loss="logistic", penalty=penalty)
    found = dgd.fit(X, CLASSES, loss="logistic", penalty=penalty)
    assert "whose minimum is where pass 2 began" in found.explain()
    assert found.n_iter_ <= plain.n_iter_
    np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-6, atol=1e-8)
    assert ((found.theta == 0) == (plain.theta == 0)).all()


def test_weights_offsets_and_rows_held_out() -> None:
    rng = np.random.default_rng(5)
    weight, offset = 0.5 + rng.random(M), 0.1 * rng.normal(size=M)
    options: dict[str, Any] = {"weight": weight, "offset": offset, "loss": "logistic", "validation_fraction": 0.2}
    plain = without_sample(X, CLASSES, **options)
    found = dgd.fit(X, CLASSES, **options)
    assert "whose minimum is where pass 2 began" in found.explain()
    np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-6, atol=1e-8)
    assert found.history[-1].validation_loss == pytest.approx(plain.history[-1].validation_loss, rel=1e-9)


def test_beyond_64_parameters_one_hessian_is_summed() -> None:
    wide = columns(70, 1e4, 2 * M)
    rng = np.random.default_rng(4)
    eta = wide @ rng.normal(size=70)
    y = (rng.random(2 * M) < 1 / (1 + np.exp(-1.5 * eta / eta.std()))) * 1
    found = dgd.fit(wide, y, loss="logistic", tol=1e-8)
    assert "by quasi-newton" in found.explain()
    assert "by 1 Hessian" in found.advice
    plain = without_sample(wide, y, loss="logistic", tol=1e-8)
    assert found.n_iter_ < plain.n_iter_
    assert found.loss == pytest.approx(plain.loss, rel=1e-12)
    asked = dgd.fit(wide, y, loss="logistic", solver="newton", tol=1e-8)
    assert "whose minimum is where pass 2 began" in asked.explain()
    assert "Newton steps" in asked.advice


def one_hot() -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    rng = np.random.default_rng(1)
    share = 1 / np.arange(1, 101) ** 1.8
    codes = rng.choice(100, M, p=share / share.sum())
    y = rng.random(M) < 1 / (1 + np.exp(-rng.normal(size=100)[codes]))
    return np.eye(100, dtype=np.float32)[codes], y * 1, {"penalty": L2(1e-6)}


def rare() -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    return X, (np.random.default_rng(2).random(M) < 1 / (1 + np.exp(6 - ETA))) * 1, {}


def separated() -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    return X, (ETA > 0) * 1, {}


def in_order() -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    order = np.argsort(CLASSES, kind="stable")
    return X[order], CLASSES[order], {}


@pytest.mark.each(4)
@pytest.mark.parametrize("data", [one_hot, rare, separated, in_order])
def test_a_pass_late_at_most(data: Any) -> None:
    found_X, y, options = data()
    plain = without_sample(found_X, y, loss="logistic", **options)
    found = dgd.fit(found_X, y, loss="logistic", **options)
    assert found.status is plain.status
    assert found.n_iter_ <= plain.n_iter_ + (data is one_hot)
    assert found.loss == pytest.approx(plain.loss, rel=1e-9, abs=1e-9)
    # Up to 64 parameters the first pass sums a Hessian whatever comes of the sample.
    assert (found.theta.tobytes() == plain.theta.tobytes()) == (data in (rare, separated))
    assert ("not begun from" in found.explain()) == (data in (one_hot, separated))
    assert ("sample" in found.explain()) == (data is not rare)


@pytest.mark.slow
def test_where_steps_are_slow_another_hessian_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = np.hstack([X, columns(60, 1e3)])
    one = dgd.fit(wide, CLASSES, loss="logistic")
    assert "by 1 Hessian" in one.advice
    monkeypatch.setattr(taking, "QUICK", 1e4)
    more = dgd.fit(wide, CLASSES, loss="logistic")
    assert "by 2 Hessians" in more.advice
    assert more.n_iter_ <= one.n_iter_
    np.testing.assert_allclose(more.theta, one.theta, rtol=1e-6, atol=1e-9)


def test_a_method_that_takes_over_does_without_the_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dgd.fitting.loop.stops_short", lambda objective, state: state.learning_rate > 0)
    some, y = X[:8000, :3], CLASSES[:8000]
    whole = dgd.fit(some, y, loss="logistic", max_iter=60)
    assert "whose minimum is where pass 2 began" in whole.explain()
    assert "of the line search" in whole.advice
    assert whole.converged
    for passes in (3, 4):
        path = tmp_path / f"{passes}.ckpt"
        dgd.fit(some, y, loss="logistic", checkpoint=path, checkpoint_every="pass", max_iter=passes)
        assert dgd.resume(path, some, y, max_iter=60).theta.tobytes() == whole.theta.tobytes()


def test_a_sample_that_is_not_like_the_rest_is_gone_back_from(monkeypatch: pytest.MonkeyPatch) -> None:
    real, factor = taking.sampled_start, 1.0

    def misled(*arguments: Any) -> Any:
        began = real(*arguments)
        assert not isinstance(began, str)
        began.point[1:] *= factor
        return began

    monkeypatch.setattr(taking, "sampled_start", misled)
    plain = without_sample(X, CLASSES, loss="logistic")
    for factor, why in ((-1.0, "above that at the best constant"), (1.8, "times as far from the data's")):  # noqa: B007
        found = dgd.fit(X, CLASSES, loss="logistic")
        assert "gone back from" in found.explain()
        assert why in found.explain()
        assert found.n_iter_ == plain.n_iter_ + 1
        assert found.theta.tobytes() == plain.theta.tobytes()
        assert not found.history[1].accepted


@pytest.mark.parametrize("count", [5, 6])
def test_a_start_from_which_as_many_steps_are_left_is_not_taken(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = start.newton_steps

    def rehearsed(*arguments: Any, **options: Any) -> Any:
        return replace(real(*arguments, **{**options, "most": 15}), count=count if options else 5, rejected=0)

    monkeypatch.setattr(start, "newton_steps", rehearsed)
    assert "as far from that over a part of it" in dgd.fit(X, CLASSES, loss="logistic").explain()


def test_where_none_is_taken() -> None:
    for options in ({"theta0": np.zeros(N + 1)}, {"solver": "lbfgs"}, {"solver": LBFGS()}):
        assert "sample" not in dgd.fit(X, CLASSES, **{"loss": "logistic", "max_iter": 2, **options}).explain()
    assert "sample" not in dgd.fit(X[:1000], CLASSES[:1000], loss="logistic", max_iter=2).explain()


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_data_are_divided_too")
def test_the_same_bits_wherever_the_passes_are_made(tmp_path: Path, two_workers: Cluster) -> None:
    with dgd.DatasetWriter(tmp_path / "d.zarr", chunk_rows=1700) as writer:
        writer.append(X, CLASSES)
    where: list[dict[str, Any]] = [{"threads": 1}, {"threads": 2}, {"client": two_workers.client}]
    first, *others = [dgd.fit(tmp_path / "d.zarr", loss="logistic", **each) for each in where]
    assert "whose minimum is where pass 2 began" in first.explain()
    for other in others:
        assert other.theta.tobytes() == first.theta.tobytes()
        assert other.explain() == first.explain()


@pytest.mark.parametrize("n", [N, pytest.param(80, marks=pytest.mark.slow)])
def test_a_fit_that_is_cut_after_any_pass_goes_on_to_the_same_bits(n: int, tmp_path: Path) -> None:
    wide = X if n == N else np.hstack([X, columns(n - N, 1e3)])
    whole = dgd.fit(wide, CLASSES, loss="logistic")
    assert "whose minimum is where pass 2 began" in whole.explain()
    for passes in range(1, whole.n_iter_):
        path = tmp_path / f"{passes}.ckpt"
        dgd.fit(wide, CLASSES, loss="logistic", checkpoint=path, checkpoint_every="pass", max_iter=passes)
        resumed = dgd.resume(path, wide, CLASSES, max_iter=1000)
        assert resumed.theta.tobytes() == whole.theta.tobytes()
        assert resumed.n_iter_ == whole.n_iter_
        assert resumed.explain() == whole.explain()


def test_the_plan_counts_the_sample() -> None:
    plan = dgd.plan(X, CLASSES, loss="logistic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned, "sample_size", lambda *_: None)
        without = dgd.plan(X, CLASSES, loss="logistic")
    assert "a sample of 1,875 rows, one of every 16," in plan.sample
    assert plan.sample in plan.table()
    assert plan.sample_bytes == 2 * 1875 * (4 * N + 1) + 5 * 8 * (N + 1) ** 2
    assert plan.base_bytes - without.base_bytes == pytest.approx(plan.sample_bytes, abs=2**22)
    assert not without.sample


def test_without_room_for_it_the_fit_begins_at_the_best_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgd.passes.threads.resident_bytes", lambda: 2**27)
    how: dict[str, Any] = {"loss": "logistic"}
    plan = dgd.plan(X, CLASSES, **how, execution=dgd.Execution(threads=1, memory_limit=2**30, resident=0))
    limit = plan.memory_bytes - plan.sample_bytes // 2
    where = dgd.Execution(threads=1, memory_limit=limit, resident=0)
    found = dgd.plan(X, CLASSES, **how, execution=where)
    assert found.fits
    assert not found.sample
    assert (
        dgd.fit(X, CLASSES, **how, execution=where).theta.tobytes() == without_sample(X, CLASSES, **how).theta.tobytes()
    )


def test_the_decrement_is_what_newtons_step_promises() -> None:
    A, g, z = RNG.normal(size=(9, 4)), RNG.normal(size=4), RNG.normal(size=4)
    H = A.T @ A
    evaluation = Evaluation(z, 1.0, g)
    metric = DenseMetric.of(H)
    assert decrement(evaluation, metric, no_prox) == pytest.approx(g @ np.linalg.solve(H, g))
    np.testing.assert_allclose(metric.times(metric.solve(g)), g)

    class Bounds:
        kinks = Kinks(np.zeros(4), np.full(4, -100.0), np.full(4, 100.0))

        def __call__(self, point: np.ndarray, step: Any) -> np.ndarray:
            return np.clip(point, -100, 100)

    assert decrement(evaluation, metric, Bounds()) == pytest.approx(g @ np.linalg.solve(H, g))
