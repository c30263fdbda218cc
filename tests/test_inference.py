"""Inference against naive formulas: every covariance, its passes, what it refuses, and the tables it makes."""

from __future__ import annotations

import csv
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import fractional_matrix_power

import dgd
from dgd.errors import ConfigurationError, DataError
from dgd.losses import Huber, Softmax
from dgd.losses.base import NumberLoss
from dgd.models.inference.distributions import chi2_tail, f_tail, t_quantile, t_tail
from dgd.passes.executor import InlineExecutor
from dgd.penalties import L1, L2, NonNegative
from dgd.testing import CountingExecutor

M = 240
RNG = np.random.default_rng(5)
X = RNG.normal(size=(M, 3)) * [1, 4, 0.5] + [0, 2, -1]
ETA = X @ [0.5, -0.2, 0.4] + 0.3
Y = {
    "squared": 2 * ETA + RNG.normal(size=M) * (1 + np.abs(X[:, 0])),
    "logistic": (RNG.random(M) < 1 / (1 + np.exp(-ETA))).astype(float),
    "poisson": RNG.poisson(np.exp(ETA / 2)).astype(float),
    "huber": 2 * ETA + RNG.standard_t(2, M),
    "softmax": RNG.integers(0, 3, M),
}
WEIGHT = RNG.integers(0, 4, M).astype(float)
GROUPS = RNG.integers(0, 15, M)
COVARIANCES = ("classical", "HC0", "HC1", "HC2", "HC3", "cluster")
LOSSES = {"squared": "squared", "logistic": "logistic", "poisson": "poisson", "huber": Huber(1.0)}


def fit(loss: str, **options: Any) -> dgd.Result:
    options = {"solver": "newton" if loss != "huber" else "auto", "tol": 1e-13, **options}
    named = {**LOSSES, "softmax": Softmax(3)}
    return dgd.fit(options.pop("X", X), options.pop("y", Y[loss]), loss=named[loss], **options)


def inferred(result: dgd.Result, cov: str, groups: Any = GROUPS, **options: Any) -> Any:
    return result.inference(cov, groups=groups if cov == "cluster" else None, **options)


def close(found: Any, expected: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-12)


def naive(loss: str, result: dgd.Result, cov: str, w: np.ndarray, rows: np.ndarray = X) -> np.ndarray:
    """The textbook's sandwich, with precision weights; rows of weight 0 do not count."""
    A = np.column_stack([np.ones(len(rows)), rows])
    the_loss: Any = result.fitted.method.loss  # type: ignore[union-attr]
    eta, y = A @ result.theta, Y[loss]
    psi, second = the_loss.derivative(eta, y), the_loss.second_derivative(eta, y)
    m, p = int((w > 0).sum()), A.shape[1]
    bread = np.linalg.inv(A.T @ (A * (w * second)[:, None]))
    h = w * second * np.einsum("ij,jk,ik->i", A, bread, A)
    scores = A * (w * psi / (1 - h) ** {"HC2": 0.5, "HC3": 1.0}.get(cov, 0.0))[:, None]
    factor = m / (m - p) if cov == "HC1" else 1.0
    if cov == "cluster":
        scores = np.array([scores[g == GROUPS].sum(axis=0) for g in np.unique(GROUPS)])
        factor = len(scores) / (len(scores) - 1) * (m - 1) / (m - p)
    return factor * bread @ scores.T @ scores @ bread


@pytest.mark.each(2)
@pytest.mark.parametrize("cov", COVARIANCES[1:])
@pytest.mark.parametrize("loss", LOSSES)
def test_sandwiches_are_the_textbooks(loss: str, cov: str) -> None:
    result = fit(loss, weight=WEIGHT)
    close(inferred(result, cov).covariance, naive(loss, result, cov, WEIGHT))


@pytest.mark.each(3)
@pytest.mark.parametrize("cov", COVARIANCES)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_frequency_is_a_number_of_rows(loss: str, cov: str) -> None:
    many = np.repeat(np.arange(M), WEIGHT.astype(int))
    weighted = inferred(fit(loss, weight=WEIGHT), cov, weights="frequency")
    repeated = inferred(fit(loss, X=X[many], y=Y[loss][many]), cov, GROUPS[many])
    close(weighted.covariance, repeated.covariance, 1e-8)
    for name in ("log_likelihood", "aic", "bic", "r2", "dispersion"):
        ours, theirs = getattr(weighted, name), getattr(repeated, name)
        assert (ours is None) == (theirs is None)
        close(ours or 0, theirs or 0, 1e-8)


def test_outputs_are_as_each_alone() -> None:
    targets = np.column_stack([Y["squared"], Y["huber"]])
    together = fit("squared", y=targets)
    for cov in COVARIANCES:
        found = inferred(together, cov)
        for k in range(2):
            alone = inferred(fit("squared", y=targets[:, k]), cov)
            close(found.standard_errors[:, k], alone.standard_errors)
            close(found.covariance[k], alone.covariance)
            close(found.f_test().statistic[k], alone.f_test().statistic)
            for name in ("r2", "adjusted_r2", "aic", "bic", "dispersion"):
                close(getattr(found, name)[k], getattr(alone, name))
    classes = np.column_stack([Y["logistic"], 1 - Y["logistic"][::-1]])
    found = fit("logistic", y=classes).inference("HC1")
    ratio = found.likelihood_ratio_test("x0").statistic
    for k in range(2):
        alone = fit("logistic", y=classes[:, k]).inference("HC1")
        close(found.standard_errors[:, k], alone.standard_errors)
        close(ratio[k], alone.likelihood_ratio_test("x0").statistic, 1e-7)


def test_two_classes_by_softmax_are_those_of_the_logistic_loss() -> None:
    soft = dgd.fit(X, Y["logistic"].astype(int), loss=Softmax(2), solver="newton", tol=1e-13)
    for cov in COVARIANCES:
        difference = inferred(soft, cov).contrast([{f"1:{name}": 1, f"0:{name}": -1} for name in ("intercept", "x1")])
        close(difference.standard_error, inferred(fit("logistic"), cov).standard_errors[[0, 2]], 1e-8)
    ratio = soft.inference().likelihood_ratio_test("x1")
    close(ratio.statistic, fit("logistic").inference().likelihood_ratio_test("x1").statistic, 1e-7)
    assert ratio.df == 1


def of_differences(result: dgd.Result, cov: str, classes: int, **options: Any) -> np.ndarray:
    """Standard errors of the differences from class 0, class by class."""
    found = result.inference(cov, **options)
    against = [{f"{k}:{name}": 1, f"0:{name}": -1} for k in range(1, classes) for name in found.names]
    return found.contrast(against).standard_error


def with_matrix_leverage(result: dgd.Result, power: float, w: np.ndarray, classes: int = 3) -> np.ndarray:
    """The same from scores made row by row, with the first class as the base, as textbooks write it."""
    A, labels = np.column_stack([np.ones(M), X]), np.arange(1, classes)
    raw = A @ result.theta
    p = np.exp(raw - np.logaddexp.reduce(raw, axis=1)[:, None])[:, 1:]
    designs = [np.kron(np.eye(len(labels)), row) for row in A]
    curvature = [weight * (np.diag(q) - np.outer(q, q)) for weight, q in zip(w, p, strict=True)]
    H = sum(design.T @ W @ design for design, W in zip(designs, curvature, strict=True))
    bread, scores = np.linalg.inv(H), []
    for design, W, weight, q, y in zip(designs, curvature, w, p, Y["softmax"], strict=True):
        own = np.eye(len(labels)) - W @ design @ bread @ design.T
        scores.append(design.T @ fractional_matrix_power(own, -power) @ (weight * (q - (labels == y))))
    meat = np.array(scores).T @ np.array(scores)
    return np.sqrt(np.diag(bread @ meat @ bread))


@pytest.mark.each(2)
@pytest.mark.parametrize(("cov", "power"), [("HC3", 1.0), ("HC2", 0.5)])
def test_the_leverage_of_a_row_of_classes_is_a_matrix(cov: str, power: float) -> None:
    for weight in (None, WEIGHT):
        result = fit("softmax", weight=weight)
        w = np.ones(M) if weight is None else weight
        close(of_differences(result, cov, 3), with_matrix_leverage(result, power, w), 1e-8)
    many = np.repeat(np.arange(M), WEIGHT.astype(int))
    repeated = fit("softmax", X=X[many], y=Y["softmax"][many])
    close(of_differences(result, cov, 3, weights="frequency"), of_differences(repeated, cov, 3), 1e-8)


def test_hc3_of_classes_is_what_leaving_each_row_out_does_in_one_step() -> None:
    result = fit("softmax")
    A, changes = np.column_stack([np.ones(M), X]), []
    raw = A @ result.theta
    p = np.exp(raw - np.logaddexp.reduce(raw, axis=1)[:, None])
    designs = [np.kron(np.eye(2), row) for row in A]
    Hs = [d.T @ (np.diag(q[1:]) - np.outer(q[1:], q[1:])) @ d for d, q in zip(designs, p, strict=True)]
    for k, y in enumerate(Y["softmax"]):
        score = designs[k].T @ (p[k, 1:] - (np.arange(1, 3) == y))
        changes.append(np.linalg.solve(sum(Hs) - Hs[k], score))
    close(of_differences(result, "HC3", 3), np.sqrt((np.array(changes) ** 2).sum(axis=0)), 1e-8)


def test_the_digits_of_classes_are_those_of_what_the_rows_say() -> None:
    """A shift of all classes changes nothing, and is no direction to lose digits in."""
    assert not fit("softmax").inference().notes
    near = np.column_stack([X, X[:, 0] + 1e-5 * RNG.normal(size=M)])
    notes = dgd.fit(near, Y["softmax"], loss=Softmax(3), solver="newton").inference().notes
    assert any("digits are right: columns are near each other" in note for note in notes)


def test_a_row_that_a_class_is_made_of_has_no_leverage_to_divide_by() -> None:
    lonely = np.column_stack([X, np.arange(M) == 5])
    result = dgd.fit(lonely, Y["softmax"], loss=Softmax(3), max_iter=6)
    with pytest.raises(DataError, match="leverage h = 1"):
        result.inference("HC3")


@pytest.mark.parametrize(
    ("loss", "solver", "cov", "passes"),
    [
        ("squared", "auto", "classical", 0),
        ("squared", "auto", "HC1", 1),
        ("squared", "newton", "classical", 0),
        ("squared", "newton", "HC3", 1),
        ("squared", "cg", "classical", 1),
        ("squared", "lbfgs", "HC0", 2),
        ("logistic", "newton", "classical", 0),
        ("logistic", "newton", "cluster", 1),
        ("logistic", "lbfgs", "classical", 1),
        ("poisson", "newton", "classical", 0),
        ("huber", "auto", "classical", 1),
        ("huber", "auto", "HC2", 2),
    ],
)
def test_passes(loss: str, solver: str, cov: str, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by the chunks of X that are read: each once in a pass."""
    executor = CountingExecutor(InlineExecutor())
    result = fit(loss, solver=solver)
    monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: executor)
    found = inferred(result, cov)
    reads = sum(executor.reads.values()) - (loss == "poisson")  # a read of targets alone, with a column of zeros
    assert (found.passes, reads) == (passes, passes * 1)


def test_a_likelihood_ratio_takes_a_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = fit("logistic").inference()
    executor = CountingExecutor(InlineExecutor())
    monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: executor)
    ratio = found.likelihood_ratio_test("x0 = 2*x1")
    assert executor.sweeps <= 5
    under = dgd.fit(np.column_stack([2 * X[:, 0] + X[:, 1], X[:, 2]]), Y["logistic"], loss="logistic", tol=1e-13)
    small = under.inference()
    close(ratio.statistic, 2 * (found.log_likelihood - small.log_likelihood), 1e-7)


@pytest.mark.each(4)
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
@pytest.mark.parametrize("cov", ["classical", "HC2", "cluster"])
def test_every_solver_ends_with_the_same_errors(loss: str, cov: str) -> None:
    expected = inferred(fit(loss), cov)
    for solver in ("lbfgs", "nesterov"):
        found = inferred(fit(loss, solver=solver, max_iter=5000, tol=1e-11), cov)
        close(found.standard_errors, expected.standard_errors, 1e-8)
        close(found.log_likelihood, expected.log_likelihood, 1e-10)


@pytest.mark.parametrize("cov", COVARIANCES)
def test_large_offsets_cost_no_digit(cov: str) -> None:
    """Means of 1e8 in columns and target: the errors of slopes are those of centred data."""
    # Whole thousandths, so that adding 1e8 rounds nothing.
    steps = np.round(X * 1024) / 1024
    y = np.round(Y["squared"] * 1024) / 1024
    near = inferred(fit("squared", X=steps, y=y), cov)
    far = inferred(fit("squared", X=steps + 1e8, y=y + 1e8), cov)
    close(far.standard_errors[1:], near.standard_errors[1:])
    close(far.r2, near.r2)
    at = far.model.predict(steps[:3] + 1e8, interval=0.9)
    close(at[:, 1], near.model.predict(steps[:3], interval=0.9)[:, 1])


@pytest.mark.parametrize(
    "options", [{"solver": "lbfgs", "standardize": False}, {"solver": "newton", "standardize": False}]
)
def test_coordinates_of_the_solver_cost_no_digit(options: dict[str, Any]) -> None:
    """Where the solver's coordinates are the user's own, the errors are as where they are standardised."""
    steps = np.round(X * 1024) / 1024
    far = fit("squared", X=steps + 1000, max_iter=2000, **options).inference("HC2")
    near = fit("squared", X=steps).inference("HC2")
    close(far.standard_errors[1:], near.standard_errors[1:], 1e-7)


def test_single_precision_is_summed_again_in_double() -> None:
    found = fit("squared", precision="single").inference()
    assert found.passes == 1
    close(found.standard_errors, fit("squared").inference().standard_errors, 1e-6)


def test_rows_that_are_held_out_or_left_out_do_not_count() -> None:
    holey = X.copy()
    holey[[3, 70], [0, 2]] = np.nan
    kept = np.isfinite(holey).all(axis=1)
    expected = inferred(fit("squared", X=X[kept], y=Y["squared"][kept]), "HC1", GROUPS[kept])
    found = inferred(fit("squared", X=holey, missing="drop", weight=np.ones(M)), "HC1")
    close(found.covariance, expected.covariance)
    close([found.aic, found.statistics.rows], [expected.aic, kept.sum()])
    held = fit("poisson", validation_fraction=0.25, seed=3)
    split = held.fitted.split  # type: ignore[union-attr]
    numbers = split.split(dgd.open_dataset(X, Y["poisson"]).read(0))[0].numbers  # type: ignore[union-attr]
    for cov in ("classical", "HC3"):
        again = fit("poisson", X=X[numbers], y=Y["poisson"][numbers])
        close(inferred(held, cov).covariance, inferred(again, cov).covariance, 1e-8)
        close(inferred(held, cov).aic, inferred(again, cov).aic)


@pytest.mark.each(2)
@pytest.mark.parametrize("cov", ["classical", "HC1", "cluster"])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_selected_coefficients_of_wide_data(loss: str, cov: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By conjugate gradients as by the whole inverse; no more passes than columns, and two."""
    result = fit(loss, solver="lbfgs", X=X + np.array([0, 1e5, 0]))
    whole = inferred(result, cov)
    monkeypatch.setattr("dgd.fitting.inference.options.NEWTON_MOST", 3)
    with pytest.raises(ConfigurationError, match=r"only=\[\.\.\.\]"):
        inferred(result, cov)
    found = inferred(result, cov, only=["x2", "intercept"])
    index = [3, 0]
    close(found.covariance, whole.covariance[np.ix_(index, index)], 1e-6)
    close(found.p_values, whole.p_values[index], 1e-6)
    assert found.passes <= X.shape[1] + 3
    with pytest.raises(ConfigurationError, match="leverage"):
        inferred(result, "HC3", only=["x2"])


def test_features_pick_rows_of_the_table() -> None:
    whole, some = fit("squared").inference(), fit("squared").inference(only=["x2", "x0"])
    assert some.names == ("x2", "x0")
    close(some.covariance, whole.covariance[np.ix_([3, 1], [3, 1])])
    with pytest.raises(ConfigurationError, match="there is no 'x9'; there are intercept, x0, x1, x2"):
        fit("squared").inference(only=["x9"])


@pytest.mark.parametrize("penalty", [L2(0.1), L1(0.01), NonNegative()])
def test_penalties_are_refused_or_ignored(penalty: Any) -> None:
    result = dgd.fit(X, Y["squared"], penalty=penalty)
    with pytest.raises(ConfigurationError, match="penalized='ignore'"):
        result.inference()
    found = result.inference(penalized="ignore")
    assert any("no penalty" in note for note in found.notes)
    design = np.column_stack([np.ones(M), X])
    residual = Y["squared"] - design @ result.theta
    expected = residual @ residual / (M - 4) * np.linalg.inv(design.T @ design)
    close(found.covariance, expected, 1e-8)


class Asymmetric(NumberLoss):
    """A loss of one's own, of which nothing is known."""

    name = "asymmetric"

    def value(self, raw_prediction: Any, y: Any) -> Any:
        return np.logaddexp(0, raw_prediction - y) + (raw_prediction - y) ** 2

    def derivative(self, raw_prediction: Any, y: Any) -> Any:
        return 1 / (1 + np.exp(y - raw_prediction)) + 2 * (raw_prediction - y)

    def second_derivative(self, raw_prediction: Any, y: Any) -> Any:
        p = 1 / (1 + np.exp(y - raw_prediction))
        return p * (1 - p) + 2


def test_a_loss_of_ones_own_has_a_sandwich_and_no_classical_covariance() -> None:
    result = dgd.fit(X, Y["squared"], loss=Asymmetric(), solver="newton", tol=1e-12)
    with pytest.raises(ConfigurationError, match="cov='HC1'"):
        result.inference()
    found = result.inference("HC3")
    close(found.covariance, naive("squared", result, "HC3", np.ones(M)), 1e-8)
    assert found.log_likelihood is None
    with pytest.raises(ConfigurationError, match="wald_test"):
        found.likelihood_ratio_test("x0")


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (np.column_stack([X, X[:, 0] - X[:, 1]]), "columns 0, 1, 3"),
        (np.column_stack([X, np.full(M, 7.3)]), "'x3'"),
        (np.column_stack([X, np.zeros(M)]), "'x3'"),
    ],
)
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_columns_without_standard_errors_are_named(columns: np.ndarray, named: str, solver: str) -> None:
    with pytest.raises(DataError, match=named):
        dgd.fit(columns, Y["squared"], solver=solver).inference()


def test_covariances_of_too_many_outputs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    result = fit("squared", y=np.column_stack([Y["squared"], Y["huber"]]))
    monkeypatch.setattr("dgd.fitting.inference.options.LARGEST_ROOT", 255)
    with pytest.raises(dgd.errors.PlanError, match="256 B, and at most 255 B"):
        result.inference()


def test_what_else_is_refused() -> None:
    result = fit("squared")
    for arguments, words in [
        ({"cov": "HC4"}, "classical, HC0"),
        ({"cov": "cluster"}, "groups="),
        ({"groups": GROUPS}, "cov='cluster'"),
        ({"conf": 95}, "below 1"),
        ({"weights": "both"}, "precision, frequency"),
        ({"only": "x0"}, "list of different names"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            result.inference(**arguments)
    with pytest.raises(ConfigurationError, match="precisions"):
        fit("huber", weight=WEIGHT).inference()
    with pytest.raises(ConfigurationError, match="no optimum"):
        dgd.fit(X, (X[:, 0] > 0).astype(float), loss="logistic").inference()
    with pytest.raises(DataError, match="degrees of freedom"):
        dgd.fit(X[:4], Y["squared"][:4]).inference()
    with pytest.raises(DataError, match="one group"):
        result.inference("cluster", groups=np.zeros(M))
    lonely = np.column_stack([X, np.arange(M) == 5])
    with pytest.raises(DataError, match="leverage h = 1"):
        dgd.fit(lonely, Y["squared"]).inference("HC3")
    with pytest.raises(ConfigurationError, match="pickled"):
        pickle.loads(pickle.dumps(result)).inference()
    carried = pickle.loads(pickle.dumps(fit("logistic").inference("HC1")))
    close(carried.wald_test("x0").statistic, fit("logistic").inference("HC1").wald_test("x0").statistic)
    with pytest.raises(ConfigurationError, match="where the fit was made"):
        carried.likelihood_ratio_test("x0")
    few = result.inference("cluster", groups=np.arange(M) % 3)
    with pytest.raises(ConfigurationError, match="rank"):
        few.wald_test(["x0", "x1", "x2"])
    assert any("few" in note for note in few.notes)


def test_a_fit_that_has_not_converged_says_so() -> None:
    found = dgd.fit(X, Y["logistic"], loss="logistic", solver="gd", max_iter=3).inference()
    assert any("not known to be the optimum" in note for note in found.notes)


def test_groups_by_name_text_and_missing(tmp_path: Path) -> None:
    path = tmp_path / "data.zarr"
    with dgd.DatasetWriter(path, chunk_rows=50) as writer:
        writer.append(X, Y["squared"])
    import zarr

    names = np.array([f"g{g}" for g in GROUPS])
    zarr.create_array(path / "site", data=GROUPS, chunks=(70,))
    expected = inferred(fit("squared"), "cluster")
    stored = dgd.fit(str(path), tol=1e-13)
    for groups in ("site", GROUPS.tolist(), names, path / "site"):
        found = stored.inference("cluster", groups=groups)
        close(found.covariance, expected.covariance)
        assert found.clusters == expected.clusters
    holey = GROUPS.astype(float)
    holey[17] = np.nan
    with pytest.raises(dgd.errors.ValueRangeError, match="row 17"):
        stored.inference("cluster", groups=holey)
    with pytest.raises(ConfigurationError, match="opened dataset"):
        dgd.fit(dgd.open_dataset(str(path))).inference("cluster", groups="site")


@pytest.mark.parametrize(
    ("text", "row", "value"),
    [
        ("x0", [0, 1, 0, 0], 0),
        ("x0 = 2", [0, 1, 0, 0], 2),
        ("x0 - 2*x1 = 1", [0, 1, -2, 0], 1),
        ("2 = x1 + x2 - 1", [0, 0, -1, -1], -3),
        ("-x0 + 1.5e1 * x2 = x1", [0, -1, -1, 15], 0),
        ({"x1": 2, "intercept": -1}, [-1, 0, 2, 0], 0),
    ],
)
def test_hypotheses(text: Any, row: list[float], value: float) -> None:
    from dgd.models.inference.contrasts import hypothesis

    found = hypothesis(text, ("intercept", "x0", "x1", "x2"))
    assert found.R.tolist() == [row]
    assert found.r.tolist() == [value]


@pytest.mark.parametrize(
    "text", ["", "x0 =", "x0 == 1", "2 x0", "x0 * x1", "x9", "x0 = 1 = 2", "3 = 4", "x0 - x0", 3, [[1.0]]]
)
def test_hypotheses_that_say_nothing_clear(text: Any) -> None:
    with pytest.raises(ConfigurationError):
        fit("squared").inference().wald_test(text)
    with pytest.raises(ConfigurationError, match="depend on each other"):
        fit("squared").inference().wald_test(["x0 = x1", "x1 = x0"])


def test_condition_indices_and_variance_parts() -> None:
    """Belsley, Kuh and Welsch: of the columns with the intercept's, each of length 1."""
    near = np.column_stack([X, X[:, 0] + X[:, 1] + 1e-3 * RNG.normal(size=M)])
    found = dgd.fit(near, Y["squared"]).inference()
    assert found.condition is not None
    A = np.column_stack([np.ones(M), near])
    _, sigma, V = np.linalg.svd(A / np.linalg.norm(A, axis=0), full_matrices=False)
    close(found.condition.indices, sigma[0] / sigma, 1e-7)
    phi = (V.T / sigma) ** 2
    close(found.condition.parts, (phi / phi.sum(axis=1, keepdims=True)).T, 1e-6)
    assert found.condition.involved() == ("x0", "x1", "x3")
    assert any("x0, x1, x3" in note for note in found.notes)
    centred = np.linalg.inv(np.corrcoef(near.T))
    close(found.vif, np.diag(centred), 1e-7)


def test_tables(tmp_path: Path) -> None:
    import pandas as pd
    import xarray as xr

    frame = pd.DataFrame(X, columns=["<b>a</b>", "b\x1b[31m", "c"])
    found = dgd.fit(frame, Y["squared"]).inference(conf=0.9)
    text = str(found)
    assert "[0.05" in text
    assert "0.95]" in text
    assert "\x1b" not in text
    html = found._repr_html_()
    assert "&lt;b&gt;a&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "\x1b" not in html
    written = found.to_csv()
    found.to_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == written
    assert written is not None
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["name"] for row in rows] == ["intercept", *frame.columns]
    assert [float(row["std_err"]) for row in rows] == found.standard_errors.tolist()
    table = found.to_pandas()
    assert table.loc["c", "p"] == found.p_values[3]
    labelled = found.to_xarray()
    assert isinstance(labelled, xr.Dataset)
    assert float(labelled.covariance.sel(parameter_1="c", parameter_2="c")) == found.covariance[3, 3]
    several = fit("squared", y=np.column_stack([Y["squared"], Y["huber"]])).inference()
    assert several.to_pandas().loc[(1, "x2"), "coef"] == several.estimates[3, 1]
    assert several.to_xarray().covariance.shape == (2, 4, 4)
    assert [row["lower"] for row in several.as_json()["coefficients"]] == several.intervals[..., 0].T.ravel().tolist()


@pytest.mark.parametrize("df", [1, 2.5, 7, 30, 400, 1e5])
def test_tails_of_distributions(df: float) -> None:
    for t in (1e-3, 0.7, 1.0, 1.9, 4.0, 15.0):
        close(t_tail(t, df), 2 * stats.t.sf(t, df), 1e-12)
        close(t_tail(t, np.inf), 2 * stats.norm.sf(t), 1e-13)
        close(chi2_tail(t * df, df), stats.chi2.sf(t * df, df), 1e-10)
        for rows in (1, 2, 5, 30):
            close(f_tail(t, rows, df), stats.f.sf(t, rows, df), 1e-10)
    for tail in (0.5, 0.1, 0.05, 1e-4):
        close(t_quantile(tail, df), stats.t.isf(tail / 2, df), 1e-12)


def test_a_column_without_rows_that_bear_on_it_is_named_with_the_reason() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), (np.arange(200) < 4).astype(float)])
    y = X[:, 0] + rng.normal(size=200)
    y[:4] = [-100, 100, -90, 90]
    said = "does not vary among the rows whose residual is within delta: 'x1'"
    with pytest.raises(DataError, match=said):
        dgd.fit(X, y, loss="huber", threads=1).inference()
    X[:, 1] = 1.0
    with pytest.raises(DataError, match="does not vary: 'x1'"):
        dgd.fit(X, y, threads=1).inference()


def test_tails_at_a_billion_degrees_of_freedom() -> None:
    """Where factors of Γ have 1e10 in their exponent: by the sum that I has for a whole number, in exact arithmetic."""
    close(f_tail(2.0, 10, 1e9), 0.0292526892119593215, 1e-14)
    close(t_tail(2.0, 1e9), 0.0455002641663132, 1e-11)
    # Of the normal distribution, and φ(t)(t³ + t)/(4ν) more on each side.
    close(t_tail(0.5, 1e9), 0.6170750774519738 + 2 * 0.3520653267642995 * 0.625 / 4e9, 1e-12)


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_summary_is_enough_for_classical_errors(method: str, fit_intercept: bool, tmp_path: Path) -> None:
    """Without rows: one target and several, a subset of columns, frequencies; what needs rows is refused."""
    targets = np.column_stack([Y["squared"], Y["huber"]])
    dgd.summarize(X, targets, method=method).save(tmp_path / "s")
    summary = dgd.load_summary(tmp_path / "s")
    found = summary.fit(fit_intercept=fit_intercept).inference()
    expected = fit("squared", y=targets, fit_intercept=fit_intercept).inference()
    assert (found.passes, expected.passes) == (0, 0)
    alone = summary.fit(targets=1, features=[2, 0], fit_intercept=fit_intercept).inference()
    direct = dgd.fit(X[:, [2, 0]], Y["huber"], fit_intercept=fit_intercept).inference()
    test = f"{found.names[-1]} = 0"
    for one, other in ((found, expected), (alone, direct)):
        close(one.standard_errors, other.standard_errors)
        close(one.covariance, other.covariance)
        close(one.vif, other.vif)
        assert one.condition is not None
        assert other.condition is not None
        close(one.condition.indices, other.condition.indices)
        close(one.aic, other.aic)
        close(one.r2, other.r2)
    with pytest.raises(ConfigurationError, match="HC1 is of rows"):
        summary.fit().inference("HC1")
    close(found.likelihood_ratio_test(test).p_value, expected.likelihood_ratio_test(test).p_value)
    weighted = dgd.summarize(X, Y["squared"], weight=WEIGHT, method=method).fit()
    even = dgd.summarize(X, Y["squared"], weight=WEIGHT * M / WEIGHT.sum(), method=method).fit()
    for weights in ("precision", "frequency"):
        expected = fit("squared", weight=WEIGHT).inference(weights=weights)
        alike = fit("squared", weight=WEIGHT * M / WEIGHT.sum()).inference(weights=weights)
        for one, other in ((weighted.inference(weights=weights), expected), (even.inference(weights=weights), alike)):
            close(one.covariance, other.covariance)
            close(one.aic, other.aic)
            assert one.statistics.rows == pytest.approx(other.statistics.rows)
