"""Where no finite optimum exists the fit says so, and what separates; and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import dgd
from dgd.cli import main
from dgd.estimators import LogisticRegression, PoissonRegressor

RNG = np.random.default_rng(3)
M = 500
X = RNG.normal(size=(M, 4))
RARE = (np.arange(M) < 6) * 1.0
CLASSES = (X @ [1, -1, 0.5, 0] + RNG.logistic(size=M) > 0) * 1.0
CLASSES[:6] = 1
COUNTS = RNG.poisson(np.exp(X[:, 0])) * 1.0
COUNTS[:6] = 0
SOLVERS = ("newton", "lbfgs", "nesterov", "barzilai-borwein")


@pytest.mark.parametrize("solver", SOLVERS)
def test_classes_that_a_plane_separates(solver: str) -> None:
    found = dgd.fit([[-2.0], [-1], [1], [2]], [0, 0, 1, 1.0], loss="logistic", solver=solver)
    assert found.status is dgd.Status.NO_OPTIMUM
    assert not found.converged
    assert "penalt" in found.message


@pytest.mark.parametrize(("loss", "y"), [("logistic", CLASSES), ("poisson", COUNTS)])
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_a_column_that_separates_some_rows_is_named(loss: str, y: Any, solver: str) -> None:
    data = dgd.open_dataset(np.column_stack([X, RARE]), y)
    found = dgd.fit(data, loss=loss, solver=solver)
    assert found.status is dgd.Status.NO_OPTIMUM
    assert found.message.endswith("what separates the targets: column 4)")
    assert dgd.fit(data, loss=loss, penalty=dgd.penalties.L2(1e-3)).converged
    assert dgd.fit(X, y, loss=loss).converged


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_targets_that_are_all_alike(loss: str) -> None:
    found = dgd.fit(X, np.zeros(M), loss=loss)
    assert found.status is dgd.Status.NO_OPTIMUM
    assert "alike" in found.message


def test_a_class_without_rows_is_named() -> None:
    y = np.digitize(X[:, 0] + RNG.normal(size=M), [-0.5, 0.5])
    found = dgd.fit(X, y, loss=dgd.losses.Softmax([0, 1, 2, "none"]))
    assert found.status is dgd.Status.NO_OPTIMUM
    assert "class 'none' has no rows" in found.message


def test_estimators_warn_and_the_command_line_exits_with_4(tmp_path: Any, capsys: Any) -> None:
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        LogisticRegression(C=np.inf).fit(np.column_stack([X, RARE]), CLASSES)
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        PoissonRegressor(alpha=0).fit(np.column_stack([X, RARE]), COUNTS)
    with dgd.DatasetWriter(tmp_path / "a.zarr") as writer:
        writer.append(np.column_stack([X, RARE]), CLASSES)
    assert main(["fit", str(tmp_path / "a.zarr"), "--loss", "logistic", "--require-convergence"]) == 4
    printed = capsys.readouterr()
    assert "no optimum" in printed.out + printed.err


@pytest.mark.each(6)
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "nesterov"])
@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_no_false_alarm(solver: str, strength: float) -> None:
    """Strong signals, nearly dependent columns, and loose tolerances: each of these has its minimum."""
    A = np.column_stack([X, X[:, 0] + 1e-4 * RNG.normal(size=M)])
    y = (strength * A[:, 0] + RNG.logistic(size=M) > 0) * 1.0
    for tol in (1e-3, 1e-8):
        for B in (X, A):
            found = dgd.fit(B, y, loss="logistic", solver=solver, tol=tol)
            assert found.status is not dgd.Status.NO_OPTIMUM
            counted = dgd.fit(B, np.round(np.exp(y)), loss="poisson", solver=solver, tol=tol)
            assert counted.status is not dgd.Status.NO_OPTIMUM


def test_a_warm_start_after_other_classes_or_columns_names_itself() -> None:
    model = LogisticRegression(warm_start=True).fit(X, np.digitize(X[:, 0], [-1, 1]))
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X, CLASSES)
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X[:, :2], np.digitize(X[:, 0], [-1, 1]))


def test_more_than_twenty_classes_are_no_regression_target(recwarn: Any) -> None:
    LogisticRegression(C=0.1).fit(RNG.normal(size=(2000, 3)), RNG.integers(0, 21, 2000))
    assert not recwarn.list


def test_a_limit_at_the_pass_where_newton_takes_over_keeps_what_was_reached() -> None:
    y = np.array([0, 0, 1, 1.0])
    losses = [
        dgd.fit([[-2.0], [-1], [1], [2]], y, loss="logistic", solver="lbfgs", max_iter=k).loss for k in range(30, 48)
    ]
    assert np.isfinite(losses).all()
    assert max(losses) < 1e-6
