"""`dgd.copy`: the same rows in other chunks, decoded, selected, the other way round; marked until it ends."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from traced import peak_of

import dgd
from dgd.cli import main
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.errors import ConfigurationError, IncompleteDatasetError, PlanError, SchemaError, ValueRangeError
from dgd.passes.copying import copy

RNG = np.random.default_rng(6)
X = RNG.normal(size=(230, 4))
Y = X @ np.arange(4.0) + RNG.normal(size=230)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A dataset of dgd's with all four arrays, in chunks of 20 rows."""
    with DatasetWriter(tmp_path / "a.zarr", chunk_rows=20, feature_names="abcd", target_name="t") as writer:
        writer.append(X, Y, np.arange(230.0), Y / 2)
    return tmp_path / "a.zarr"


def whole(path: Any, **reading: Any) -> dict[str, np.ndarray]:
    """All rows of all arrays."""
    dataset = dgd.open_dataset(path, **reading)
    chunks = [dataset.read(k).arrays for k in range(dataset.n_chunks)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def test_other_chunks_and_the_same_rows(store: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "b.zarr"
    copied = copy(store, out, chunk_rows=50, compression="zstd", progress=lambda *at: seen.append(at))
    assert (copied.rows, copied.features, copied.arrays) == (230, 4, ("X", "y", "weight", "offset"))
    assert seen[0] == (20, 230)
    assert seen[-1] == (230, 230)
    named = {"weight": "weight", "offset": "offset"}
    before, after = whole(store, **named), whole(out, **named)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    found = dgd.open_dataset(out)
    assert found.bounds.tolist() == [0, 50, 100, 150, 200, 230]
    assert (found.feature_names, found.target_name) == (tuple("abcd"), "t")
    assert all(array.codecs == ("zstd", "crc32c") for array in dgd.info(out).arrays)
    np.testing.assert_allclose(dgd.fit(out).theta, dgd.fit(store).theta, rtol=1e-12)


def test_what_a_store_means_is_written(tmp_path: Path) -> None:
    packed = X.copy()
    packed[::50, 1] = np.nan
    coding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 1.0, "_FillValue": -32768, "chunks": (60, 1)}
    xr.Dataset({"X": (("s", "f"), packed), "y": ("s", Y)}).to_zarr(
        tmp_path / "a.zarr", encoding={"X": coding}, consolidated=False
    )
    copy(tmp_path / "a.zarr", tmp_path / "b.zarr")
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as truth:
        np.testing.assert_array_equal(whole(tmp_path / "b.zarr")["X"], truth.X.to_numpy())
    with pytest.raises(ValueRangeError, match="row 0, column 1 is nan"):
        dgd.fit(tmp_path / "b.zarr")
    theta = dgd.fit(tmp_path / "a.zarr", missing="drop").theta
    np.testing.assert_allclose(dgd.fit(tmp_path / "b.zarr", missing="drop").theta, theta, rtol=1e-12)
    copied = copy(tmp_path / "a.zarr", tmp_path / "c.zarr", missing="drop")
    assert (copied.rows, copied.rows_left_out) == (225, 5)
    np.testing.assert_allclose(dgd.fit(tmp_path / "c.zarr").theta, theta, rtol=1e-12)
    copy(tmp_path / "a.zarr", tmp_path / "d.zarr", decode=False)
    assert whole(tmp_path / "d.zarr")["X"].dtype == np.int16


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("chunks", [(4, 50), (2, 230), (1, 64)])
def test_the_other_way_round(chunks: tuple[int, int], named: bool, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=X.T, chunks=chunks, dimension_names=("gene", "cell") if named else None)
    group.create_array("y", data=Y, dimension_names=("cell",) if named else None)
    given: Any = {} if named else {"transpose": True}
    if not named:
        with pytest.raises(SchemaError, match="'X' has 230 columns: if it is feature × row, read it transposed"):
            dgd.fit(tmp_path / "a.zarr")
        assert "--transpose" in " ".join(each.fix for each in dgd.info(tmp_path / "a.zarr").warnings)
    copy(tmp_path / "a.zarr", tmp_path / "b.zarr", chunk_rows=70, **given)
    np.testing.assert_array_equal(whole(tmp_path / "b.zarr")["X"], X)
    assert dgd.fit(tmp_path / "a.zarr", **given).theta == pytest.approx(dgd.fit(tmp_path / "b.zarr").theta)
    for data in (X.T, xr.Dataset({"X": (("f", "s"), X.T)})):
        with pytest.raises(ConfigurationError, match="transpose=True is for a matrix in a Zarr store"):
            dgd.fit(data, Y, transpose=True)


def test_some_columns_another_dtype_no_target(store: Path, tmp_path: Path) -> None:
    copy(store, tmp_path / "b.zarr", features=["d", "a"], dtype="float32")
    found = whole(tmp_path / "b.zarr")["X"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X[:, [3, 0]].astype(np.float32))
    zarr.open_group(tmp_path / "x.zarr", mode="w").create_array("X", data=X, chunks=(9, 4))
    assert copy(tmp_path / "x.zarr", tmp_path / "c.zarr").arrays == ("X",)
    assert copy(X, tmp_path / "d.zarr", Y).arrays == ("X", "y")
    joined = copy([store, store], tmp_path / "f.zarr")
    assert (joined.rows, joined.arrays) == (460, ("X", "y", "weight", "offset"))
    memory = fsspec.filesystem("memory")
    memory.put(str(store), "/shelf/a.zarr", recursive=True)
    assert copy("memory://shelf/a.zarr", tmp_path / "e.zarr").rows == 230
    memory.rm("/shelf", recursive=True)


def test_an_interrupted_copy_says_how_to_do_it_again(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    append, calls = DatasetWriter.append, 0

    def failing(self: DatasetWriter, *arrays: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        append(self, *arrays)

    monkeypatch.setattr(DatasetWriter, "append", failing)
    command = ["copy", str(store), str(tmp_path / "b.zarr"), "--chunk-rows", "30", "--features", "a,b"]
    assert main([*command, "--quiet"]) == 130
    with pytest.raises(IncompleteDatasetError, match=r"dgd copy --features a,b --chunk-rows 30 .*--overwrite -- /"):
        dgd.open_dataset(tmp_path / "b.zarr")
    monkeypatch.undo()
    assert main([*command, "--overwrite"]) == 0
    assert "b.zarr: 230 rows × 2 features" in capfd.readouterr().out


def test_secrets_are_not_part_of_the_command(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(store), "/shelf/a.zarr", recursive=True)
    monkeypatch.setattr(DatasetWriter, "commit", lambda self: None)
    main(["copy", "memory://shelf/a.zarr", str(tmp_path / "b.zarr"), "--storage-option", "token=hunter2", "--quiet"])
    text = (tmp_path / "b.zarr" / "zarr.json").read_text()
    assert "dgd copy" in text
    assert "hunter2" not in text
    memory.rm("/shelf", recursive=True)


def test_what_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`copy` would write into its own input"):
        copy(store, store, overwrite=True)
    copy(store, tmp_path / "z.zarr")
    with pytest.raises(ConfigurationError, match="`copy` would write into its own input"):
        copy([store, tmp_path / "z.zarr"], tmp_path / "z.zarr", overwrite=True)
    with pytest.raises(ConfigurationError, match="exists; give another path"):
        copy(X, store, Y)
    with pytest.raises(PlanError, match="raise the limit"):
        copy(store, tmp_path / "b.zarr", execution=dgd.Execution(memory_limit=1000))
    with pytest.raises(ConfigurationError, match="'y' holds labels that are texts"):
        copy(X, tmp_path / "b.zarr", np.where(Y > 0, "a", "b"))
    with pytest.raises(ConfigurationError, match="must be 'float32' or 'float64'"):
        copy(store, tmp_path / "b.zarr", dtype="int8")
    infinite = X.copy()
    infinite[7, 2] = np.inf
    with pytest.raises(ValueRangeError, match="row 7, column 2 is inf"):
        copy(infinite, tmp_path / "b.zarr", Y)


def test_memory_is_that_of_a_few_chunks(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "a.zarr", chunk_rows=1000) as writer:
        writer.append(RNG.normal(size=(12_000, 64)), np.ones(12_000))
    most = 12_000 * 64 * 8 / 2
    folders = (tmp_path / f"{number}.zarr" for number in count())
    assert peak_of(lambda: copy(tmp_path / "a.zarr", next(folders), chunk_rows=700), most) < most
