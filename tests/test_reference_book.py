"""What chapter 4 of Géron's Hands-On Machine Learning prints, in its second and third edition, by its own methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import DATA, read_csv, read_json

import dgd
from dgd.penalties import L1, L2, ElasticNet
from dgd.solvers import Decay, MiniBatch

BOOK = DATA / "homl"
FIGURES = read_json(BOOK / "chapter4_expected.json")["figures"]
EXTRA = read_json(BOOK / "chapter4_expected.json")["extra"]
EPSILON = {"ml3": 1e-5, "ml2": 1e-7}
"""What the book adds to a probability before its logarithm."""


def printed(figure: str, found: Any) -> bool:
    """Whether every number is the printed one to its last digit."""
    book = np.ravel(FIGURES[figure]["printed"])
    return bool(np.abs(np.ravel(found) - book).max() <= 5.1e-9)


def recomputed(figure: str) -> np.ndarray:
    return np.array(FIGURES[figure]["recomputed"])


def columns(name: str) -> tuple[np.ndarray, np.ndarray]:
    """X of one column, and y."""
    table = read_csv(BOOK / f"{name}.csv")
    return table["x"][:, None], table["y"]


def classes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The features and the class, the last column."""
    *features, label = read_csv(BOOK / f"{name}.csv").values()
    return np.column_stack(features), label


@pytest.mark.parametrize("solver", ["newton", "cg", "lbfgs"])
def test_normal_equation(solver: str) -> None:
    result = dgd.fit(*columns("linear100"), solver=solver, tol=1e-13)
    predictions = result.model.predict(np.array([[0.0], [2.0]]))
    assert printed("normal_equation", result.theta)
    assert printed("normal_equation_predictions_at_0_and_2", predictions)
    np.testing.assert_allclose(result.theta, recomputed("normal_equation"), rtol=1e-12)
    np.testing.assert_allclose(predictions, recomputed("normal_equation_predictions_at_0_and_2"), rtol=1e-12)


@pytest.mark.each(2)
@pytest.mark.parametrize(("figure", "start"), [("", "seed42_randn2"), ("_ml2", "ml2_stream")])
def test_batch_gradient_descent(figure: str, start: str) -> None:
    """η = 0.1, 1,000 steps; and in between, the trajectory."""
    X, y = columns("linear100")
    seen: list[np.ndarray] = []
    result = dgd.fit(
        X,
        y,
        solver="gd",
        learning_rate=0.1,
        max_iter=1000,
        tol=0,
        theta0=EXTRA[f"theta0_{start}"],
        callbacks=[lambda record: seen.append(record.theta)],
    )
    assert printed(f"batch_gd_eta0.1_1000{figure}", result.theta)
    np.testing.assert_allclose(result.theta, recomputed(f"batch_gd_eta0.1_1000{figure}"), rtol=1e-12)
    if not figure:
        for step, theta in EXTRA["batch_gd_trajectory"]["0.1"].items():
            if int(step) < 1000:
                np.testing.assert_allclose(seen[int(step)], theta, rtol=1e-12)


def test_stochastic_gradient_descent_by_hand() -> None:
    """η = 5/(t + 50), one row a step, 50 epochs, in the book's random order."""
    rows = read_csv(BOOK / "sgd_index_sequence.csv")["index"].astype(np.int64).reshape(50, 100)
    solver = MiniBatch(Decay(5, 50), batch_size=1, row_order=lambda epoch, chunk, count: rows[epoch])
    result = dgd.fit(
        *columns("linear100"),
        solver=solver,
        theta0=EXTRA["theta0_seed42_randn2"],
        max_iter=50,
        tol=0,
        standardize=False,
    )
    assert printed("sgd_by_hand_50_epochs", result.theta)
    np.testing.assert_allclose(result.theta, recomputed("sgd_by_hand_50_epochs"), rtol=1e-12)


@pytest.mark.parametrize("first_step", [1, 0])
def test_mini_batches_by_hand(first_step: int) -> None:
    """η = 200/(t + 1000), 20 rows a step, 50 epochs; t counts from 1 in the second edition, from 0 in the third."""
    rows = np.loadtxt(BOOK / "minibatch_permutations_50x100.csv", delimiter=",", dtype=np.int64)
    solver = MiniBatch(
        Decay(200, 1000),
        batch_size=20,
        first_step=first_step,
        row_order=lambda epoch, chunk, count: rows[epoch],
    )
    result = dgd.fit(
        *columns("linear100"),
        solver=solver,
        theta0=EXTRA["theta0_seed42_randn2"],
        max_iter=50,
        tol=0,
        standardize=False,
    )
    final = recomputed("minibatch_gd_ml2") if first_step else EXTRA["minibatch_ml3_final"]
    assert printed("minibatch_gd_ml2", result.theta) == bool(first_step)
    np.testing.assert_allclose(result.theta, final, rtol=1e-12)


def test_polynomial_regression() -> None:
    x, y = columns("quadratic100")
    result = dgd.fit(np.hstack([x, x**2]), y, tol=1e-13)
    assert printed("polynomial_degree2", result.theta)
    np.testing.assert_allclose(result.theta, recomputed("polynomial_degree2"), rtol=1e-12)


@pytest.mark.parametrize("solver", ["newton", "cg", "lbfgs"])
def test_ridge(solver: str) -> None:
    """‖Xθ − y‖² + α θ₁² is 20 times MSE + α/20 θ₁², and ours is ½ l2 θ₁²."""
    X, y = columns("ridge20")
    weak, strong = (dgd.fit(X, y, penalty=L2(2 * alpha / 20), solver=solver, tol=1e-13) for alpha in (0.1, 1))
    assert printed("ridge_alpha0.1_closed_form", weak.theta)
    assert printed("ridge_alpha0.1_predict_1.5", weak.model.predict(np.array([[1.5]])))
    assert printed("ridge_alpha1_predict_1.5_ml2", strong.model.predict(np.array([[1.5]])))
    np.testing.assert_allclose(weak.theta, recomputed("ridge_alpha0.1_closed_form"), rtol=1e-12)
    np.testing.assert_allclose(strong.theta, EXTRA["ridge_alpha1_closed_form"], rtol=1e-12)


@pytest.mark.parametrize("solver", ["fista", "gd"])
def test_lasso_and_elastic_net(solver: str) -> None:
    """The book halves the MSE: our strengths are twice as large."""
    X, y = columns("ridge20")
    lasso = dgd.fit(X, y, penalty=L1(2 * 0.1), solver=solver, tol=1e-13)
    both = dgd.fit(X, y, penalty=ElasticNet(l1=2 * 0.05, l2=2 * 0.05), solver=solver, tol=1e-13)
    assert printed("lasso_alpha0.1_predict_1.5", lasso.model.predict(np.array([[1.5]])))
    assert printed("elasticnet_alpha0.1_l1ratio0.5_predict_1.5", both.model.predict(np.array([[1.5]])))
    np.testing.assert_allclose(lasso.theta, EXTRA["lasso_alpha0_1"], rtol=1e-12)
    np.testing.assert_allclose(both.theta, EXTRA["elasticnet_alpha0_1_l1ratio_0_5"], rtol=1e-12)


@pytest.mark.parametrize("edition", ["ml2", "ml3"])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_logistic_boundary(edition: str, solver: str) -> None:
    """Petal width, C = 1, so that l2 = 1/m: the first of 1,000 points from 0 to 3 that is more likely virginica."""
    if edition == "ml2":
        X, label = classes("iris_petal")
        X, y = X[:, 1:], (label == 2).astype(float)
    else:
        X, y = classes("iris_petal_width_train_ml3")
    result = dgd.fit(X, y, loss="logistic", penalty=L2(1 / len(y)), solver=solver)
    expected = EXTRA[f"logistic_{edition}"]
    np.testing.assert_allclose(result.theta, [expected["intercept"], *expected["coef"]], rtol=1e-8)
    assert -result.intercept_ / result.coef_[0] == pytest.approx(expected["exact_boundary"], rel=1e-8)
    grid = np.linspace(0, 3, 1000)
    likely = result.model.predict_proba(grid[:, None])[:, 1] >= 0.5
    assert printed(f"logistic_petal_width_boundary_{edition}", grid[likely][0])


@pytest.mark.parametrize(("edition", "C", "rows"), [("ml2", 10, "iris_petal"), ("ml3", 30, "iris_petal_train_ml3")])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_softmax_probabilities(edition: str, C: int, rows: str, solver: str) -> None:
    """Petals of 5 × 2 cm. The book's solver ends with a gradient of 1e-8, and so does the recomputed fit: ours is 0."""
    X, y = classes(rows)
    result = dgd.fit(X, y, loss="softmax", penalty=L2(1 / (C * len(y))), solver=solver)
    probabilities = result.model.predict_proba(np.array([[5.0, 2.0]]))[0]
    book = FIGURES[f"softmax_C{C}_proba_5_2_{edition}"]["printed"]
    if edition == "ml3":
        assert np.round(probabilities, 2).tolist() == book
    np.testing.assert_allclose(probabilities, book, rtol=0, atol=5e-3 if edition == "ml3" else 6e-9)
    expected = EXTRA[f"softmax_C{C}_{edition}"]
    np.testing.assert_allclose(probabilities, expected["proba_5_2"], rtol=0, atol=2e-8)
    np.testing.assert_allclose(result.coef_, expected["coef"], rtol=1e-5)
    np.testing.assert_allclose(result.intercept_, expected["intercept"], rtol=1e-5)
    p = np.exp(X @ result.coef_.T + result.intercept_)
    error = (p / p.sum(axis=1, keepdims=True) - (y[:, None] == np.arange(3))) / len(y)
    assert np.abs(error.T @ X + result.coef_ / (C * len(y))).max() < 1e-9
    assert np.abs(error.sum(axis=0)).max() < 1e-9


def softmax_rows(edition: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    return classes(f"softmax_{part}_{edition}")


def cross_entropy(edition: str, part: str, theta: np.ndarray, alpha: float = 0.0) -> float:
    """The book's loss, its ε included: the mean of −log(p + ε), plus ½ α ‖θ without the intercepts‖²."""
    X, y = softmax_rows(edition, part)
    exps = np.exp(X @ theta[1:] + theta[0])
    p = exps[np.arange(len(y)), y.astype(int)] / exps.sum(axis=1)
    return float(-np.log(p + EPSILON[edition]).mean() + alpha / 2 * np.sum(theta[1:] ** 2))


def softmax_descent(edition: str, start: str, **options: Any) -> tuple[dgd.Result, list[np.ndarray]]:
    """Batch gradient descent from a stored Theta0, and θ of every pass."""
    seen: list[np.ndarray] = []
    result = dgd.fit(
        *softmax_rows(edition, "train90"),
        loss="softmax",
        solver="gd",
        standardize=False,
        theta0=np.array(EXTRA[f"softmax_gd_{edition}"][start]),
        max_iter=5001,
        tol=0,
        threads=1,
        callbacks=[lambda record: seen.append(record.theta)],
        **options,
    )
    return result, seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edition", "eta", "accuracy"), [pytest.param("ml3", 0.5, 28 / 30, marks=pytest.mark.slow), ("ml2", 0.01, 29 / 30)]
)
def test_softmax_by_batch_gradient_descent(edition: str, eta: float, accuracy: float) -> None:
    """Exercise 12: θ after 5,001 steps, the losses on the way, and the accuracy."""
    result, seen = softmax_descent(edition, "Theta0", learning_rate=eta)
    assert printed(f"softmax_gd_{edition}_Theta_5001", result.theta)
    np.testing.assert_allclose(result.theta, recomputed(f"softmax_gd_{edition}_Theta_5001"), rtol=1e-12)
    if edition == "ml3":
        losses, every, part = "softmax_gd_ml3_valid_losses_every_1000", 1000, "valid30"
    else:
        losses, every, part = "softmax_gd_ml2_train_losses_every_500", 500, "train90"
    found = [cross_entropy(edition, part, theta) for theta in seen[::every]]
    np.testing.assert_allclose(found, recomputed(losses), rtol=1e-12)
    score = result.model.score(*softmax_rows(edition, "valid30"))
    assert score.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert score.accuracy == pytest.approx(FIGURES[f"softmax_gd_{edition}_valid_accuracy"]["printed"][0], abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edition", "start", "eta", "alpha"),
    [pytest.param("ml3", "Theta0", 0.5, 0.01, marks=pytest.mark.slow), ("ml2", "Theta0_l2_run", 0.1, 0.1)],
)
def test_softmax_with_l2(edition: str, start: str, eta: float, alpha: float) -> None:
    result, seen = softmax_descent(edition, start, learning_rate=eta, penalty=L2(alpha))
    np.testing.assert_allclose(result.theta, EXTRA[f"softmax_gd_{edition}"]["Theta_l2_5001"], rtol=1e-12)
    if edition == "ml3":
        found = [cross_entropy(edition, "valid30", theta, alpha) for theta in seen[::1000]]
        assert np.round(found, 4).tolist() == FIGURES["softmax_gd_l2_ml3_losses"]["printed"]
    else:
        found = [cross_entropy(edition, "train90", theta, alpha) for theta in seen[::500]]
        np.testing.assert_allclose(found, recomputed("softmax_gd_l2_ml2_losses_every_500"), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edition", "start", "eta", "alpha", "steps_before"),
    [("ml3", "Theta0", 0.5, 0.01, 0), ("ml2", "Theta0_early_stop_run", 0.1, 0.1, 1)],
)
def test_early_stopping(edition: str, start: str, eta: float, alpha: float, steps_before: int) -> None:
    """The third edition scores θ before an epoch's step, the second after it; an epoch counts from 0, a pass from 1."""
    stops_at, best = FIGURES[f"softmax_early_stop_{edition}"]["recomputed"]
    result, seen = softmax_descent(
        edition,
        start,
        learning_rate=eta,
        penalty=L2(alpha),
        validation=softmax_rows(edition, "valid30"),
        patience=1,
    )
    assert result.status is dgd.Status.EARLY_STOPPED
    assert result.n_iter_ == stops_at + steps_before + 1
    np.testing.assert_array_equal(result.theta, seen[-2])
    found = cross_entropy(edition, "valid30", result.theta, alpha)
    assert found == pytest.approx(best, abs=5e-5 if edition == "ml3" else 1e-12)
    assert found < cross_entropy(edition, "valid30", seen[-1], alpha)
    validated = [record.validation_loss for record in result.history]
    assert int(np.argmin(validated)) == len(validated) - 2
