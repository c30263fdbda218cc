"""Cross-validation in lock-step: the fits and losses of lone fits, in the passes of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgd
from dgd.data.dataset import Dataset
from dgd.data.folds import make_folds
from dgd.errors import ConfigurationError, DataError, PlanError
from dgd.fitting.many.cross_validation import choices
from dgd.penalties import L1, L2, Box, ElasticNet
from dgd.testing import CountingRows, MemoryChunks

RNG = np.random.default_rng(11)
M, N = 400, 5
X = RNG.normal(size=(M, N)) * [1, 10, 0.1, 1, 1] + [0, 30, 0, 0, 1]
ETA = (X - X.mean(axis=0)) / X.std(axis=0) @ RNG.normal(size=N) / 2
WEIGHT = RNG.integers(1, 4, M).astype(float)
OFFSET = RNG.normal(size=M) / 3
TARGETS = {
    "logistic": (RNG.random(M) < 1 / (1 + np.exp(-ETA - OFFSET))).astype(float),
    "poisson": RNG.poisson(np.exp(ETA / 2 + OFFSET)).astype(float),
    "huber": ETA + OFFSET + RNG.standard_t(3, M),
    "softmax": np.argmax(np.c_[ETA, -ETA, 0 * ETA] + RNG.gumbel(size=(M, 3)), axis=1),
}


def data(y: np.ndarray, X: np.ndarray = X, *, chunk: int = 130, **more: np.ndarray) -> Dataset:
    bounds = [*range(0, len(X), chunk), len(X)]
    given = {"X": X, "y": y, **more}
    return Dataset(**{name: MemoryChunks(name, array, bounds) for name, array in given.items()})


def folds_of(dataset: Dataset, count: int) -> np.ndarray:
    folds = make_folds("test", dataset, count)
    return np.concatenate([folds.of(dataset.read(k)) for k in range(dataset.n_chunks)])


def naive_loss(name: str, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    if name == "softmax":
        return np.logaddexp.reduce(eta, axis=1) - eta[np.arange(len(y)), y]
    if name == "poisson":
        return np.exp(eta) - y * eta
    if name == "logistic":
        return np.logaddexp(0, eta) - y * eta
    r = abs(eta - y)
    return np.where(r <= 1.35, r * r / 2, 1.35 * (r - 1.35 / 2))


@pytest.mark.each(4)
@pytest.mark.parametrize(
    ("loss", "penalties", "options"),
    [
        ("logistic", [L2(0.1), L2(1e-3)], {}),
        ("poisson", [L1(0.05), ElasticNet(l1=1e-3, l2=1e-3)], {}),
        ("softmax", [L2(0.01)], {}),
        ("huber", [L2(0.1), L2(1e-3)], {}),
        ("logistic", [L1(0.01), Box(lower=0.1, upper=1.0)], {"fit_intercept": False}),
        ("logistic", [L2(0.01)], {"solver": "lbfgs"}),
        ("logistic", [L1(0.01)], {"solver": "fista"}),
    ],
)
def test_fits_and_losses_are_those_of_lone_fits_of_the_same_rows(loss, penalties, options):
    y = TARGETS[loss]
    offset = np.outer(OFFSET, [1, 0, -1]) if loss == "softmax" else OFFSET
    dataset = data(y, weight=WEIGHT, offset=offset)
    lossy = dgd.losses.Huber(1.35) if loss == "huber" else dgd.losses.Softmax(3) if loss == "softmax" else loss
    found = dgd.cross_validate(dataset, loss=lossy, penalties=penalties, folds=3, **options)
    of_row = folds_of(dataset, 3)
    for k, penalty in enumerate(penalties):
        for fold in range(3):
            kept = of_row != fold
            lone = dgd.fit(
                X[kept], y[kept], weight=WEIGHT[kept], offset=offset[kept], loss=lossy, penalty=penalty, **options
            )
            theta = found.fold_thetas[k, fold]
            np.testing.assert_allclose(theta, lone.theta, rtol=1e-6, atol=1e-7)
            held = ~kept
            coef, level = (theta[1:], theta[0]) if len(theta) > N else (theta, 0.0)
            losses = naive_loss(loss, y[held], X[held] @ coef + level + offset[held])
            expected = np.average(losses, weights=WEIGHT[held])
            np.testing.assert_allclose(found.fold_losses[k, fold], expected, rtol=1e-9)
    whole = dgd.fit(dataset, loss=lossy, penalty=found.penalty, **options)
    np.testing.assert_allclose(found.result.theta, whole.theta, rtol=1e-9, atol=1e-10)
    assert found.result.status is whole.status


@pytest.mark.parametrize("strengths", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_many_fits_take_the_passes_of_one_and_read_each_chunk_once_a_pass(strengths):
    dataset = data(TARGETS["logistic"])
    counting = Dataset(CountingRows(dataset.X), CountingRows(dataset.y))
    execution = dgd.Execution(threads=1, resident=0)
    penalties = [L2(10.0**power) for power in np.linspace(0, -4, strengths)]
    found = dgd.cross_validate(counting, loss="logistic", penalties=penalties, execution=execution)
    assert len(counting.X.reads) == found.passes * dataset.n_chunks
    # The targets are read once more, before the first pass.
    assert len(counting.y.reads) == (found.passes + 1) * dataset.n_chunks
    hardest = max(dgd.fit(dataset, loss="logistic", penalty=penalty).n_iter_ for penalty in penalties[-3:])
    assert found.passes <= 1.5 * hardest
    assert max(found.models) == 6 * strengths
    assert found.models[1] == strengths, "those without a fold begin near the end of the fit of all rows"


def test_the_same_bits_on_threads_and_in_any_run(tiny_data_are_divided_too):
    dataset = data(TARGETS["logistic"], chunk=40)
    runs = [
        dgd.cross_validate(dataset, loss="logistic", penalties="l1", n_lambdas=3, folds=2, threads=threads)
        for threads in (1, 3)
    ]
    for other in runs[1:]:
        np.testing.assert_array_equal(other.fold_losses, runs[0].fold_losses)
        np.testing.assert_array_equal(other.result.theta, runs[0].result.theta)


def test_columns_far_from_zero_cost_no_digits():
    moved = X + np.array([1e9, 0, -1e7, 0, 0])
    near, far = (
        dgd.cross_validate(data(TARGETS["logistic"], columns), loss="logistic", penalties=[L2(0.01)], folds=3)
        for columns in (X, moved)
    )
    # The data themselves are rounded to 1e-7.
    np.testing.assert_allclose(far.fold_losses, near.fold_losses, rtol=1e-6)
    np.testing.assert_allclose(far.fold_thetas[..., 1:], near.fold_thetas[..., 1:], rtol=1e-4, atol=1e-6)


@pytest.mark.each(2)
@pytest.mark.parametrize("kind", ["l1", 0.5])
def test_the_first_strength_of_a_grid_is_the_least_under_which_nothing_is_left(kind):
    dataset = data(TARGETS["poisson"])
    found = dgd.cross_validate(dataset, loss="poisson", penalties=kind, n_lambdas=4, folds=2)
    ratio = 1.0 if kind == "l1" else kind
    for part, left in ((1.0001, False), (0.999, True)):
        top = found.strengths[0] * part
        lone = dgd.fit(dataset, loss="poisson", penalty=ElasticNet(l1=ratio * top, l2=(1 - ratio) * top))
        assert lone.coef_.any() == left
    np.testing.assert_allclose(found.strengths[-1] / found.strengths[0], 1e-4)


def test_folds_of_chunks_and_of_groups():
    dataset = data(TARGETS["logistic"], chunk=50)
    by_chunk = dgd.cross_validate(dataset, loss="logistic", penalties=[L2(0.01)], folds=4, by="chunks")
    groups = np.arange(M) // 100
    by_group = dgd.cross_validate(dataset, loss="logistic", penalties=[L2(0.01)], folds=4, by=groups)
    kept = groups != 2
    lone = dgd.fit(X[kept], TARGETS["logistic"][kept], loss="logistic", penalty=L2(0.01))
    np.testing.assert_allclose(by_group.fold_thetas[0, 2], lone.theta, rtol=1e-6)
    assert by_chunk.fold_losses.shape == (1, 4)


def test_choices():
    losses = np.array([[1.0, 1.2, 0.8], [0.5, 0.52, 0.48], [0.49, 0.51, 0.47], [np.nan, 0.1, 0.1]])
    strengths = np.array([3.0, 2.0, 1.0, 0.5])
    assert choices(losses, strengths) == (2, 1)
    assert choices(np.ones((3, 2)), np.array([1.0, 5.0, 2.0])) == (1, 1)


def test_what_is_found_is_printed_as_a_table():
    result = dgd.fit(X[:20], ETA[:20])
    strengths = 10.0 ** -np.arange(30.0)
    losses = RNG.random((30, 3))
    best, one_se = choices(losses, strengths)
    penalties = tuple(map(L2, strengths))
    found = dgd.CrossValidation(penalties, strengths, losses, best, one_se, one_se, result, np.zeros((30, 3, N + 1)))
    text = str(found)
    assert text.startswith("30 penalties × 3 folds")
    assert "least mean" in text
    assert "of 30 penalties" in text
    marked = next(line for line in text.splitlines() if line.startswith(">"))
    assert "within 1 se" in marked
    assert f"{losses[one_se].mean():.9g}" in marked
    json = found.as_json()
    assert len(json["table"]) == 30
    assert json["table"][0]["folds"] == losses[0].tolist()
    np.testing.assert_allclose(found.standard_error, losses.std(axis=1, ddof=1) / np.sqrt(3))


def test_what_cannot_be_is_refused():
    dataset = data(TARGETS["logistic"])
    refused: list[tuple[dict[str, Any], str]] = [
        ({"penalties": []}, "must be a list of dgd.penalties"),
        ({"penalties": [0.1]}, "must be a list of dgd.penalties"),
        ({"penalties": "l3"}, "must be 'l1', 'l2' or the part of l1"),
        ({"penalties": [L2(1.0)], "n_lambdas": 3}, "goes with a kind of penalty"),
        ({"penalties": [L2([1.0, 2.0])]}, "5 here"),
        ({"choose": "best"}, "must be one of min, one_se"),
        ({"folds": 1}, "folds"),
        ({"solver": "minibatch"}, "fits in lock-step"),
    ]
    for options, said in refused:
        with pytest.raises(ConfigurationError, match=said):
            dgd.cross_validate(dataset, loss="logistic", **options)
    with pytest.raises(PlanError, match="is allowed"):
        dgd.cross_validate(dataset, loss="logistic", execution=dgd.Execution(threads=1, memory_limit=2**26 + 2**20))
    with pytest.raises(DataError, match="sum to 0"):
        dgd.cross_validate(
            data(TARGETS["logistic"], weight=(folds_of(dataset, 2) == 0).astype(float)), loss="logistic", folds=2
        )


def test_a_fit_that_ends_where_it_was_not_evaluated_is_scored_in_one_more_pass():
    dataset = data(TARGETS["logistic"])
    found = dgd.cross_validate(
        dataset, loss="logistic", penalties=[L2(0.01)], folds=2, solver="gd", max_iter=3, tol=1e-8
    )
    of_row = folds_of(dataset, 2)
    theta = found.fold_thetas[0, 1]
    held = of_row == 1
    expected = naive_loss("logistic", TARGETS["logistic"][held], X[held] @ theta[1:] + theta[0]).mean()
    np.testing.assert_allclose(found.fold_losses[0, 1], expected, rtol=1e-12)
