"""A table that an ingest has written by its columns: it fits, predicts and scores as the file it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import dgd
from dgd.errors import ConfigurationError, DataError, IngestError, MetadataError, ModelError, SchemaError
from tests.clusters import two_in_this_process

ROWS = 600
KINDS = ("t.csv", "t.parquet", "t.zarr")


def frame(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Text, booleans, dates, whole numbers, and missing cells of text and of numbers."""
    random = np.random.default_rng(seed)
    species = random.choice(["Adélie", "Gentoo, x", "Chin"], rows).astype(object)
    species[random.random(rows) < 0.03] = None
    found = pd.DataFrame(
        {
            "y": random.normal(size=rows).round(3),
            "species": species,
            "flag": random.random(rows) < 0.4,
            "when": (pd.to_datetime("2020-01-01") + pd.to_timedelta(random.integers(0, 900, rows), unit="D")).date,
            "bill length/mm": np.where(random.random(rows) < 0.04, np.nan, random.normal(size=rows).round(4)),
            "k": random.integers(0, 4, rows),
            "w": random.integers(1, 4, rows),
        }
    )
    found["y"] += (found["species"] == "Chin") * 2.0 + found["flag"]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same table as CSV, as Parquet, and ingested from CSV."""
    place = tmp_path_factory.mktemp("tables")
    frame().to_csv(place / "t.csv", index=False)
    frame().to_parquet(place / "t.parquet", index=False)
    dgd.ingest([place / "t.csv"], place / "t.zarr", target="y", weight="w", missing="keep")
    return place


@pytest.mark.each(3)
@pytest.mark.parametrize(
    "how",
    [
        {"missing": "drop"},
        {"missing": "mean"},
        {"missing": "indicator", "categorical": ["k"]},
        {"missing": "drop", "design": "y ~ species*flag + poly(k, 2) + time(when, 'days')"},
    ],
    ids=["drop", "mean", "indicator", "formula"],
)
def test_a_fit_is_that_of_the_file_to_the_bit(folder: Path, how: dict[str, Any]) -> None:
    fits = {}
    for name in KINDS:
        given = {} if name.endswith("zarr") else {"weight": "w", **({} if "design" in how else {"y": "y"})}
        unit = {} if "design" in how else {"time_unit": "days"}
        fits[name] = dgd.fit(folder / name, **given, **unit, **how, threads=2)
    first = fits["t.csv"].model
    for found in fits.values():
        assert found.model.feature_names == first.feature_names
        assert found.model.design == first.design
        assert found.model.coef.tolist() == first.coef.tolist()
    model = fits["t.zarr"].model
    predicted = [model.predict(folder / name, missing="drop").tolist() for name in KINDS]
    np.testing.assert_array_equal(predicted[0], predicted[1])
    np.testing.assert_array_equal(predicted[0], predicted[2])
    scores = [model.score(folder / name, y="y", missing="drop") for name in KINDS]
    assert scores[0] == scores[1]


def test_bits_on_threads_and_many_chunks(folder: Path) -> None:
    dgd.ingest([folder / "t.csv"], folder / "chunks.zarr", target="y", missing="drop", chunk_rows=100, overwrite=True)
    fits = [dgd.fit(folder / "chunks.zarr", time_unit="days", threads=n).model.coef.tolist() for n in (1, 2)]
    assert fits[0] == fits[1]
    whole = dgd.fit(folder / "t.csv", y="y", time_unit="days", missing="drop").model
    np.testing.assert_allclose(fits[0], whole.coef, rtol=1e-12, atol=1e-12)


def test_the_saved_model_reads_all_three_alike(folder: Path, tmp_path: Path) -> None:
    dgd.fit(folder / "t.zarr", time_unit="days", missing="drop").model.save(tmp_path / "m.dgd")
    model = dgd.load_model(tmp_path / "m.dgd")
    predicted = [model.predict(folder / name, missing="drop").tolist() for name in KINDS]
    np.testing.assert_array_equal(predicted[0], predicted[1])
    np.testing.assert_array_equal(predicted[0], predicted[2])


def test_a_target_of_text_becomes_classes(tmp_path: Path) -> None:
    table = frame().dropna()
    table.to_csv(tmp_path / "t.csv", index=False)
    written = dgd.ingest([tmp_path / "t.csv"], tmp_path / "t.zarr", target="species", drop=["when"])
    assert written.levels == {"species": 3}
    fits = [
        dgd.fit(tmp_path / "t.csv", y="species", drop=["when"], loss="softmax", penalty=dgd.penalties.L2(0.1)),
        dgd.fit(tmp_path / "t.zarr", loss="softmax", penalty=dgd.penalties.L2(0.1)),
    ]
    assert fits[1].model.classes == fits[0].model.classes == ("Adélie", "Chin", "Gentoo, x")
    assert fits[1].model.coef.tolist() == fits[0].model.coef.tolist()


def test_two_files_of_which_the_first_lacks_levels(tmp_path: Path) -> None:
    table = frame().dropna().sort_values("species", kind="stable")
    table[:200].to_csv(tmp_path / "1.csv", index=False)
    table[200:].to_csv(tmp_path / "2.csv", index=False)
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    assert set(table[:200]["species"]) == {"Adélie"} or len(set(table[:200]["species"])) < 3
    written = dgd.ingest(files, tmp_path / "t.zarr", target="y", ids=["k"])
    assert (written.levels, written.rows) == ({"species": 3}, len(table))
    found = dgd.fit(tmp_path / "t.zarr", time_unit="days").model
    expected = dgd.fit(list(map(str, files)), y="y", drop=["k"], time_unit="days").model
    assert found.feature_names == expected.feature_names
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-12, atol=1e-12)
    dgd.predict_to(found, tmp_path / "t.zarr", tmp_path / "p.csv")
    assert pd.read_csv(tmp_path / "p.csv")["k"].tolist() == table["k"].tolist()


def test_rows_with_a_missing_cell_by_policy(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"row \d+ \(line \d+\) of column .* is missing; expected a .*--missing drop"):
        dgd.ingest([folder / "t.csv"], tmp_path / "a.zarr", target="y")
    written = dgd.ingest([folder / "t.parquet"], tmp_path / "b.zarr", target="y", missing="drop")
    whole = frame().dropna()
    assert (written.rows, written.rows_left_out) == (len(whole), ROWS - len(whole))
    found = dgd.fit(tmp_path / "b.zarr", time_unit="days").model
    expected = dgd.fit(folder / "t.parquet", y="y", time_unit="days", missing="drop").model
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-12, atol=1e-12)


def test_xarray_opens_the_columns(folder: Path) -> None:
    opened = xr.open_zarr(folder / "t.zarr", group="columns", consolidated=False)
    table = frame()
    levels = opened["species_levels"].values
    codes = opened["species"].values
    assert np.where(codes < 0, "", levels[codes]).tolist() == table["species"].fillna("").tolist()
    assert (opened["when"].values.astype("datetime64[D]") == table["when"].to_numpy().astype("datetime64[D]")).all()
    names = {variable.attrs.get("long_name", name) for name, variable in opened.variables.items()}
    assert set(table.columns) <= names


def test_a_split_and_a_score_by_a_column(folder: Path) -> None:
    model = dgd.fit(folder / "t.zarr", time_unit="days", missing="drop", split="train:0.7:1:k").model
    expected = dgd.fit(
        folder / "t.parquet", y="y", weight="w", time_unit="days", missing="drop", split="train:0.7:1:k"
    ).model
    assert model.coef.tolist() == expected.coef.tolist()
    assert dgd.info(folder / "t.zarr").target_name == "y"


def test_names_and_roles_that_are_wrong_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no column 'spec'\. Did you mean 'species'"):
        dgd.fit(folder / "t.zarr", features=["spec"])
    with pytest.raises(SchemaError, match="times: give time_unit"):
        dgd.fit(folder / "t.zarr", missing="drop")


def test_a_marker_whose_columns_are_torn_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder / "t.zarr", tmp_path / "t.zarr")
    (tmp_path / "t.zarr" / "columns" / "flag" / "zarr.json").unlink()
    with pytest.raises(MetadataError, match="columns/flag"):
        dgd.fit(tmp_path / "t.zarr", missing="drop")


def test_files_of_numbers_are_written_as_a_matrix(tmp_path: Path) -> None:
    frame()[["y", "k", "flag"]].to_csv(tmp_path / "t.csv", index=False)
    dgd.ingest([tmp_path / "t.csv"], tmp_path / "t.zarr", target="y")
    assert {array.name for array in dgd.info(tmp_path / "t.zarr").arrays} == {"X", "y"}


def test_info_names_the_columns_and_what_they_are(folder: Path) -> None:
    found = dgd.info(folder / "t.zarr")
    assert found.columns["species"] == "category of 3 levels, as species"
    assert found.columns["bill length/mm"].startswith("number")
    assert "column       bill length/mm: number (double), as column_3" in found.table()
    assert not found.unreadable


def test_other_verbs_read_the_columns(folder: Path, tmp_path: Path) -> None:
    dgd.ingest([folder / "t.parquet"], tmp_path / "t.zarr", target="y", drop=["when"], ids=["k"], missing="drop")
    model = dgd.fit(tmp_path / "t.zarr").model
    whole = frame().dropna()
    assert model.score(tmp_path / "t.zarr").rows == len(whole)
    by_species = dgd.score(model, tmp_path / "t.zarr", by="species")
    assert {name: score.rows for name, score in by_species.groups.items()} == whole["species"].value_counts().to_dict()
    by_id = dgd.score(model, tmp_path / "t.zarr", by="k")
    assert sorted(score.rows for score in by_id.groups.values()) == sorted(whole["k"].value_counts())
    expected = dgd.summarize(folder / "t.parquet", y="y", drop=["when", "k"], missing="drop")
    found = dgd.summarize(tmp_path / "t.zarr")
    np.testing.assert_allclose(found.fit().model.coef, expected.fit().model.coef, rtol=1e-12, atol=1e-12)
    with pytest.raises(ConfigurationError, match="holds a table by its columns"):
        dgd.copy(tmp_path / "t.zarr", tmp_path / "c.zarr")


def test_several_of_them_are_one_table(folder: Path, tmp_path: Path) -> None:
    table = frame().dropna().sort_values("species", kind="stable")
    table[:250].to_parquet(tmp_path / "1.parquet", index=False)
    table[250:].to_parquet(tmp_path / "2.parquet", index=False)
    for k in (1, 2):
        dgd.ingest([tmp_path / f"{k}.parquet"], tmp_path / f"{k}.zarr", target="y")
    found = dgd.fit([str(tmp_path / "1.zarr"), str(tmp_path / "2.zarr")], time_unit="days").model
    expected = dgd.fit([str(tmp_path / "1.parquet"), str(tmp_path / "2.parquet")], y="y", time_unit="days").model
    assert found.design == expected.design
    assert found.coef.tolist() == expected.coef.tolist()
    dgd.fit(folder / "t.zarr", drop=["species", "bill length/mm", "flag"], time_unit="days", missing="drop")


@pytest.mark.slow
def test_the_same_bits_on_two_workers(folder: Path) -> None:
    threads = dgd.fit(folder / "t.zarr", time_unit="days", missing="drop").model
    with two_in_this_process() as client:
        workers = dgd.fit(folder / "t.zarr", time_unit="days", missing="drop", client=client).model
    assert workers.design == threads.design
    assert workers.coef.tolist() == threads.coef.tolist()


def looking(ingest: Any) -> dict[str, Any]:
    """The globals of the module that finds levels, as this ingest knows it: another test may import it anew."""
    found: dict[str, Any] = ingest.__globals__["ingest_columns"].__globals__["kept_columns"].__globals__
    return found


def test_too_many_levels_are_refused_with_the_way_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(looking(dgd.ingest), "MOST_LEVELS", 2)
    with pytest.raises(DataError, match=r"column 'species' has more than 2 levels; leave it out \(--drop species\)"):
        dgd.ingest([folder / "t.parquet"], tmp_path / "t.zarr", target="y", missing="keep")
    assert not (tmp_path / "t.zarr").exists()


def test_any_names_types_and_chunks(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    table = pd.DataFrame({name: random.choice(["u", "v", "w"], 300) for name in ("a", "A", "X")})
    table = table.assign(**{name: random.normal(size=300) for name in ("a_levels", "zarr.json", "column_1", "y")})
    table["none"] = np.where(random.random(300) < 0.5, None, "only")
    table["kind"] = pd.Categorical(random.integers(0, 3, 300))
    table["at"] = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 10**6, 300), unit="s")
    table["small"] = random.integers(0, 255, 300).astype("uint8")
    table.to_parquet(tmp_path / "t.parquet", row_group_size=90, index=False)
    dgd.ingest([tmp_path / "t.parquet"], tmp_path / "t.zarr", target="y", missing="keep", chunk_rows=90)
    found = dgd.fit(tmp_path / "t.zarr", time_unit="hours", missing="mean").model
    expected = dgd.fit(tmp_path / "t.parquet", y="y", time_unit="hours", missing="mean").model
    assert found.design == expected.design
    assert found.coef.tolist() == expected.coef.tolist()


def test_a_model_of_numbers_finds_them_by_name(folder: Path) -> None:
    X = frame()[["w", "k"]]
    model = dgd.fit(X, y=frame()["y"].to_numpy()).model
    assert model.predict(folder / "t.zarr").tolist() == model.predict(X).tolist()
    one = dgd.fit(X[["w"]].to_numpy(), frame()["y"].to_numpy()).model
    with pytest.raises(ConfigurationError, match="a model that knows no names of columns cannot tell which are X"):
        one.predict(folder / "t.zarr")
    assert one.predict(folder / "t.zarr", features=["w"]).tolist() == one.predict(X[["w"]].to_numpy()).tolist()
    other = dgd.fit(X.rename(columns={"w": "z"}), y=frame()["y"].to_numpy()).model
    with pytest.raises(ModelError, match="lacks the columns 'z', on which the model was fitted"):
        other.predict(folder / "t.zarr")


def test_a_dialect_that_is_given_reads_text_as_well(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("about\nkind;a;y\nu;1,5;2\nv;2,5;3\nu;4,5;4\nv;1;1\n")
    dialect = dgd.Dialect(delimiter=";", decimal=",", skip_lines=1)
    assert dgd.ingest([tmp_path / "t.csv"], tmp_path / "t.zarr", target="y", dialect=dialect).levels == {"kind": 2}
    model = dgd.fit(tmp_path / "t.zarr").model
    np.testing.assert_allclose(model.predict(tmp_path / "t.zarr"), [2, 3, 4, 1], atol=1)
    assert model.feature_names == ("kind[v]", "a")
    with pytest.raises(ConfigurationError, match="dtype float32 is that of a matrix X"):
        dgd.ingest([tmp_path / "t.csv"], tmp_path / "f.zarr", target="y", dialect=dialect, dtype="float32")
