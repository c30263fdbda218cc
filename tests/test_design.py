"""Designs of tables: coefficients held to scikit-learn's pipelines, whatever holds the table."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from clusters import Cluster
from fuzz import changed_json, check_typed
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, SplineTransformer
from tables import table, written

import dgd
from dgd import terms
from dgd.data.buffers import Buffers
from dgd.data.design.columns import Codes, Frame, found_levels
from dgd.data.design.rows import DesignRows
from dgd.data.mixed import Mixed
from dgd.errors import ConfigurationError, DataError, ModelError, SchemaError, UnsupportedFormatError, ValueRangeError
from dgd.testing import ContractError, check_rows, check_table

TABLE = table()
FIRST = OneHotEncoder(drop="first", sparse_output=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("design") / "t.parquet", TABLE)


def cells(data: Any, y: Any = "y", **reading: Any) -> np.ndarray:
    """The columns of X, all rows."""
    dataset = dgd.open_dataset(data, y, **reading)
    found = [dataset.read(k).X for k in range(dataset.n_chunks)]
    return np.concatenate([each.toarray() if isinstance(each, Mixed) else each.copy() for each in found])


class Streams:
    """A table of another library, which hands out Arrow's streams."""

    def __init__(self, table: pa.Table) -> None:
        self.columns, self.schema, self._table = table.column_names, table.schema, table

    def __arrow_c_stream__(self, requested: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested)


Streams.__module__ = "polars"


@pytest.mark.parametrize("kind", ["pandas", "arrow", "streams", "dask", "parquet", "files"])
def test_texts_are_categories_wherever_the_table_lies(kind: str, path: Path, tmp_path: Path) -> None:
    given: Any = path
    if kind == "files":
        for k, rows in enumerate(np.array_split(np.arange(len(TABLE)), 3)):
            written(tmp_path / "t" / f"part-{k}.parquet", TABLE.iloc[rows])
        given = tmp_path / "t"
    elif kind != "parquet":
        views = pa.table(TABLE.assign(b=TABLE["b"].astype("category")))
        turn = {"pandas": lambda: TABLE, "arrow": lambda: pa.table(TABLE), "streams": lambda: Streams(views)}
        given = turn.get(kind, lambda: dd.from_pandas(TABLE, npartitions=3))()
    result = dgd.fit(given, "y", features=["a", "b", "f", "c"], categorical=["k"])
    pipeline = make_pipeline(
        ColumnTransformer(
            [("n", "passthrough", ["a"]), ("b", FIRST, ["b"]), ("r", "passthrough", ["f", "c"]), ("k", FIRST, ["k"])]
        ),
        LinearRegression(),
    ).fit(TABLE, TABLE["y"])
    np.testing.assert_allclose(result.coef_, pipeline[-1].coef_, rtol=1e-9)
    np.testing.assert_allclose(result.intercept_, pipeline[-1].intercept_, rtol=1e-9)
    names = ("a", "b[y]", "b[z]", "f", "c", *(f"k[{k}]" for k in range(2, 13)))
    assert result.model.feature_names == names
    # What it lies in does not matter to a prediction, nor does the order of columns.
    expected = dgd.predict(result.model, path)
    assert dgd.predict(result.model, TABLE[list(reversed(TABLE.columns))]).tobytes() == expected.tobytes()
    assert dgd.predict(result.model, pa.table(TABLE)).tobytes() == expected.tobytes()
    np.testing.assert_allclose(expected, pipeline.predict(TABLE), rtol=1e-9)
    assert result.model.score(given).rows == len(TABLE)


@pytest.mark.each(1)
@pytest.mark.parametrize("kind", ["pandas", "arrow", "dask", "parquet", "files"])
def test_every_table_keeps_the_contract(kind: str, tmp_path: Path) -> None:
    rows = table(missing=True)[["a", "b", "k", "f", "label"]]
    expected = {name: [None if value != value else value for value in rows[name].tolist()] for name in rows}
    if kind == "files":
        for k, some in enumerate(np.array_split(np.arange(len(rows)), 3)):
            written(tmp_path / "t" / f"part-{k}.parquet", rows.iloc[some])
    turn: dict[str, Any] = {
        "pandas": lambda: rows,
        "arrow": lambda: pa.table(rows),
        "dask": lambda: dd.from_pandas(rows, npartitions=4),
        "parquet": lambda: written(tmp_path / "t.parquet", rows),
        "files": lambda: tmp_path / "t",
    }
    X = dgd.open_dataset(turn[kind](), "label", features=["a", "b"], missing="drop").X
    assert isinstance(X, DesignRows)
    check_table(X.table, expected)
    whole = X.read(0, len(rows), Buffers())[0].toarray()
    check_rows(X, whole)
    with pytest.raises(ContractError, match=r"rows 0 to .* of column 'a' are not those expected"):
        check_table(X.table, {**expected, "a": expected["a"][::-1]})


def test_a_category_of_pandas_is_one_whatever_it_holds(tmp_path: Path) -> None:
    rows = TABLE.assign(k=TABLE["k"].astype("category"))
    given = [rows, pa.table(rows), dd.from_pandas(rows, npartitions=2), written(tmp_path / "k.parquet", rows)]
    fitted = [dgd.fit(each, "y", features=["a", "k"]) for each in given]
    assert {result.model.feature_names for result in fitted} == {("a", *(f"k[{k}]" for k in range(2, 13)))}
    encoded = pa.table({"k": pa.array(TABLE["k"]).dictionary_encode(), "b": TABLE["b"], "y": TABLE["y"]})
    assert dgd.fit(encoded, "y", features=["k", "b"]).model.feature_names == ("k", "b[y]", "b[z]")


def test_the_fit_is_the_dense_one(path: Path) -> None:
    X = cells(path, features=["a", "b", "c"])
    expected = dgd.fit(X, TABLE["y"].to_numpy())
    np.testing.assert_allclose(dgd.fit(path, "y", features=["a", "b", "c"]).theta, expected.theta, rtol=1e-10)


FORMULA = {"design": "y ~ e + label + C(k) + poly(e, 3) + bs(e, segments=2) + e:label"}


@pytest.mark.usefixtures("tiny_data_are_divided_too")
@pytest.mark.each(4)
@pytest.mark.parametrize(
    ("kind", "reading"),
    [
        ("parquet", FORMULA),
        ("parquet", {"features": ["a", "b", "c"], "missing": "indicator"}),
        ("pandas", {"features": ["a", "b"], "missing": "drop"}),
        ("dask", FORMULA),
    ],
)
def test_same_bits_on_threads_and_workers(
    kind: str, reading: dict[str, Any], two_workers: Cluster, tmp_path: Path
) -> None:
    rows = table(missing=True)
    data: Any = rows
    if kind == "parquet":
        data = written(tmp_path / "m.parquet", rows)
    elif kind == "dask":
        data = dd.from_pandas(rows, npartitions=4)
    options: Any = {"y": "y", **reading}
    fitted = [
        dgd.fit(data, **options, **where) for where in ({"threads": 1}, {"threads": 2}, {"client": two_workers.client})
    ]
    assert len({result.theta.tobytes() for result in fitted}) == 1
    assert len({result.model.design.digest for result in fitted}) == 1


def test_levels_take_one_pass_and_declared_ones_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []
    from dgd.data.tables.parquet_files.parquet_columns import ParquetColumns

    plain = ParquetColumns.read

    def counting(self: Any, names: Any, *args: Any) -> Any:
        read.append(tuple(names))
        return plain(self, names, *args)

    monkeypatch.setattr(ParquetColumns, "read", counting)
    fitted = dgd.fit(path, "y", features=["a", "b", "c"], execution=dgd.Execution(threads=1, resident=0))
    learning = [names for names in read if names == ("b",)]
    assert len(learning) == 6
    assert read.count(("a", "b", "c")) == 6 * fitted.n_iter_
    read.clear()
    declared = dgd.Design(["a", terms.Categorical("b", levels=["x", "y", "z"]), "c"])
    again = dgd.fit(path, "y", design=declared, threads=1)
    assert ("b",) not in read
    assert again.theta.tobytes() == fitted.theta.tobytes()


def test_a_polynomial_is_that_of_r() -> None:
    """Orthonormal over the rows, of the space of the powers, and the same for other rows."""
    for rows in (table(), table(50).assign(e=1e6 + np.arange(50) / 10)):
        found = cells(rows, design="poly(e, 4)")
        np.testing.assert_allclose(found.T @ found, np.eye(4), atol=1e-9)
        np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-9)
        centred = (rows["e"] - rows["e"].mean()) / rows["e"].std()
        q, r = np.linalg.qr(np.vander(centred, 5, increasing=True))
        np.testing.assert_allclose(found, (q * np.sign(np.diag(r)))[:, 1:], atol=1e-8)
    raw = cells(TABLE, design="poly(c, 3, raw=True)")
    np.testing.assert_allclose(raw, PolynomialFeatures(3, include_bias=False).fit_transform(TABLE[["c"]]), rtol=1e-13)


def test_a_polynomial_does_not_depend_on_the_chunks(tmp_path: Path) -> None:
    found = [
        cells(written(tmp_path / f"{group}.parquet", TABLE, group=group), design="poly(c, 3)") for group in (7, 600)
    ]
    np.testing.assert_allclose(*found, atol=1e-13)
    with pytest.raises(DataError, match="too few different values for degree 3"):
        dgd.open_dataset(TABLE.assign(c=TABLE["k"] % 3), "y", design="poly(c, 3)")


def test_splines_are_those_of_scikit_learn() -> None:
    found = cells(TABLE, design="bs(c, segments=4)")
    expected = SplineTransformer(n_knots=5, degree=3, knots="uniform").fit_transform(TABLE[["c"]])
    np.testing.assert_allclose(
        np.linalg.norm(_off(expected, np.column_stack([np.ones(len(found)), found]))), 0, atol=1e-9
    )
    assert found.shape[1] == 6
    low, high = float(TABLE["c"].min()), float(TABLE["c"].max())
    knots = np.array([[low], [3], [6], [high]])
    expected = SplineTransformer(knots=knots, degree=2).fit_transform(TABLE[["c"]])
    found = cells(TABLE, design="bs(c, knots=[3, 6], degree=2)")
    np.testing.assert_allclose(
        np.linalg.norm(_off(expected, np.column_stack([np.ones(len(found)), found]))), 0, atol=1e-9
    )


def _off(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What of some columns others do not span."""
    return values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]


def test_natural_splines_are_straight_beyond_their_boundaries() -> None:
    spline = terms.Spline("c", knots=(1.0, 2.0, 4.0), natural=True, boundaries=(0.0, 5.0))
    at = np.array([-3.0, -2, -1, 0, 0.5, 3, 5, 6, 7, np.nan])
    (found,) = spline.pieces(Frame({"c": at}, len(at), 0, "t"), full=False)
    assert found.shape == (10, 4)
    np.testing.assert_allclose(np.diff(found[:4], 2, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(found[6:9], 2, axis=0), 0, atol=1e-12)
    assert np.isnan(found[-1]).all()
    # Natural cubic splines by truncated powers (Hastie, Tibshirani, Friedman, eq. 5.4) span the same.
    knots, x = np.array([0.0, 1, 2, 4, 5]), at[:-1]

    def power(k: int) -> np.ndarray:
        return (np.maximum(x - knots[k], 0) ** 3 - np.maximum(x - knots[-1], 0) ** 3) / (knots[-1] - knots[k])

    expected = np.column_stack([x, *(power(k) - power(3) for k in range(3))])
    basis = np.column_stack([np.ones(9), found[:-1]])
    np.testing.assert_allclose(_off(expected, basis), 0, atol=1e-9)


def test_a_date_is_a_number_in_a_unit() -> None:
    days = (TABLE["t"] - pd.Timestamp("2020-01-31")).dt.total_seconds().to_numpy() / 86400
    np.testing.assert_array_equal(cells(TABLE, design="time(t, 'days', since='2020-01-31')")[:, 0], days)
    zoned = TABLE.assign(t=TABLE["t"].dt.tz_localize("UTC").dt.tz_convert("America/New_York"))
    for given in (zoned, pa.table(zoned)):
        found = cells(given, features=["t"], time_unit="hours")
        np.testing.assert_array_equal(found[:, 0], 24 * (days + 10957 + 7305 + 30))


def test_ordinal_hashed_and_computed_columns() -> None:
    found = cells(TABLE, design="ordered(b, ['z', 'y', 'x']) + log(c**2) + I(a * k)")
    np.testing.assert_array_equal(found[:, 0], TABLE["b"].map({"z": 0, "y": 1, "x": 2}))
    np.testing.assert_allclose(found[:, 1], np.log(TABLE["c"] ** 2), rtol=1e-15)
    np.testing.assert_array_equal(found[:, 2], TABLE["a"] * TABLE["k"])
    hashed = dgd.open_dataset(TABLE, "y", design="hashed(b, 8)")
    assert hashed.feature_names == tuple(f"b[#{k}]" for k in range(8))
    found = hashed.read(0).X.toarray()
    assert (found.sum(axis=1) == 1).all()
    column = found.argmax(axis=1)
    assert len({(level, k) for level, k in zip(TABLE["b"], column, strict=True)}) == 3
    assert dict(zip(TABLE["b"], column.tolist(), strict=True)) == {"x": 2, "y": 7, "z": 4}
    with pytest.raises(ValueRangeError, match="column 'b' is 'z', a level that is not known"):
        dgd.fit(TABLE, "y", design="ordered(b, ['x', 'y'])")


def test_text_targets_are_classes(path: Path) -> None:
    found = dgd.fit(path, "label", features=["a", "b"], loss="logistic")
    transformer = ColumnTransformer([("a", "passthrough", ["a"]), ("b", FIRST, ["b"])])
    expected = make_pipeline(transformer, LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cg"))
    expected.fit(TABLE, TABLE["label"])
    np.testing.assert_allclose(found.coef_, expected[-1].coef_[0], rtol=1e-6)
    assert found.model.classes == ("down", "up")
    assert set(dgd.predict(found.model, TABLE)) == {"down", "up"}
    assert found.model.score(TABLE).accuracy == pytest.approx(expected.score(TABLE, TABLE["label"]))


def test_weights_and_offsets_are_columns_or_arithmetic(path: Path) -> None:
    found = dgd.fit(path, "y", design="a + b", weight="w", offset="log(e)")
    X = cells(path, design="a + b")
    expected = dgd.fit(X, TABLE["y"].to_numpy(), weight=TABLE["w"].to_numpy(), offset=np.log(TABLE["e"].to_numpy()))
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-10)
    assert found.model.provenance["offset"] == "log(e)"
    assert dgd.fit(path, "log(e)", features=["a"]).model.target_name == "log(e)"
    assert "design        2 columns of the table: 3 columns of X; levels: b 3" in found.summary()
    with pytest.raises(SchemaError, match="'y' has the index of 'X' in another order"):
        dgd.fit(TABLE, TABLE["y"].iloc[::-1], design="a + b")
    beside = dgd.fit(TABLE, TABLE["y"].to_numpy(), design="a + b", weight=TABLE["w"], offset="log(e)")
    np.testing.assert_allclose(beside.theta, expected.theta, rtol=1e-10)


@pytest.mark.each(1)
@pytest.mark.parametrize("policy", ["drop", "mean", "indicator", "error"])
def test_missing_cells_by_each_policy(policy: str, tmp_path: Path) -> None:
    rows = table(missing=True)
    given = written(tmp_path / "m.parquet", rows)
    options: Any = {"features": ["a", "b", "c"], "missing": policy}
    if policy == "error":
        with pytest.raises(ValueRangeError):
            dgd.fit(given, "y", **options)
        return
    fitted = dgd.fit(given, "y", **options)
    if policy == "drop":
        whole = rows.dropna(subset=["a", "b", "c"])
        X = FIRST.fit_transform(whole[["b"]])
        expected = LinearRegression().fit(np.column_stack([whole["a"], X, whole["c"]]), whole["y"])
        assert fitted.rows_left_out == len(rows) - len(whole)
        np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-9)
        found = dgd.predict(fitted.model, rows, missing="drop")
        assert np.isnan(found).sum() == fitted.rows_left_out
        return
    numbers = SimpleImputer(add_indicator=policy == "indicator").fit_transform(rows[["a", "c"]])
    texts = FIRST.fit_transform(rows[["b"]].fillna("~missing"))
    order = [numbers[:, [0]], *([numbers[:, [2]]] if policy == "indicator" else []), texts, numbers[:, [1]]]
    order += [numbers[:, [3]]] if policy == "indicator" else []
    expected = LinearRegression().fit(np.column_stack(order), rows["y"])
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-9)
    assert "b[(missing)]" in fitted.model.feature_names
    assert ("a[(missing)]" in fitted.model.feature_names) == (policy == "indicator")
    np.testing.assert_allclose(dgd.predict(fitted.model, rows), expected.predict(np.column_stack(order)), rtol=1e-9)


def test_a_row_without_a_target_is_left_out_where_features_are_filled() -> None:
    rows = table(missing=True)
    rows.loc[[3, 4], "y"] = None
    fitted = dgd.fit(rows, "y", features=["a", "b"], missing="mean")
    assert (fitted.rows_left_out, fitted.missing_cells) == (2, {"y": 2})


def test_what_cannot_be_filled_leaves_its_row_out() -> None:
    rows = table(missing=True)
    rows.loc[[3, 4], "t"] = None
    rows.loc[3, "b"] = "rare"
    fitted = dgd.fit(rows, "y", features=["a", "b", "t"], time_unit="days", missing="mean")
    assert (fitted.rows_left_out, fitted.missing_cells) == (2, {"t": 2})
    assert "b[rare]" not in fitted.model.feature_names
    assert fitted.bytes_before_first_pass > 0


def test_levels_of_rows_that_are_left_out_have_no_column() -> None:
    rows = TABLE.copy()
    rows.loc[5, ["b", "a"]] = ["rare", None]
    rows.loc[7, ["b", "y"]] = ["rarer", None]
    found = dgd.fit(rows, "y", features=["a", "b"], missing="drop")
    assert found.model.feature_names == ("a", "b[y]", "b[z]")
    assert found.status.name == "CONVERGED"
    assert found.missing_cells == {"a": 1, "y": 1}
    filled = dgd.fit(rows, "y", features=["a", "b"], missing="mean")
    assert filled.model.feature_names == ("a", "b[x]", "b[y]", "b[z]")
    with pytest.raises(ValueRangeError, match="'rarer', a level that is not known"):
        dgd.predict(filled.model, rows)


def test_a_level_that_is_not_known(path: Path) -> None:
    model = dgd.fit(path, "y", features=["a", "b"]).model
    new = TABLE.assign(b=np.where(np.arange(len(TABLE)) == 17, "new", TABLE["b"]))
    with pytest.raises(ValueRangeError, match=r"row 17: column 'b' is 'new', a level that is not known") as raised:
        dgd.predict(model, new)
    assert raised.value.row == 17
    found, whole = dgd.predict(model, new, missing="drop"), dgd.predict(model, TABLE)
    assert np.isnan(found[17])
    assert np.delete(found, 17).tobytes() == np.delete(whole, 17).tobytes()
    ignoring = dgd.fit(path, "y", design="a + C(b, unknown='ignore')").model
    assert dgd.predict(ignoring, new)[17] == pytest.approx(ignoring.intercept + ignoring.coef[0] * TABLE["a"][17])


@pytest.mark.parametrize("roles", [{"y": "1"}, {"y": "a", "weight": "2"}, {"design": "1 ~ a"}])
def test_a_number_by_itself_is_no_column(roles: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"has no column '[12]'"):
        dgd.fit(table(), **roles)


def test_a_table_that_lacks_a_column_is_named(path: Path) -> None:
    model = dgd.fit(path, "y", features=["a", "b"]).model
    with pytest.raises(ModelError, match="lacks the column 'b', on which the model was fitted; it has 'c'"):
        dgd.predict(model, TABLE[["a", "c"]])
    with pytest.raises(ModelError, match=r"fitted on columns of a table \(a, b …\); give a table .*, got a ndarray"):
        dgd.predict(model, np.ones((5, 3)))
    with pytest.raises(ConfigurationError, match="by its own design, and features was given"):
        dgd.predict(model, TABLE, features=["a"])
    with pytest.raises(SchemaError, match=r"'a' \(text, and a needs numbers\)"):
        dgd.predict(model, TABLE.assign(a="x"))


def test_references_and_intercepts(path: Path) -> None:
    """Without an intercept the first category has all levels; `full` leaves out none; a level can be chosen."""
    whole = dgd.fit(path, "y", features=["b", "a"])
    without = dgd.fit(path, "y", features=["b", "a"], fit_intercept=False)
    assert without.model.feature_names == ("b[x]", "b[y]", "b[z]", "a")
    assert whole.loss == pytest.approx(without.loss, rel=1e-12)
    formula = dgd.fit(path, design="y ~ b + a - 1")
    assert formula.theta.tobytes() == without.theta.tobytes()
    assert formula.intercept_ == 0
    chosen = dgd.fit(path, design="y ~ C(b, reference='z') + a")
    assert chosen.model.feature_names == ("b[x]", "b[y]", "a")
    assert chosen.coef_[0] == pytest.approx(-whole.coef_[1], rel=1e-9)
    full = dgd.fit(path, design="y ~ C(b, full=True) + a", penalty=dgd.penalties.L2(0.1))
    assert full.model.feature_names == ("b[x]", "b[y]", "b[z]", "a")
    with pytest.raises(ConfigurationError, match=r"column 'b' has no level 'w'.* it has x, y, z"):
        dgd.fit(path, design="y ~ C(b, reference='w')")


FORMULAS = [
    "a + b", "a*b", "a:b", "b - 1", "a + b - 1", "C(k)*b", "C(k):b", "a:b + b", "a + a:b", "(a + b + c)^2", "b/a",
    "poly(c, 2)*b", "a + C(k) + C(k):a:b", "C(k):b - 1", "b:label + a", "b*label*f", "b + C(k, full=True)",
    "(a + c)**2 - a",
]  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_columns_of_a_formula_do_not_depend_on_each_other(formula: str) -> None:
    """They span what all levels of all terms span, with as many columns as that has dimensions."""
    design = dgd.open_dataset(TABLE, "y", design=formula).design
    assert design is not None
    X = cells(TABLE, design=formula)
    ones = np.ones((len(TABLE), int(design.intercept)))
    whole = [ones] + [_every_level(term) for term in design.terms]
    spanned = np.column_stack(whole)
    rank = np.linalg.matrix_rank(spanned)
    mine = np.column_stack([ones, X])
    assert np.linalg.matrix_rank(np.column_stack([mine, spanned])) == rank
    assert mine.shape[1] == rank + ("full" in formula)


def _every_level(term: Any) -> np.ndarray:
    """The columns of a term with every level of every category."""
    frame = dgd.open_dataset(TABLE, "y", design=dgd.Design([term])).X.table
    columns, _ = frame.read(term.columns, 0, len(TABLE), Buffers())
    found = [
        piece if isinstance(piece, np.ndarray) else piece.toarray()
        for piece in term.pieces(Frame(columns, len(TABLE), 0, "t"), full=True)
    ]
    return np.column_stack(found)


def test_a_saved_model_reads_tables_as_its_fit_did(path: Path, tmp_path: Path) -> None:
    design = "log(e) ~ a + C(k) + poly(c, 2) + ns(c, segments=3):b + hashed(label, 4) + time(t, 'days')"
    model = dgd.fit(path, design=design, penalty=dgd.penalties.L2(0.01)).model
    model.save(tmp_path / "m.dgd")
    loaded = dgd.load_model(tmp_path / "m.dgd")
    assert loaded.design == model.design
    assert loaded.predict(TABLE).tobytes() == model.predict(path).tobytes()
    assert loaded.score(path) == model.score(path)
    document = json.loads((tmp_path / "m.dgd" / "model.json").read_text())
    assert document["format"] == 4
    assert dgd.Design.from_json(document["design"]) == model.design


def test_an_inference_is_saved_with_its_design(path: Path, tmp_path: Path) -> None:
    result = dgd.fit(path, "y", features=["a", "b"])
    inference = result.inference()
    inference.model.save(tmp_path / "m.dgd")
    loaded = dgd.load_model(tmp_path / "m.dgd")
    found = loaded.predict(TABLE, interval=0.9)
    np.testing.assert_allclose(found[:, 0], result.model.predict(TABLE))
    clustered = result.inference(cov="cluster", groups="k")
    assert (clustered.standard_errors > 0).all()


@pytest.mark.parametrize(
    "change",
    [
        {"terms": 5},
        {"terms": [{"kind": "magic"}]},
        {"terms": [{"kind": "numeric", "of": "__import__('os')"}]},
        {"terms": [{"kind": "categorical", "column": "b", "levels": [["x"]]}]},
        {"terms": [{"kind": "polynomial", "of": "a", "degree": 2, "weights": [[1.0]], "centre": 0.0, "scale": 1.0}]},
        {"terms": [{"kind": "interaction", "factors": [{"kind": "interaction", "factors": []}]}]},
        {"terms": [{"kind": "hashed", "column": "b", "buckets": 10**12}]},
        {"terms": [{"kind": "numeric", "of": "a", "fill": "mean", "mean": "x"}]},
        {"terms": [{"kind": "numeric", "of": "a", "fill": {}}]},
        {"terms": [{"kind": "spline", "of": "a", "knots": [2, 1]}]},
        {"intercept": 1},
        {"target": 3},
    ],
)
def test_a_document_of_something_else_is_refused(change: Any) -> None:
    with pytest.raises(ConfigurationError):
        dgd.Design.from_json({"terms": [], "intercept": True, "target": None, **change})


def test_a_damaged_document_is_a_design_or_an_error_of_dgd(path: Path) -> None:
    known = dgd.open_dataset(
        path, design="y ~ a*b + C(k) + poly(c, 2) + ns(e, segments=2) + hashed(label, 4) + time(t)"
    )
    assert known.design is not None
    document = known.design.as_json()
    columns, _ = known.X.table.read(known.design.columns, 0, 50, Buffers())

    def try_one(draw: random.Random) -> None:
        design = dgd.Design.from_json(changed_json(document, draw))
        if design.is_known and set(design.columns) <= set(columns):
            assert design.rows(Frame(columns, 50, 0, "t")).shape == (50, len(design.names))

    accepted, refused = check_typed(try_one, 500)
    assert accepted > 10
    assert refused > 100


def test_other_doors_take_a_design(path: Path, tmp_path: Path) -> None:
    reading: Any = {"features": ["a", "b", "c"], "categorical": ["k"]}
    result = dgd.fit(path, "y", **reading)
    summary = dgd.summarize(path, "y", **reading)
    np.testing.assert_allclose(summary.fit().theta, result.theta, rtol=1e-9)
    summary.save(tmp_path / "s")
    kept = dgd.load_summary(tmp_path / "s")
    assert kept.fit().model.predict(TABLE).tobytes() == summary.fit().model.predict(path).tobytes()
    assert kept.fit(features=["a", "b[y]"]).model.design is None
    np.testing.assert_allclose(kept.update(path, "y").fit().theta, result.theta, rtol=1e-9)
    assert dgd.plan(path, "y", **reading).features == len(result.coef_)
    found = dgd.cross_validate(path, "y", penalties="l2", folds=3, **reading)
    dgd.predict(found.result.model, TABLE)
    dgd.predict(dgd.path(path, "y", penalty="l1", **reading).models[-1], TABLE)
    checked = dgd.fit(path, "y", **reading, solver="lbfgs", validation=path, checkpoint=tmp_path / "c", max_iter=3)
    assert checked.history[-1].validation_loss is not None
    resumed = dgd.resume(tmp_path / "c", max_iter=1000)
    expected = dgd.fit(path, "y", **reading, solver="lbfgs", validation=path)
    assert resumed.theta.tobytes() == expected.theta.tobytes()
    assert resumed.model.design == expected.model.design


def test_hive_columns_of_text_are_categories(tmp_path: Path) -> None:
    for level, rows in TABLE.groupby("b"):
        written(tmp_path / "h" / f"b={level}" / "part.parquet", rows.drop(columns="b"))
    found = dgd.fit(tmp_path / "h", "y", features=["a", "b"])
    np.testing.assert_allclose(found.theta, dgd.fit(TABLE, "y", features=["a", "b"]).theta, rtol=1e-10)


def test_what_cannot_be_is_refused_at_once(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"features: .* has no column 'aa'\. Did you mean 'a'\? It has a, b"):
        dgd.fit(path, "y", features=["aa", "b"])
    with pytest.raises(SchemaError, match=r"2 columns cannot .*: 't' \(times.*'b' \(text, and log\(b\) needs"):
        dgd.fit(path, design="y ~ t + log(b)")
    ids = pd.DataFrame({"b": pd.Series([2**60, None, 2**60 + 1], dtype="Int64"), "y": 1.0})
    with pytest.raises(UnsupportedFormatError, match="a category has numbers of 2⁵³ and more"):
        dgd.fit(ids, "y", categorical=["b"], missing="drop")
    with pytest.raises(SchemaError, match=r"'t' \(times, which are no category"):
        dgd.fit(path, "y", features=["a"], categorical=["t"])
    for odd, said in (([1], "list"), (b"x", "bytes"), (3, "int, str"), (pd.Timestamp("2020").date(), "date, str")):
        objects = TABLE.assign(b=TABLE["b"].astype(object))
        objects.at[5, "b"] = odd
        with pytest.raises(SchemaError, match=rf"'b' \(objects: .*{said}.*\)"):
            dgd.fit(objects, "y", features=["a", "b"])
    with pytest.raises(DataError, match=r"column 'b' has more than 1,000 levels; say .*categorical=\['b'\]"):
        dgd.fit(
            TABLE.iloc[:0].reindex(range(1200)).assign(b=[f"l{k}" for k in range(1200)], y=1.0), "y", features=["b"]
        )
    with pytest.raises(ConfigurationError, match=r"categorical goes with a table .* got a ndarray"):
        dgd.fit(np.ones((5, 2)), np.ones(5), categorical=["a"])
    with pytest.raises(ConfigurationError, match=r"design=\.\.\.` says which columns"):
        dgd.fit(path, "y", design="a", features=["a"])
    with pytest.raises(SchemaError, match="column 'b' holds text, expected numbers for weight"):
        dgd.fit(path, "y", features=["a"], categorical=["k"], weight="b")


@pytest.mark.parametrize(
    "values",
    [[3, -2, 3], [2**63, 1], [], [1.0, np.nan, 2.5], [True, False], [-128, 127], [2**40, 0], [2**63, 2**63 + 1]],
)
def test_levels_that_are_numbers_are_found_and_coded(values: list[Any]) -> None:
    column = np.array(values, np.int8 if -128 in values else np.uint64 if 2**63 in values else None)
    found, has_missing = found_levels(column)
    assert (found, has_missing) == ({each for each in values if each == each}, any(each != each for each in values))
    if found:
        term = terms.Categorical("k", levels=sorted(found), full=True)
        (piece,) = term.pieces(Frame({"k": column}, len(column), 0, "t"), full=True)
        expected = [-2 if each != each else sorted(found).index(each) for each in values]
        assert piece.codes.tolist() == expected


def test_a_table_of_ones_own() -> None:
    """Whoever can read rows of columns by name is a table."""
    codes = np.array([0, 1, -1, 1], np.int8)
    frame = Frame({"b": Codes(codes, ["u", "v"]), "a": np.arange(4.0)}, 4, 0, "mine")
    known = terms.Categorical("b", levels=("u", "v"), missing="error")
    design = dgd.Design([terms.Numeric("a"), known])
    np.testing.assert_array_equal(design.rows(frame).toarray(), [[0, 0], [1, 1], [2, np.nan], [3, 1]])
    assert isinstance(dgd.open_dataset(TABLE, "y", features=["a", "b"]).X, DesignRows)
