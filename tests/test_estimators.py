"""What the estimators share: sparse input, copies and files, callbacks, models, and where a fit runs."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import dgd
import dgd.estimators.base
from dgd.data.arrays.sparse_rows import SparseRows
from dgd.errors import ValueRangeError
from dgd.estimators import (
    ElasticNet,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    ZarrDesign,
)
from dgd.testing import check_rows

RNG = np.random.default_rng(5)
X = np.where(RNG.random((90, 6)) < 0.4, RNG.normal(size=(90, 6)), 0)
W = RNG.uniform(0.5, 2, size=90)
NUMBER = X @ [1.0, -1.0, 2.0, 0.0, 0.5, 0.0] + 3 + RNG.normal(size=90)
COUNTS = RNG.poisson(2.0 + (X[:, 0] > 0)).astype(float)
LABELS = np.array(["b", "a", "c"])[np.digitize(NUMBER, [2.5, 3.5])]
ALL: list[tuple[Any, Any]] = [
    (LinearRegression(), NUMBER),
    (Ridge(), NUMBER),
    (Lasso(0.1), NUMBER),
    (ElasticNet(0.1), NUMBER),
    (HuberRegressor(), NUMBER + 20 * (np.arange(90) % 9 == 0)),
    (PoissonRegressor(), COUNTS),
    (LogisticRegression(), LABELS),
]
every_estimator = pytest.mark.parametrize(("estimator", "y"), ALL, ids=[type(e).__name__ for e, _ in ALL])


@every_estimator
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_array])
def test_sparse_is_dense(estimator: Any, y: Any, form: Any) -> None:
    dense, other = clone(estimator).fit(X, y, W), clone(estimator).fit(form(X), y, W)
    assert_allclose(other.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    assert_allclose(other.intercept_, dense.intercept_, rtol=1e-9)
    if y is LABELS:
        assert_allclose(other.predict_proba(form(X)), dense.predict_proba(X), rtol=1e-12)
    else:
        assert_allclose(other.predict(form(X)), dense.predict(X), rtol=1e-12)


def test_sparse_rows_keep_the_contract_of_rows() -> None:
    check_rows(SparseRows("X", sparse.csr_matrix(X)), X)
    tall = sparse.random(300_000, 20, density=0.01, format="csr", dtype=np.float32, rng=0)
    rows = SparseRows("X", tall)
    assert len(rows.bounds) > 2
    check_rows(rows, tall.toarray())
    assert rows.footprint.decoded == 0


@every_estimator
def test_data_frames_bring_their_names(estimator: Any, y: Any) -> None:
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = clone(estimator).fit(frame, pd.Series(y), pd.Series(W))
    assert list(model.feature_names_in_) == list("abcdef")
    assert_array_equal(model.coef_, clone(estimator).fit(X, y, W).coef_)
    assert model.to_model().feature_names == tuple("abcdef")


@every_estimator
def test_copies_and_files_predict_the_same(estimator: Any, y: Any) -> None:
    model = clone(estimator).fit(X, y)
    expected = model.predict(X)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    assert_array_equal(joblib.load(file).predict(X), expected)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]
    with pytest.raises(NotFittedError):
        copy.predict(X)
    with pytest.raises(NotFittedError):
        copy.to_model()
    assert type(model).__name__ in model._repr_html_()


@every_estimator
def test_a_model_is_saved_without_pickle(estimator: Any, y: Any, tmp_path: Path) -> None:
    model = clone(estimator).fit(X, y)
    model.to_model().save(tmp_path / "model.dgd")
    loaded = dgd.load_model(tmp_path / "model.dgd")
    predicted = loaded.predict(X)
    assert_array_equal(predicted, model.predict(X)) if y is LABELS else assert_allclose(predicted, model.predict(X))
    if y is LABELS:
        assert_allclose(loaded.predict_proba(X), model.predict_proba(X))


def test_two_classes_have_the_shapes_of_scikit_learn() -> None:
    model = LogisticRegression().fit(X, LABELS == "a")
    assert (model.coef_.shape, model.intercept_.shape) == ((1, 6), (1,))
    assert model.decision_function(X).shape == (90,)
    assert_array_equal(model.predict(X), model.decision_function(X) > 0)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert_allclose(model.to_model().predict_proba(X), model.predict_proba(X))
    far = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    assert far.predict_log_proba([[1e6]])[0, 0] < -1e5


def test_what_lies_in_memory_stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    fit = dgd.estimators.base.fit

    def noted(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["threads"])
        return fit(*args, **kwargs)

    monkeypatch.setattr(dgd.estimators.base, "fit", noted)
    Ridge().fit(X, NUMBER)
    Ridge().fit(np.ones((300_000, 2)), np.ones(300_000))
    Ridge().fit(ZarrDesign(dgd.open_dataset(X, NUMBER)))
    assert asked[0] == 1
    assert asked[1] >= 1
    assert asked[2] is None


def test_values_that_are_not_finite_are_refused() -> None:
    bad = np.where(np.arange(540).reshape(90, 6) == 77, np.nan, X)
    with pytest.raises(ValueError, match="NaN"):
        Ridge().fit(bad, NUMBER)
    with pytest.raises(ValueRangeError, match="row 12, column 5"):
        Ridge().fit(ZarrDesign(dgd.open_dataset(bad, NUMBER)))
    with pytest.raises(ValueError, match="0 or more"):
        PoissonRegressor().fit(X, -COUNTS - 1)
    with pytest.raises(ValueError, match="negative"):
        Ridge().fit(X, NUMBER, -W)
    with pytest.raises(ValueError, match="one class"):
        LogisticRegression().fit(X, np.ones(90))


@pytest.mark.slow
def test_importing_dgd_does_not_import_scikit_learn() -> None:
    program = "import dgd, dgd.cli, dgd.fitting.fit, sys, json; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert not {"sklearn", "scipy", "joblib"} & set(modules)


class Witness:
    """A callback that notes what it is called with."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls: list[str] = []
        self.scores: list[float] = []
        self.stop_after = stop_after

    def setup(self, estimator: Any, context: Any) -> None:
        self.calls.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None) -> None:
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any) -> bool:
        self.calls.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return self.stop_after is not None and len(self.scores) >= self.stop_after


@every_estimator
def test_every_pass_is_a_task_of_the_callbacks(estimator: Any, y: Any) -> None:
    witness = Witness()
    model = clone(estimator).set_callbacks(witness).fit(X, y)
    passes = witness.calls.count("end pass")
    assert witness.calls == ["setup", "begin fit", *["begin pass", "end pass"] * passes, "end fit", "teardown"]
    assert passes == model.n_iter_ or isinstance(model, (HuberRegressor, LinearRegression))
    assert 1 <= passes <= model.n_iter_
    assert witness.scores[-1] == model.score(X, y)


def test_a_callback_can_end_a_fit() -> None:
    assert LogisticRegression().set_callbacks(Witness(stop_after=3)).fit(X, LABELS).n_iter_ == 3


def test_callbacks_see_a_design_and_not_its_values() -> None:
    design = ZarrDesign(dgd.open_dataset(X, NUMBER))
    witness = Witness()
    Ridge().set_callbacks(witness).fit(design, design.y())
    assert witness.scores[-1] == pytest.approx(Ridge().fit(X, NUMBER).score(X, NUMBER))


def test_the_progress_bar_counts_passes(capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.callback import ProgressBar

    LogisticRegression().set_callbacks(ProgressBar()).fit(X, LABELS)
    assert "LogisticRegression - fit" in capsys.readouterr().out


@pytest.mark.slow
def test_without_callbacks_in_scikit_learn_nothing_is_missing() -> None:
    program = """
import sklearn.compose, sklearn.linear_model, sklearn.model_selection, sys
sys.modules["sklearn.callback"] = None
from dgd.estimators import Lasso, LogisticRegression
assert Lasso(0.1).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).n_iter_ >= 1
assert LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1]).n_iter_ >= 1
assert not hasattr(Lasso, "set_callbacks")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
