"""AnnData stores as anndata 0.12 writes them: sparse X, categories, columns with a mask, layers, names of genes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import dgd
from dgd.cli import main
from dgd.errors import CorruptChunkError, DataError, SchemaError, UnsupportedFormatError, ValueRangeError

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
