"""Chunks that were left out because they hold nothing but the fill value: an error that says how, or counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import dgd
from dgd.cli import main
from dgd.errors import DatasetChangedError, MissingChunkError, UnsupportedFormatError

ROWS = 1000


def sparse() -> tuple[np.ndarray, np.ndarray]:
    X = np.zeros((ROWS, 3))
    X[500:] = np.random.default_rng(0).normal(size=(500, 3))
    return X, np.where(X.sum(axis=1) > 0, 1.0, 0.0)


LAYOUTS: dict[str, tuple[dict[str, Any], int]] = {
    "rows": ({"chunks": (100, 3)}, 5),
    "columns": ({"chunks": (100, 2)}, 10),
    "shards": ({"chunks": (50, 3), "shards": (200, 3)}, 4),
}


@pytest.mark.each(4)
@pytest.mark.usefixtures("tiny_data_are_divided_too")
@pytest.mark.parametrize(
    ("name", "zarr_format"), [("rows", 2), ("rows", 3), ("columns", 2), ("columns", 3), ("shards", 3)]
)
def test_what_zarr_left_out_is_its_fill_value(tmp_path: Path, name: str, zarr_format: int) -> None:
    layout, absent = LAYOUTS[name]
    X, y = sparse()
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("X", data=X, **layout)
    group.create_array("y", data=y, chunks=(70,))
    with pytest.raises(MissingChunkError, match="missing_chunks='fill', or --missing-chunks fill"):
        dgd.fit(tmp_path / "a.zarr")
    for threads in (1, 2):
        result = dgd.fit(tmp_path / "a.zarr", missing_chunks="fill", threads=threads)
        np.testing.assert_allclose(result.theta, dgd.fit(X, y).theta, rtol=1e-9, atol=1e-12)
        assert result.chunks_filled == absent + 7
        assert f"{absent + 7} chunks that are not in the store were taken as their fill value" in result.summary()
    assert main(["fit", str(tmp_path / "a.zarr"), "--quiet"]) == 3
    assert main(["fit", str(tmp_path / "a.zarr"), "--quiet", "--missing-chunks", "fill"]) == 0
    np.testing.assert_allclose(
        result.model.predict(tmp_path / "a.zarr", missing_chunks="fill"), result.model.predict(X)
    )


def test_inner_chunks_of_shards_too(tmp_path: Path) -> None:
    X, y = sparse()
    X[:30] = 1
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=X, chunks=(50, 3), shards=(500, 3))
    result = dgd.fit(tmp_path / "a.zarr", y, missing_chunks="fill")
    assert result.chunks_filled == 9
    np.testing.assert_allclose(result.theta, dgd.fit(X, y).theta, rtol=1e-9, atol=1e-12)


def test_what_xarray_left_out_is_missing(tmp_path: Path) -> None:
    X, y = sparse()
    X[:500] = np.nan
    data = xr.Dataset({"X": (("s", "f"), X), "y": ("s", y)})
    encoding = {name: {"chunks": (100, 3)[: data[name].ndim], "write_empty_chunks": False} for name in ("X", "y")}
    data.to_zarr(tmp_path / "a.zarr", encoding=encoding, consolidated=False)
    result = dgd.fit(tmp_path / "a.zarr", missing_chunks="fill", missing="drop")
    assert result.rows_left_out == 500
    np.testing.assert_allclose(result.theta, dgd.fit(X[500:], y[500:]).theta, rtol=1e-9)


def test_what_dgd_wrote_lacks_no_chunk(tmp_path: Path) -> None:
    X, y = sparse()
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=100) as writer:
        writer.append(X, y)
    (tmp_path / "a.zarr" / "X" / "c" / "0" / "0").unlink()
    with pytest.raises(MissingChunkError):
        dgd.fit(tmp_path / "a.zarr", missing_chunks="fill")


def test_a_chunk_that_goes_or_comes_during_a_fit_is_noticed(tmp_path: Path) -> None:
    X, y = sparse()
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("X", data=X, chunks=(100, 3))
    chunk = tmp_path / "a.zarr" / "X" / "c" / "7" / "0"

    def remove(record: dgd.Record) -> None:
        chunk.unlink(missing_ok=True)

    with pytest.raises(DatasetChangedError):
        dgd.fit(
            tmp_path / "a.zarr", y, missing_chunks="fill", solver="gd", max_iter=5, tol=0, callbacks=[remove],
            execution=dgd.Execution(resident=0),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("float32", np.nan), ("float64", -np.inf), ("int16", -3), ("uint8", 7), ("bool", True), (">i4", 5)],
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_fill_value_is_understood(tmp_path: Path, dtype: str, value: Any, zarr_format: int) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("X", shape=(10, 2), chunks=(5, 2), dtype=dtype, fill_value=value)
    dataset = dgd.open_dataset(tmp_path / "a.zarr", np.zeros(10), missing_chunks="fill")
    np.testing.assert_array_equal(dataset.read(1).X, np.full((5, 2), value, dtype=dtype))


def test_without_a_fill_value_there_is_none_to_take(tmp_path: Path) -> None:
    X, y = sparse()
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("X", data=X, chunks=(100, 3))
    document = tmp_path / "a.zarr" / "X" / ".zarray"
    document.write_text(document.read_text().replace('"fill_value": 0.0', '"fill_value": null'))
    with pytest.raises(UnsupportedFormatError, match="fill value"):
        dgd.fit(tmp_path / "a.zarr", y, missing_chunks="fill")
