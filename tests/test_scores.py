"""Scores: scikit-learn's figures, of all rows and of groups, the same bits everywhere, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from clusters import two_in_this_process
from sklearn import metrics
from sklearn.calibration import calibration_curve

import dgd
from dgd.cli import main
from dgd.data.dataset import Dataset
from dgd.errors import ConfigurationError, SchemaError
from dgd.models.scoring.classes import bins_of
from dgd.models.scoring.ranking import Ranking, kept_of

ROWS = 1_203


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    a, b = rng.normal(size=ROWS), rng.normal(size=ROWS).round(1)
    up = a - b + rng.logistic(size=ROWS) > 0.3
    kind = np.argmax(np.stack([a, b, np.full(ROWS, 0.2)]) + rng.gumbel(size=(3, ROWS)), axis=0)
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "w": rng.integers(0, 4, ROWS),
            "y": 2 * a - b + rng.normal(size=ROWS),
            "up": np.where(up, "yes", "no"),
            "kind": np.array(["x", "y", "z"])[kind],
            "count": rng.poisson(np.exp(0.4 * a - 0.2 * b)),
            "carrier": rng.choice(["AA", "B6", "ÖÄ"], ROWS),
        }
    )


FRAME = frame()
W = FRAME["w"].to_numpy()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    FRAME.to_parquet(path, row_group_size=100, index=False)
    return path


def fitted(target: str, **options: Any) -> dgd.Model:
    return dgd.fit(FRAME[["a", "b"]], FRAME[target], **options).model


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("weight", [None, "w"])
def test_two_classes(table: Path, weight: str | None) -> None:
    model = fitted("up", loss="logistic")
    p = model.predict_proba(FRAME[["a", "b"]])[:, 1]
    y, w = (FRAME["up"] == "yes").to_numpy(), None if weight is None else W
    found = dgd.score(model, table, "up", weight=weight)
    close(found.accuracy, metrics.accuracy_score(y, p > 0.5, sample_weight=w))
    close(found.log_loss, metrics.log_loss(y, p, sample_weight=w))
    close(found.brier, metrics.brier_score_loss(y, p, sample_weight=w))
    close(found.auc, metrics.roc_auc_score(y, p, sample_weight=w))
    assert (found.auc_bound, found.rows) == (0, ROWS)
    if weight is None:
        observed, predicted = calibration_curve(y, p, n_bins=10)
        close([each.observed for each in found.calibration], observed)
        close([each.predicted for each in found.calibration], predicted)
        assert sum(each.weight for each in found.calibration) == ROWS
        counts = np.array([each.weight for each in found.calibration])
        close(found.calibration_error, np.average(abs(observed - predicted), weights=counts))


@pytest.mark.parametrize("weight", [None, "w"])
def test_three_classes(table: Path, weight: str | None) -> None:
    model = fitted("kind", loss="softmax")
    p = model.predict_proba(FRAME[["a", "b"]])
    y, w = FRAME["kind"].to_numpy(), None if weight is None else W
    found = dgd.score(model, table, "kind", weight=weight)
    close(found.accuracy, metrics.accuracy_score(y, np.array(model.classes)[p.argmax(axis=1)], sample_weight=w))
    close(found.log_loss, metrics.log_loss(y, p, sample_weight=w))
    own = y[:, None] == np.array(model.classes)
    close(found.brier, np.average(((p - own) ** 2).sum(axis=1), weights=w))
    close(found.auc, metrics.roc_auc_score(y, p, multi_class="ovr", sample_weight=w))
    best, hit = p.max(axis=1), y == np.array(model.classes)[p.argmax(axis=1)]
    close(sum(each.weight * each.observed for each in found.calibration), np.sum(hit if w is None else w * hit))
    close(sum(each.weight * each.predicted for each in found.calibration), np.sum(best if w is None else w * best))


@pytest.mark.parametrize("weight", [None, "w"])
def test_numbers_and_their_deviance(table: Path, weight: str | None) -> None:
    w = None if weight is None else W
    model = fitted("count", loss="poisson")
    y, mean = FRAME["count"].to_numpy(dtype=float), model.predict(FRAME[["a", "b"]])
    found = dgd.score(model, table, "count", weight=weight)
    close(found.mae, metrics.mean_absolute_error(y, mean, sample_weight=w))
    close(found.rmse, metrics.root_mean_squared_error(y, mean, sample_weight=w))
    close(found.r2, metrics.r2_score(y, mean, sample_weight=w))
    close(found.deviance, metrics.mean_poisson_deviance(y, mean, sample_weight=w))
    close(found.d2, metrics.d2_tweedie_score(y, mean, power=1, sample_weight=w))
    squared = dgd.score(fitted("y"), table, "y", weight=weight)
    close([squared.loss, squared.deviance, squared.d2], [squared.mse, squared.mse, squared.r2])
    amounts = FRAME.assign(y=np.exp(FRAME["y"] / 3))
    gamma = dgd.fit(amounts[["a", "b"]], amounts["y"], loss="gamma").model
    mean = gamma.predict(amounts[["a", "b"]])
    found = gamma.score(amounts[["a", "b"]], amounts["y"], weight=w)
    close(found.deviance, metrics.mean_gamma_deviance(amounts["y"], mean, sample_weight=w))
    close(found.d2, metrics.d2_tweedie_score(amounts["y"], mean, power=2, sample_weight=w))


@pytest.mark.parametrize(("target", "loss"), [("y", "squared"), ("up", "logistic"), ("kind", "softmax")])
def test_groups_have_the_figures_of_their_rows(table: Path, target: str, loss: str) -> None:
    model = fitted(target, loss=loss)
    stored = dgd.score(model, table, target, weight="w", by="carrier")
    assert list(stored.groups) == ["AA", "B6", "ÖÄ"]
    for label, group in stored.groups.items():
        mine = FRAME[FRAME["carrier"] == label]
        alone = dgd.score(model, mine[["a", "b"]], mine[target], weight=mine["w"])
        assert group.rows == alone.rows == len(mine)
        for name in ("mse", "mae", "r2", "deviance") if loss == "squared" else ("accuracy", "log_loss", "brier", "auc"):
            close(getattr(group, name), getattr(alone, name))
    assert {**vars_of(stored), "groups": {}} == vars_of(dgd.score(model, table, target, weight="w"))
    in_memory = dgd.score(model, FRAME, FRAME[target], weight=FRAME["w"], by="carrier")
    given = dgd.score(model, FRAME, target, weight=FRAME["w"], by=FRAME["carrier"].to_numpy())
    assert vars_of(in_memory) == vars_of(given)
    assert list(in_memory.groups) == list(stored.groups)


def vars_of(score: Any) -> dict[str, Any]:
    return {name: getattr(score, name) for name in score.__slots__}


def test_the_same_bits_on_threads_and_workers_and_one_read_of_each_chunk(
    table: Path, monkeypatch: pytest.MonkeyPatch, tiny_data_are_divided_too: None
) -> None:
    monkeypatch.setattr("dgd.models.scoring.ranking.EXACT", 100)
    monkeypatch.setattr("dgd.models.scoring.ranking.KEPT", 120)
    reads: list[int] = []
    read = Dataset.read
    monkeypatch.setattr(Dataset, "read", lambda self, k, *rest: (reads.append(k), read(self, k, *rest))[1])
    model = fitted("kind", loss="softmax")
    reads.clear()
    with two_in_this_process() as client:
        wheres: list[dict[str, Any]] = [{"threads": 1}, {"threads": 3}, {"client": client}]
        scores = [vars_of(dgd.score(model, table, "kind", weight="w", by="carrier", **where)) for where in wheres]
    assert scores[0] == scores[1] == scores[2]
    assert 0 < scores[0]["auc_bound"] < 0.1
    assert sorted(reads) == sorted(3 * list(range(13)))


@pytest.mark.parametrize("kept", [50, 400, 5_000])
def test_a_ranking_in_bounded_memory_is_within_its_bound(kept: int) -> None:
    rng = np.random.default_rng(2)
    scores = np.concatenate([rng.normal(size=3_000), rng.normal(size=2_000).round(1), [0.0, -0.0, 1e300, -1e-300]])
    y = (scores + rng.normal(size=len(scores)) > 0).astype(float)
    w = rng.uniform(size=len(scores))
    expected = metrics.roc_auc_score(y, scores, sample_weight=w)
    parts = [Ranking.of(scores[k::7], (w * y)[k::7], (w * (1 - y))[k::7], kept) for k in range(7)]
    total = sum(parts[1:], parts[0])
    area, bound = total.area()
    assert len(total.keys) <= kept
    assert abs(area - expected) <= bound + 1e-14
    assert (bound == 0) == (kept == 5_000)
    assert bound < {50: 0.1, 400: 0.01, 5_000: 1e-300}[kept]
    with np.errstate(all="raise"):
        assert np.isnan(Ranking.of(scores, w, 0 * w, kept).area()).all()


def test_a_probability_on_an_edge_is_in_the_lower_bin() -> None:
    edges = np.linspace(0, 1, 11)
    near = [np.nextafter(edges, 2)[:-1], np.nextafter(edges, -1)[1:]]
    p = np.concatenate([edges, *near, np.random.default_rng(0).random(500)])
    np.testing.assert_array_equal(bins_of(p), np.searchsorted(edges[1:-1], p))


def test_how_many_scores_are_kept() -> None:
    assert [kept_of(10, 1), kept_of(2**20, 1), kept_of(2**20 + 1, 1), kept_of(10**9, 4)] == [2**20, 2**20, 2**16, 2**14]


def test_several_targets_of_two_classes(tmp_path: Path) -> None:
    X = FRAME[["a", "b"]].to_numpy()
    Y = np.column_stack([FRAME["up"] == "yes", FRAME["kind"] == "x"]).astype(int)
    model = dgd.fit(X, Y, loss="logistic").model
    proba, labels = model.predict_proba(X), model.predict(X)
    each = [dgd.fit(X, Y[:, k], loss="logistic").model for k in range(2)]
    for k in range(2):
        np.testing.assert_allclose(proba[:, k], each[k].predict_proba(X), rtol=1e-6)
        np.testing.assert_array_equal(labels[:, k], each[k].predict(X))
    found, alone = model.score(X, Y), [one.score(X, Y[:, k]) for k, one in enumerate(each)]
    for name in ("accuracy", "log_loss", "brier", "auc"):
        np.testing.assert_allclose(getattr(found, name), np.mean([getattr(one, name) for one in alone]), rtol=1e-5)
    dgd.predict_to(model, X, tmp_path / "p.parquet", probabilities=True)
    table = pd.read_parquet(tmp_path / "p.parquet")
    assert list(table.columns[:3]) == ["prediction_0", "prediction_1", "probability_0_0"]
    np.testing.assert_array_equal(table["probability_1_1"], proba[:, 1, 1])


def test_rows_that_are_left_out_and_a_single_class(table: Path, tmp_path: Path) -> None:
    gaps = FRAME.copy()
    gaps.loc[[3, 500], "a"] = np.nan
    gaps.loc[7, "carrier"] = None
    gaps.to_parquet(tmp_path / "g.parquet", row_group_size=100)
    model = fitted("up", loss="logistic")
    found = dgd.score(model, tmp_path / "g.parquet", "up", missing="drop", by="carrier")
    assert (found.rows, found.rows_left_out) == (ROWS - 3, 3)
    assert sum(each.rows for each in found.groups.values()) == found.rows
    only = FRAME[FRAME["up"] == "yes"]
    assert np.isnan(dgd.score(model, only[["a", "b"]], only["up"]).auc)


def test_the_target_of_a_table_is_the_column_that_was_fitted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "price", "y"])
    whole.to_csv(tmp_path / "t.csv", index=False)
    whole.to_parquet(tmp_path / "t.parquet", index=False)
    for data in (whole, tmp_path / "t.csv", tmp_path / "t.parquet"):
        model = dgd.fit(data, "price", features=["a"], threads=1).model
        residual = whole["price"] - model.predict(whole[["a"]])
        assert model.score(data).mse == pytest.approx(np.mean(residual**2), rel=1e-12)
        assert model.score(data, "y").mse != model.score(data).mse
    assert main(["fit", str(tmp_path / "t.csv"), "--y", "price", "--features", "a", "--out", str(tmp_path / "m")]) == 0
    assert main(["score", str(tmp_path / "m"), str(tmp_path / "t.csv")]) == 0
    whole[["a", "y"]].to_parquet(tmp_path / "other.parquet")
    with pytest.raises(dgd.errors.DgdError, match="price"):
        model.score(tmp_path / "other.parquet")


def test_mistakes_are_told(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted("y")
    with pytest.raises(ConfigurationError, match=r"no column 'carier'.*'carrier'"):
        dgd.score(model, table, "y", by="carier")
    with pytest.raises(ConfigurationError, match="names no column"):
        dgd.score(model, FRAME, "y", by="carier")
    with pytest.raises(SchemaError, match="rows"):
        dgd.score(model, FRAME, "y", by=np.zeros(3))
    monkeypatch.setattr("dgd.models.scoring.by_group.MOST_GROUPS", 50)
    with pytest.raises(ConfigurationError, match="more than 50 groups"):
        dgd.score(model, table, "y", by="a")


def test_the_command_prints_tables_and_json(table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fitted("up", loss="logistic").save(tmp_path / "m.dgd")
    arguments = ["score", str(tmp_path / "m.dgd"), str(table), "--y", "up", "--by", "carrier"]
    assert main(arguments) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [
        "accuracy", "log_loss", "rows", "brier", "auc", "calibration_error",
    ]  # fmt: skip
    assert lines[8].split() == ["low", "high", "weight", "predicted", "observed"]
    assert lines[-3].split()[0] == "AA"
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found["groups"]) == ["AA", "B6", "ÖÄ"]
    assert found["calibration"][0]["low"] == 0


# R² without an intercept


def test_r_squared_about_zero_is_that_of_r_spark_and_statsmodels() -> None:
    """Spark's weighted case, of which R prints −3.7271, 3.0100 and an R² of 0.9938 without an intercept."""
    X, y = np.array([[0.0, 5.0], [1, 7], [2, 11], [3, 13]]), np.array([17.0, 19, 23, 29])
    weight = np.array([1.0, 2, 3, 4])
    found = dgd.fit(X, y, weight=weight, fit_intercept=False)
    np.testing.assert_allclose(found.coef_, [-3.727121, 3.009983], atol=5e-7)
    residual = y - X @ found.coef_
    about_zero = 1 - (weight @ residual**2) / (weight @ y**2)
    assert found.uncentered_r2 == pytest.approx(about_zero, rel=1e-12)
    assert round(found.uncentered_r2, 3) == 0.994
    assert round(found.explained, 3) == 0.827
    assert found.inference().r2 == pytest.approx(about_zero, rel=1e-12)
    score = found.model.score(X, y, weight=weight)
    assert score.uncentered_r2 == pytest.approx(about_zero, rel=1e-12)
    assert score.r2 == pytest.approx(found.explained, rel=1e-12)
    assert "0.827" in found.summary()
    assert "0.994" in found.summary()
    assert found.as_json()["uncentered_r2"] == found.uncentered_r2
    with_intercept = dgd.fit(X, y, weight=weight)
    assert with_intercept.uncentered_r2 is None
    assert "about" not in with_intercept.summary()
