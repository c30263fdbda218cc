"""Exports: what other programs make of a model is what the model predicts."""

from __future__ import annotations

import csv
import io
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, WriteError
from dgd.estimators import to_sklearn

ROWS = 400


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, ROWS))
    carrier = rng.choice(["AA", "B'6", "", "ÖÄ"], ROWS)
    carrier[carrier == ""] = "UA"
    month = rng.integers(1, 6, ROWS)
    y = 2 * a - b + (carrier == "AA") + 0.3 * month + rng.normal(size=ROWS)
    return pd.DataFrame(
        {"a": a, 'b "x"': b, "carrier": carrier, "month": month, "y": y, "n": rng.poisson(np.exp(0.3 * a)),
         "up": np.where(y > 1, "yes", "no"), "kind": np.array(["x", "it's", "z"])[np.digitize(y, [0, 2])]}
    )  # fmt: skip


FRAME = frame()
NUMBERS = ["a", 'b "x"']
FORMULA = 'y ~ a + `b "x"` + log1p(month) + C(carrier) + C(month) + C(carrier):a + C(carrier):C(month)'

CURVES = 'y ~ poly(a, 3) + poly(`b "x"`, 2, raw=True) + ordered(month, [1, 2, 3, 4, 5]) + C(carrier):poly(a, 2)'


def model(kind: str) -> dgd.Model:
    """A model of each kind of response and of columns."""
    penalty: dict[str, Any] = {"penalty": dgd.penalties.L2(1e-3)}
    target = {"squared": "y", "poisson": "n", "logistic": "up", "softmax": "kind"}
    loss, _, columns = kind.partition(" of ")
    if columns == "arrays":
        return dgd.fit(FRAME[NUMBERS], FRAME[target[loss]], loss=loss, **penalty).model
    if columns == "curves":
        return dgd.fit(FRAME, design=CURVES, **penalty).model
    if columns == "terms":
        return dgd.fit(FRAME, design=FORMULA, **penalty).model
    gaps = FRAME.assign(a=FRAME["a"].where(FRAME["month"] != 2))
    features = [*NUMBERS, "carrier", "month"]
    filled = {"missing": "indicator"} if columns == "gaps" else {}
    data = gaps if columns == "gaps" else FRAME
    return dgd.fit(data, target[loss], features=features, categorical=["month"], loss=loss, **filled, **penalty).model


KINDS = [
    "squared of arrays", "poisson of arrays", "logistic of arrays", "softmax of arrays", "squared of terms",
    "squared of tables", "logistic of tables", "softmax of tables", "poisson of tables", "squared of gaps",
    "squared of curves",
]  # fmt: skip


def rows(kind: str) -> pd.DataFrame:
    """Rows to predict; of a model that fills, with missing cells."""
    found = FRAME.iloc[:50].copy()
    if kind.endswith("gaps"):
        found.loc[[3, 4], "a"] = np.nan
    return found if not kind.endswith("arrays") else found[NUMBERS]


def predicted(fitted: dgd.Model, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
    return fitted.predict(data), fitted.predict_proba(data) if fitted.classes else None


def check(fitted: dgd.Model, data: pd.DataFrame, prediction: Any, probabilities: Any) -> None:
    expected, chances = predicted(fitted, data)
    if chances is None:
        np.testing.assert_allclose(np.asarray(prediction, dtype=float), expected, rtol=1e-12, atol=1e-12)
        return
    assert list(prediction) == expected.tolist()
    np.testing.assert_allclose(np.asarray(probabilities, dtype=float), chances, rtol=1e-12, atol=1e-15)


@pytest.mark.each(5)
@pytest.mark.parametrize("kind", KINDS)
def test_sql_predicts_the_same(kind: str) -> None:
    fitted, data = model(kind), rows(kind)
    with closing(sqlite3.connect(":memory:")) as database:
        data.to_sql("new rows", database, index=False)
        found = pd.read_sql_query(str(dgd.export(fitted, "sql", table="new rows")), database)
    names = [f"probability_{label}" for label in fitted.classes or ()]
    check(fitted, data, found["prediction"], found[names])


def test_sql_has_null_where_there_is_no_prediction() -> None:
    fitted, data = model("squared of tables"), rows("squared of tables")
    data.loc[0, "a"], data.loc[1, "carrier"], data.loc[2, "carrier"] = np.nan, None, "new"
    with closing(sqlite3.connect(":memory:")) as database:
        data.to_sql("data", database, index=False)
        found = pd.read_sql_query(str(dgd.export(fitted, "sql")), database)
    assert np.flatnonzero(found["prediction"].isna()).tolist() == [0, 1, 2]


@pytest.mark.each(5)
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_predicts_the_same(kind: str) -> None:
    fitted, data = model(kind), rows(kind)
    session = onnxruntime.InferenceSession(dgd.export(fitted, "onnx"), providers=["CPUExecutionProvider"])
    given = {}
    for each in session.get_inputs():
        dtype: Any = {"tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(string)": object}[each.type]
        given[each.name] = (data[NUMBERS] if each.name == "X" else data[each.name]).to_numpy(dtype=dtype)
    found = session.run(None, given)
    check(fitted, data, found[0], found[-1])
    if "carrier" in given:
        given["carrier"][:2] = ["", "new"]
        assert np.isnan(session.run(None, given)[-1][:2]).all()


@pytest.mark.each(5)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("squared of terms", "squared of curves")])
def test_scikit_learn_predicts_the_same(kind: str) -> None:
    fitted, data = model(kind), rows(kind)
    estimator = pickle.loads(pickle.dumps(to_sklearn(fitted)))
    chances = estimator.predict_proba(data) if fitted.classes else None
    check(fitted, data, estimator.predict(data), chances)


def test_several_targets_and_what_scikit_learn_has_no_form_for() -> None:
    X, Y = FRAME[NUMBERS].to_numpy(), FRAME[["y", "n"]].to_numpy(dtype=float)
    two = dgd.fit(X, Y)
    np.testing.assert_allclose(to_sklearn(two).predict(X), two.model.predict(X), rtol=1e-12)
    with pytest.raises(ConfigurationError, match="log1p"):
        to_sklearn(model("squared of terms"))
    with pytest.raises(ConfigurationError, match="several"):
        to_sklearn(dgd.fit(X, Y[:, 1:].repeat(2, axis=1), loss="poisson"))
    with pytest.raises(ConfigurationError, match="offset"):
        to_sklearn(dgd.fit(X, Y[:, 1], offset=X[:, 0], loss="poisson"))


def test_without_onnx_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ConfigurationError, match=r"pip install \"dgd\[onnx\]\""):
        dgd.export(model("squared of arrays"), "onnx")


def test_coefficients_as_csv() -> None:
    fitted = model("softmax of tables")
    lines = list(csv.reader(io.StringIO(str(dgd.export(fitted, "csv")))))
    assert lines[0] == ["name", *(f"coefficient_{label}" for label in fitted.classes or ())]
    assert [line[0] for line in lines[1:]] == ["(intercept)", *(fitted.feature_names or ())]
    np.testing.assert_array_equal(np.array([line[1:] for line in lines[1:]], dtype=float)[0], fitted.intercept)
    np.testing.assert_array_equal(np.array([line[1:] for line in lines[2:]], dtype=float), fitted.coef.T)


def test_what_has_no_form_is_refused_by_name(tmp_path: Path) -> None:
    splines = dgd.fit(FRAME, design="y ~ bs(a, knots=[0]) + C(carrier)", penalty=dgd.penalties.L2(1e-3)).model
    for to in ("sql", "onnx"):
        with pytest.raises(ConfigurationError, match=r"'bs\(a|'a' is a term of the kind 'spline'|spline"):
            dgd.export(splines, to)
    assert str(dgd.export(splines, "csv")).startswith("name,coefficient\n(intercept),")
    rates = dgd.fit(FRAME[NUMBERS], FRAME["n"], offset=FRAME["a"], loss="poisson").model
    with pytest.raises(ConfigurationError, match="offset"):
        dgd.export(rates, "sql")
    fitted = model("squared of arrays")
    with pytest.raises(ConfigurationError, match=r"export\(to"):
        dgd.export(fitted, "pmml")
    (tmp_path / "m.sql").write_text("mine")
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        dgd.export(fitted, "sql", tmp_path / "m.sql")
    with pytest.raises(ConfigurationError, match="folder"):
        dgd.export(fitted, "sql", tmp_path)
    with pytest.raises(WriteError):
        dgd.export(fitted, "sql", tmp_path / "no" / "m.sql")
    assert (tmp_path / "m.sql").read_text() == "mine"


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fitted = model("logistic of tables")
    fitted.save(tmp_path / "m.dgd")
    loaded = dgd.load_model(tmp_path / "m.dgd")
    for to in ("csv", "sql"):
        assert main(["export", str(tmp_path / "m.dgd"), "--to", to]) == 0
        assert capfd.readouterr().out == dgd.export(loaded, to) == dgd.export(fitted, to)
        assert main(["export", str(tmp_path / "m.dgd"), "--to", to, "--out", str(tmp_path / f"m.{to}")]) == 0
        assert (tmp_path / f"m.{to}").read_text() == dgd.export(fitted, to)
    capfd.readouterr()
    assert main(["export", str(tmp_path / "m.dgd"), "--to", "onnx"]) == 2
    assert "--out" in capfd.readouterr().err
