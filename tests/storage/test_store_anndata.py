"""AnnData stores as anndata 0.12 writes them: sparse X, categories, columns with a mask, layers, names of genes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import dgd
from dgd import testing
from dgd.cli import main
from dgd.errors import (
    CorruptChunkError,
    DataError,
    MissingChunkError,
    SchemaError,
    UnsupportedFormatError,
    ValueRangeError,
)

DATA = Path(__file__).parent.parent / "data"
TRUTH = dict(np.load(DATA / "anndata.npz"))
GENES = tuple(f"gene{j}" for j in range(7))
RIDGE = dgd.penalties.L2(0.1)


@pytest.fixture(params=[2, 3])
def atlas(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.unpack_archive(DATA / f"anndata_v{request.param}.zip", tmp_path / "atlas.zarr")
    return tmp_path / "atlas.zarr"


def test_a_sparse_matrix_and_a_column(atlas: Path) -> None:
    result = dgd.fit(atlas, "obs/n")
    expected = dgd.fit(TRUTH["X"], TRUTH["n"])
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)
    assert result.model.feature_names == GENES
    np.testing.assert_allclose(result.model.predict(atlas), expected.model.predict(TRUTH["X"]))
    assert dgd.fit(atlas, "obs/n", threads=1).theta.tobytes() == dgd.fit(atlas, "obs/n", threads=2).theta.tobytes()


def test_categories_are_labels(atlas: Path) -> None:
    with pytest.raises(ValueRangeError, match=r"row 5 has no label.*missing='drop'"):
        dgd.fit(atlas, "obs/cell_type", loss="softmax")
    result = dgd.fit(atlas, "obs/cell_type", loss="softmax", penalty=RIDGE, missing="drop")
    there = TRUTH["cell_type"] != ""
    expected = dgd.fit(TRUTH["X"][there], TRUTH["cell_type"][there], loss="softmax", penalty=RIDGE)
    assert result.model.classes == ("B cell", "T cell", "mono")
    assert result.rows_left_out == 2
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-5, atol=1e-7)
    found = result.model.score(atlas, "obs/cell_type", missing="drop")
    wanted = expected.model.score(TRUTH["X"], TRUTH["cell_type"], missing="drop")
    assert found.log_loss == pytest.approx(wanted.log_loss)


def test_numbers_by_category_and_columns_with_a_mask(atlas: Path) -> None:
    np.testing.assert_allclose(dgd.fit(atlas, "obs/stage").theta, dgd.fit(TRUTH["X"], TRUTH["stage"]).theta, rtol=1e-9)
    with pytest.raises(ValueRangeError, match="row 3 is nan"):
        dgd.fit(atlas, "obs/age")
    result = dgd.fit(atlas, "obs/age", missing="drop")
    assert result.missing_cells == {"y": 2}
    there = ~np.isnan(TRUTH["age"])
    np.testing.assert_allclose(result.theta, dgd.fit(TRUTH["X"][there], TRUTH["age"][there]).theta, rtol=1e-7)


def test_layers_and_embeddings(atlas: Path) -> None:
    result = dgd.fit(atlas, "obs/n", X="layers/dense")
    np.testing.assert_allclose(result.theta, dgd.fit(2 * TRUTH["X"], TRUTH["n"]).theta, rtol=1e-9)
    assert result.model.feature_names == GENES
    pca = dgd.fit(atlas, "obs/n", X="obsm/X_pca")
    np.testing.assert_allclose(pca.theta, dgd.fit(TRUTH["pca"], TRUTH["n"]).theta, rtol=1e-9)
    some = dgd.fit(atlas, "obs/n", features=["gene3", "gene1"])
    np.testing.assert_allclose(some.theta, dgd.fit(TRUTH["X"][:, [3, 1]], TRUTH["n"]).theta, rtol=1e-9)


def test_columns_of_observations_are_features_beside_x(atlas: Path, tmp_path: Path) -> None:
    result = dgd.fit(atlas, "obs/n", features=["obs/age", "X", "obsm/X_pca"], missing="drop")
    X = np.column_stack([TRUTH["age"], TRUTH["X"], TRUTH["pca"]])
    there = ~np.isnan(TRUTH["age"])
    np.testing.assert_allclose(result.theta, dgd.fit(X[there], TRUTH["n"][there]).theta, rtol=1e-7)
    assert result.model.feature_names == ("obs/age", *GENES, "obsm/X_pca[0]", "obsm/X_pca[1]")
    assert result.missing_cells == {"obs/age": 2}
    result.model.save(tmp_path / "m.dgd")
    found = dgd.load_model(tmp_path / "m.dgd").predict(atlas, missing="drop")
    np.testing.assert_allclose(found[there], result.model.predict(X[there]))
    assert np.isnan(found[~there]).all()
    expected = result.model.score(X[there], TRUTH["n"][there])
    assert result.model.score(atlas, "obs/n", missing="drop").r2 == pytest.approx(expected.r2)
    assert main(["predict", str(tmp_path / "m.dgd"), str(atlas), "--missing", "drop"]) == 0


def test_features_stand_in_the_order_of_their_names(atlas: Path) -> None:
    features = ["gene3", "obsm/X_pca", "gene1"]
    some, alone = (dgd.fit(atlas, "obs/n", features=features, threads=threads) for threads in (2, 1))
    scattered = np.column_stack([TRUTH["X"][:, 3], TRUTH["pca"], TRUTH["X"][:, 1]])
    np.testing.assert_allclose(some.theta, dgd.fit(scattered, TRUTH["n"]).theta, rtol=1e-9)
    assert some.theta.tobytes() == alone.theta.tobytes()
    np.testing.assert_allclose(some.model.predict(atlas), some.model.predict(scattered))


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("obs/cell_type", "'obs/cell_type' holds texts or categories.*get_dummies"),
        ("obs/stage", "'obs/stage' holds texts or categories.*get_dummies"),
        ("obs/nothing", "no column 'obs/nothing', and there is no array of that name beside it; it has gene0"),
        ("var/q", "has shape .7,., and 'X' has 120 rows"),
        ("obs", "is a table; name one of its columns"),
        ("obs/age/values", "is a part of"),
    ],
)
def test_what_is_no_feature_beside_x_is_refused(feature: str, message: str, tmp_path: Path) -> None:
    shutil.unpack_archive(DATA / "anndata_v3.zip", tmp_path / "a.zarr")
    with pytest.raises(DataError, match=message):
        dgd.fit(tmp_path / "a.zarr", "obs/n", features=["X", feature])


def test_features_beside_a_matrix_of_any_store_or_xarray(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, age = rng.normal(size=(53, 2)), rng.normal(size=53)
    y = X @ [1.0, 2.0] + 3 * age
    data = xr.Dataset({"X": (("r", "f"), X), "age": ("r", age), "y": ("r", y)})
    data.to_zarr(tmp_path / "a.zarr", encoding={"X": {"chunks": (10, 1)}, "age": {"chunks": (7,)}}, consolidated=False)
    expected = dgd.fit(np.column_stack([X, age]), y)
    for given in (tmp_path / "a.zarr", data, xr.open_zarr(tmp_path / "a.zarr", consolidated=False)):
        result = dgd.fit(given, features=["X", "age"])
        np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9, atol=1e-12)
        assert result.model.feature_names == ("X[0]", "X[1]", "age")
        np.testing.assert_allclose(result.model.predict(given), y, atol=1e-9)
    dataset = dgd.open_dataset(tmp_path / "a.zarr", features=["X", "age"])
    testing.check_rows(dataset.X, np.column_stack([X, age]))


def test_info_lists_the_elements(atlas: Path) -> None:
    found = dgd.info(atlas)
    named = {each.name: each.row()[1:] for each in found.elements}
    assert named == {
        "X": ("120 × 7", "sparse matrix by rows"),
        "layers/by_column": ("120 × 7", "sparse matrix by columns, of which rows are not read"),
        "layers/dense": ("120 × 7", "float32"),
        "obsm/X_pca": ("120 × 2", "float64"),
        "obs/cell_type": ("120", "3 categories: B cell, T cell, mono"),
        "obs/age": ("120", "integers, some missing"),
        "obs/n": ("120", "float64"),
        "obs/stage": ("120", "3 categories: 1.5, 2.5, 4.0"),
        "obs/flag": ("120", "true or false, some missing"),
    }
    assert found.feature_names == GENES
    assert "obs/cell_type     120      3 categories" in found.table()
    assert "not readable" not in found.table()
    assert found.as_json()["elements"][4]["levels"] == ["B cell", "T cell", "mono"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "obs/n", "X": "layers/by_column"}, "by columns"),
        ({"y": "obs"}, "is a table; name one of its columns.*cell_type"),
        ({"y": "obs/ct"}, "ct"),
        ({"y": "obs/cell_type/codes"}, "obs/cell_type"),
        ({"y": "obs/age/values"}, "obs/age"),
    ],
)
def test_what_is_no_column_or_matrix_is_refused(atlas: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dgd.fit(atlas, **arguments)


def test_a_part_by_its_path_is_refused(atlas: Path) -> None:
    with pytest.raises(SchemaError, match="a part of"):
        dgd.fit(atlas / "layers" / "dense", atlas / "obs" / "cell_type" / "codes")


@pytest.mark.parametrize("name", ["obs/cell_type/codes", "obs/age/mask", "X/indices"])
def test_chunks_that_were_left_out_are_filled_in_every_element(atlas: Path, name: str) -> None:
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(atlas / name, mode="r+")[...] = 0
    chunks = [file for file in (atlas / name).rglob("*") if file.is_file() and not file.name.startswith((".z", "zarr"))]
    assert chunks
    kwargs: dict[str, str] = {"y": "obs/n" if name == "X/indices" else name.rpartition("/")[0], "missing": "drop"}
    whole = dgd.open_dataset(atlas, **kwargs).read(0)
    for chunk in chunks:
        chunk.unlink()
    with pytest.raises(MissingChunkError, match="missing_chunks='fill'"):
        dgd.open_dataset(atlas, **kwargs).read(0)
    found = dgd.open_dataset(atlas, **kwargs, missing_chunks="fill").read(0)
    np.testing.assert_array_equal(found.X.toarray(), whole.X.toarray())  # type: ignore[union-attr]
    np.testing.assert_array_equal(found.y, whole.y)
    assert found.filled >= 1


@pytest.mark.parametrize("name", ["obs/cell_type/categories", "var/_index", "obs/stage/categories"])
def test_a_chunk_of_labels_is_never_taken_for_nothing(atlas: Path, name: str) -> None:
    for file in (atlas / name).rglob("*"):
        if file.is_file() and not file.name.startswith((".z", "zarr")):
            file.unlink()
    with pytest.raises(MissingChunkError, match="of its labels is not in the store"):
        dgd.fit(atlas, "obs/stage" if "stage" in name else "obs/cell_type", missing="drop", missing_chunks="fill")


def test_a_torn_sparse_matrix_is_refused(tmp_path: Path) -> None:
    shutil.unpack_archive(DATA / "anndata_v3.zip", tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r+")
    indices, indptr = group["X/indices"], group["X/indptr"]
    kept = indices[:]
    indices[4] = 7
    with pytest.raises(CorruptChunkError, match="a column number is not in 0 to 6"):
        dgd.fit(tmp_path / "a.zarr", "obs/n")
    indices[:] = kept
    indptr[3] = 10**6
    with pytest.raises(CorruptChunkError, match="row bounds do not ascend"):
        dgd.fit(tmp_path / "a.zarr", "obs/n")
    group["X"].attrs["shape"] = [5, 7]
    with pytest.raises(SchemaError, match="contradict each other"):
        dgd.fit(tmp_path / "a.zarr", "obs/n")


def test_the_command_line(atlas: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--y", "obs/cell_type", "--loss", "softmax", "--l2", "0.1", "--missing", "drop", "--quiet"]
    assert main(["fit", str(atlas), *arguments]) == 0
    assert "T cell" in capsys.readouterr().out
    assert main(["fit", str(atlas), "--x", "layers/dense", "--y", "obs/n", "--quiet"]) == 0


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    shutil.unpack_archive(DATA / "anndata_v2.zip", tmp_path / "a.zarr")
    document = tmp_path / "a.zarr" / "obs" / "cell_type" / "categories" / ".zarray"
    document.write_text(document.read_text().replace("vlen-utf8", "pickle"))
    with pytest.raises(UnsupportedFormatError, match="Python objects"):
        dgd.fit(tmp_path / "a.zarr", "obs/cell_type", loss="softmax")
