"""What becomes of columns that are no features: weights and offsets that fits use, ids that go with the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import zarr

import dgd
from dgd.cli import main
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.errors import ConfigurationError, CorruptChunkError, SchemaError

ROWS = 300


def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, ROWS))
    exposure = rng.uniform(-1, 1, ROWS)
    return pd.DataFrame(
        {
            "flight": [f"UA{k:04d}é" * (k % 7 != 0) for k in range(ROWS)],
            "rooms": rng.integers(0, 4, ROWS),
            "a": a,
            "b, the second": b,
            "log exposure": exposure,
            "y": rng.poisson(np.exp(0.3 * a - 0.2 * b + exposure)),
            "number": 2**60 + np.arange(ROWS),
        }
    )


def ingested(tmp_path: Path, suffix: str, *options: str, out: str = "out.zarr") -> Path:
    path = tmp_path / f"t.{suffix}"
    table().to_csv(path, index=False) if suffix == "csv" else table().to_parquet(path)
    assert main(["ingest", str(path), str(tmp_path / out), "--target", "y", *options, "--overwrite"]) == 0
    return tmp_path / out


ROLES = ["--weight", "rooms", "--offset", "log exposure", "--id", "flight", "--id", "number"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ids_are_carried_as_they_stand_in_the_file(tmp_path: Path, suffix: str) -> None:
    out = ingested(tmp_path, suffix, *ROLES, "--chunk-rows", "128")
    dataset = dgd.open_dataset(out)
    assert dataset.feature_names == ("a", "b, the second")
    assert list(dataset.ids) == ["flight", "number"]
    flights, numbers = (read_id(dataset, name) for name in dataset.ids)
    assert flights.tolist() == table()["flight"].tolist()
    expected = table()["number"]
    assert numbers.tolist() == (expected.tolist() if suffix == "parquet" else expected.astype(str).tolist())
    group = zarr.open_group(out, mode="r")
    assert group["id/0"][:].tolist() == table()["flight"].tolist()
    assert group.attrs["dgd"]["ids"] == ["flight", "number"]
    assert dgd.verify(out).whole


def read_id(dataset: Dataset, name: str) -> np.ndarray:
    """Chunk by chunk, as a prediction does, and in one piece."""
    rows = dataset.ids[name]
    parts = [rows.read(int(a), int(b), Buffers())[0] for a, b in zip(dataset.bounds, dataset.bounds[1:], strict=False)]
    whole = rows.read(0, ROWS, Buffers())[0]
    assert np.concatenate(parts).tolist() == whole.tolist()
    return np.asarray(whole)


def test_an_id_that_is_no_text_is_written_as_one(tmp_path: Path) -> None:
    columns = {
        "when": pa.array([0, 86_400_000], pa.timestamp("ms")),
        "holes": pa.array([7, None], pa.int64()),
        "kind": pa.array(["u", "v"]).dictionary_encode(),
        "short": pa.array([1, 2], pa.int8()),
        "y": pa.array([1.0, 2.0]),
        "a": pa.array([1.0, 2.0]),
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    names = ["when", "holes", "kind", "short"]
    dgd.ingest([tmp_path / "t.parquet"], tmp_path / "o.zarr", target="y", ids=names)
    found = {
        name: rows.read(0, 2, Buffers())[0].tolist() for name, rows in dgd.open_dataset(tmp_path / "o.zarr").ids.items()
    }
    assert found == {
        "when": ["1970-01-01 00:00:00.000", "1970-01-02 00:00:00.000"],
        "holes": ["7", ""],
        "kind": ["u", "v"],
        "short": [1, 2],
    }


def test_a_spelling_of_missing_cells_may_be_an_id(tmp_path: Path) -> None:
    """NA is Namibia."""
    (tmp_path / "t.csv").write_text("country,a,y\nNA,1.000,5\n007,2.500,6\n,NA,7\n".replace(",1.000", ',"1,000"'))
    written = dgd.ingest(
        [tmp_path / "t.csv"],
        tmp_path / "o.zarr",
        target="y",
        ids=["country"],
        missing="drop",
        dialect=dgd.Dialect(thousands=","),
    )
    assert written.rows_left_out == 1
    dataset = dgd.open_dataset(tmp_path / "o.zarr")
    assert dataset.ids["country"].read(0, 2, Buffers())[0].tolist() == ["NA", "007"]
    assert dataset.read(0).X.tolist() == [[1000.0], [2.5]]


def test_a_partition_may_be_an_id(tmp_path: Path) -> None:
    table()[["a", "y"]].assign(city=["Aix en Provence", "Ulm"] * (ROWS // 2)).to_parquet(
        tmp_path / "p", partition_cols=["city"]
    )
    dgd.ingest([tmp_path / "p"], tmp_path / "o.zarr", target="y", ids=["city"])
    dataset = dgd.open_dataset(tmp_path / "o.zarr")
    assert dataset.ids["city"].read(0, ROWS, Buffers())[0].tolist() == ["Aix en Provence"] * (ROWS // 2) + ["Ulm"] * (
        ROWS // 2
    )


def test_ids_go_along_with_a_copy_and_with_stores_below_one_another(tmp_path: Path) -> None:
    out = ingested(tmp_path, "csv", *ROLES, "--chunk-rows", "128")
    assert main(["copy", str(out), str(tmp_path / "copy.zarr"), "--chunk-rows", "100"]) == 0
    copied = dgd.open_dataset(tmp_path / "copy.zarr")
    assert (copied.weight_name, copied.offset_name) == ("rooms", "log exposure")
    assert read_id(copied, "flight").tolist() == table()["flight"].tolist()
    both = dgd.open_dataset([str(out), str(tmp_path / "copy.zarr")])
    found = [both.ids["flight"].read(*chunk.rows, Buffers())[0] for chunk in map(both.read, range(both.n_chunks))]
    assert np.concatenate(found).tolist() == 2 * table()["flight"].tolist()


def test_a_damaged_chunk_of_ids_is_refused(tmp_path: Path) -> None:
    out = ingested(tmp_path, "csv", *ROLES)
    chunk = out / "id" / "0" / "c" / "0"
    content = bytearray(chunk.read_bytes())
    content[9] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(CorruptChunkError, match=r"array 'flight' of .*chunk c/0 \(rows 0 to 299\) is damaged"):
        dgd.open_dataset(out).ids["flight"].read(0, 5, Buffers())
    assert not dgd.verify(out).whole


def poisson(data: Any, **options: Any) -> np.ndarray:
    return dgd.fit(data, loss="poisson", solver="newton", **options).coef_


def test_weights_and_offsets_that_an_ingest_was_told_of_are_used_and_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = ingested(tmp_path, "csv", *ROLES)
    frame = table()
    X, y = frame[["a", "b, the second"]].to_numpy(), frame["y"].to_numpy()
    weight, offset = frame["rooms"].to_numpy(float), frame["log exposure"].to_numpy()
    for given, expected in (
        ({}, poisson(X, y=y, weight=weight, offset=offset)),
        ({"weight": False}, poisson(X, y=y, offset=offset)),
        ({"offset": False}, poisson(X, y=y, weight=weight)),
        ({"weight": "rooms", "offset": "log exposure", "y": "y"}, poisson(X, y=y, weight=weight, offset=offset)),
    ):
        np.testing.assert_allclose(poisson(out, **given), expected, rtol=1e-9)
    capfd.readouterr()
    model = str(tmp_path / "m.dgd")
    assert main(["fit", str(out), "--loss", "poisson", "--out", model]) == 0
    said = capfd.readouterr().err
    assert "weights: rooms, as the dataset says (--no-weight for none)\n" in said
    assert "offsets: log exposure, as the dataset says (--no-offset for none)\n" in said
    assert main(["fit", str(out), "--loss", "poisson", "--no-weight", "--offset", "log exposure", "--quiet"]) == 0
    assert "as the dataset says" not in capfd.readouterr().err
    assert main(["fit", str(out), "--weight", "rooms", "--no-weight"]) == 2


def test_a_model_without_an_offset_predicts_without_one(tmp_path: Path) -> None:
    out = ingested(tmp_path, "csv", *ROLES)
    without = dgd.fit(out, loss="poisson", offset=False).model
    frame = table()
    raw = frame[["a", "b, the second"]].to_numpy() @ without.coef + without.intercept
    np.testing.assert_allclose(dgd.predict(without, out), np.exp(raw))
    with_it = dgd.fit(out, loss="poisson").model
    raw = frame[["a", "b, the second"]].to_numpy() @ with_it.coef + with_it.intercept + frame["log exposure"]
    np.testing.assert_allclose(dgd.predict(with_it, out), np.exp(raw))


def test_the_target_is_known_by_its_columns_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,price\n1,2\n2,4.5\n3,6\n")
    dgd.ingest([tmp_path / "t.csv"], tmp_path / "o.zarr", target="price")
    assert dgd.fit(tmp_path / "o.zarr", "price").coef_ == dgd.fit(tmp_path / "o.zarr").coef_


def test_a_checkpoint_goes_on_without_the_weights_that_the_fit_left_out(tmp_path: Path) -> None:
    out = ingested(tmp_path, "csv", *ROLES)
    begun = {
        "loss": "poisson",
        "weight": False,
        "solver": "gd",
        "checkpoint": tmp_path / "c.dgd",
        "checkpoint_every": "pass",
    }
    dgd.fit(out, max_iter=3, **begun)
    whole = dgd.fit(out, loss="poisson", weight=False, solver="gd", max_iter=6)
    assert dgd.resume(tmp_path / "c.dgd", max_iter=6).coef_.tolist() == whole.coef_.tolist()


def test_names_with_commas_and_columns_to_leave_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = ingested(tmp_path, "csv", "--feature", "b, the second", "--feature", "a")
    assert dgd.open_dataset(out).feature_names == ("b, the second", "a")
    out = ingested(tmp_path, "csv", "--drop", 'flight,rooms,"b, the second"', "--drop", "number")
    assert dgd.open_dataset(out).feature_names == ("a", "log exposure")
    capfd.readouterr()
    command = ["ingest", str(tmp_path / "t.csv"), str(tmp_path / "o.zarr"), "--target", "y"]
    assert main([*command, "--features", "a,b"]) == 2
    assert (
        "Is it a part of 'b, the second'? Such a name is given by --feature 'b, the second'" in capfd.readouterr().err
    )
    assert main([*command, "--features", "a", "--drop", "flight"]) == 2
    assert "--features and --drop exclude each other" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"weight": "y"}, "target and weight are the same column, 'y'"),
        ({"ids": ["a", "a"]}, "ids names 'a' twice"),
        ({"ids": ["a"], "features": ["a"]}, "column 'a' is the id and a feature as well"),
        ({"offset": "log"}, r"offset: .* has no column 'log'"),
        ({"ids": "flight"}, "must be a list of column names"),
    ],
)
def test_roles_that_do_not_go_together(tmp_path: Path, roles: dict[str, Any], said: str) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ConfigurationError, match=said):
        dgd.ingest([tmp_path / "t.csv"], tmp_path / "o.zarr", target="y", **roles)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ({"k": [1.5, 2.5]}, "dtype float64, expected whole numbers or texts"),
        ({"k": [1]}, r"shape \(1,\), expected \(2,\)"),
        ({"k": ["u", "v"]}, "holds texts, and whole numbers in the first block"),
        ({}, "has the ids none, the first had k"),
    ],
)
def test_ids_of_a_writer_that_do_not_fit(tmp_path: Path, ids: dict[str, Any], said: str) -> None:
    writer = DatasetWriter(tmp_path / "o.zarr")
    writer.append(np.ones((2, 1)), np.ones(2), ids={"k": [1, 2]})
    with pytest.raises(SchemaError, match=said):
        writer.append(np.ones((2, 1)), np.ones(2), ids=ids)
    writer.append(np.ones((1, 1)), np.ones(1), ids={"k": np.array([9], np.uint8)})
    writer.commit()
    assert dgd.open_dataset(tmp_path / "o.zarr").ids["k"].read(0, 3, Buffers())[0].tolist() == [1, 2, 9]


@pytest.mark.parametrize("rows", [1, 333])
def test_a_small_table_takes_no_more_on_disk_than_its_rows(tmp_path: Path, rows: int) -> None:
    frame = pd.DataFrame({"id": ["k"] * rows, "a": np.arange(rows) / 3, "w": np.ones(rows), "y": np.arange(rows) / 7})
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "o.zarr"
    dgd.ingest([tmp_path / "t.csv"], out, target="y", weight="w", ids=["id"])
    assert sum(path.stat().st_size for path in out.glob("*/c/**/*") if path.is_file()) == rows * 24 + 12
    assert (out / "id" / "0" / "c" / "0").stat().st_size < 16 + 5 * rows
    dataset = dgd.open_dataset(out)
    assert dataset.read(0).X.ravel().tolist() == frame["a"].tolist()
    assert dataset.bounds.tolist() == [0, rows]
