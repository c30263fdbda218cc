"""Sparse matrices that dgd writes: AnnData's layout, checked as every other array, copied, described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from scipy import sparse

import dgd
from dgd.cli import main
from dgd.errors import CorruptChunkError, DataError, MetadataError, SchemaError, ValueRangeError

MATRIX = sparse.random(700, 30, density=0.2, format="csr", rng=1, dtype=np.float32)
Y = np.asarray(MATRIX.sum(axis=1)).ravel() + np.random.default_rng(0).normal(size=700)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    with dgd.DatasetWriter(tmp_path / "a.zarr", feature_names=[f"g{j}" for j in range(30)]) as writer:
        for start in range(0, 700, 300):
            writer.append(MATRIX[start : start + 300], Y[start : start + 300])
    return tmp_path / "a.zarr"


def as_anndata(path: Path) -> Any:
    """The matrix by the rules of anndata's format, through zarr and scipy alone."""
    group = zarr.open_group(path, mode="r")["X"]
    assert group.attrs["encoding-type"] == "csr_matrix"
    assert group.attrs["encoding-version"] == "0.1.0"
    parts = [group[name][:] for name in ("data", "indices", "indptr")]
    return sparse.csr_array(tuple(parts), shape=tuple(group.attrs["shape"]))


def test_what_is_written_is_anndatas(stored: Path) -> None:
    found = as_anndata(stored)
    assert_array_equal(found.toarray(), MATRIX.toarray())
    assert found.dtype == np.float32
    assert found.nnz == MATRIX.nnz
    opened = dgd.open_dataset(stored)
    assert opened.feature_names == tuple(f"g{j}" for j in range(30))
    assert dgd.fit(stored).theta.tobytes() == dgd.fit(MATRIX, Y).theta.tobytes()
    assert dgd.verify(stored).whole


def test_zeros_that_are_stored_stay_and_entries_stored_twice_are_added(tmp_path: Path) -> None:
    twice = sparse.csr_array(([1.0, 2, 0, 4], [0, 0, 1, 2], [0, 3, 4, 4]), shape=(3, 3))
    with dgd.DatasetWriter(tmp_path / "b.zarr") as writer:
        writer.append(twice, np.arange(3.0))
    found = as_anndata(tmp_path / "b.zarr")
    assert found.data.tolist() == [3, 0, 4]
    assert found.indptr.tolist() == [0, 2, 3, 3]


def test_copies_are_sparse_or_dense_as_asked_for(stored: Path, tmp_path: Path) -> None:
    same, dense, back = (tmp_path / name for name in ("same.zarr", "dense.zarr", "back.zarr"))
    assert dgd.copy(stored, same).arrays == ("X", "y")
    dgd.copy(same, dense, sparse=False)
    assert main(["copy", str(dense), str(back), "--sparse", "--compression", "zstd", "--quiet"]) == 0
    assert_array_equal(zarr.open_group(dense, mode="r")["X"][:], MATRIX.toarray())
    for path in (same, back):
        assert_array_equal(as_anndata(path).toarray(), MATRIX.toarray())
        assert dgd.fit(path).theta.tobytes() == dgd.fit(stored).theta.tobytes()
    assert dgd.copy(stored, dense, sparse=False, overwrite=True).rows == 700
    some = dgd.copy(stored, same, features=["g3", "g1"], overwrite=True)
    assert (some.features, as_anndata(same).toarray().tolist()) == (2, MATRIX.toarray()[:, [3, 1]].tolist())
    with pytest.raises(SchemaError, match=r"is dense, and sparse in the first.*dgd copy"):
        dgd.open_dataset([stored, dense])


def test_what_was_changed_since_is_refused(stored: Path) -> None:
    document = stored / "X" / "zarr.json"
    original = document.read_text()
    changed = json.loads(original)
    changed["attributes"]["shape"][1] = 31
    document.write_text(json.dumps(changed))
    with pytest.raises(MetadataError, match="'X' was changed after the dataset was written"):
        dgd.fit(stored)
    document.write_text(original)
    chunk = stored / "X" / "indices" / "c" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(CorruptChunkError, match="X/indices"):
        dgd.fit(stored)
    assert not dgd.verify(stored).whole
    root = json.loads((stored / "zarr.json").read_text())
    root["attributes"] = {}
    (stored / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(MetadataError, match="commit marker is gone"):
        dgd.fit(stored, np.zeros(700))


def test_blocks_that_cannot_be_written_leave_no_trace(tmp_path: Path) -> None:
    bad = MATRIX.copy()
    row, place = 20, int(MATRIX.indptr[20])
    bad.data[place] = np.inf
    with dgd.DatasetWriter(tmp_path / "c.zarr") as writer:
        writer.append(MATRIX, Y)
        with pytest.raises(ValueRangeError, match=rf"row {700 + row}, column {MATRIX.indices[place]} is inf"):
            writer.append(bad, Y)
        with pytest.raises(SchemaError, match="X is dense, and sparse in the first block"):
            writer.append(MATRIX.toarray(), Y)
        with pytest.raises(SchemaError, match="X has shape"):
            writer.append(MATRIX[:, :4], Y)
    assert as_anndata(tmp_path / "c.zarr").shape == (700, 30)


def test_plan_and_info_speak_of_non_zeros(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = dgd.plan(stored)
    assert plan.non_zeros == MATRIX.nnz == 4200
    assert "700 rows × 30 features, 4,200 non-zeros (0.2 of the cells), in 1 chunk" in plan.line()
    assert plan.as_json()["density"] == pytest.approx(0.2)
    assert dgd.plan(MATRIX.toarray(), Y).non_zeros is None
    (matrix,) = dgd.info(stored).sparse
    assert (matrix.name, matrix.shape, matrix.non_zeros, matrix.density) == ("X", (700, 30), 4200, 0.2)
    assert main(["info", str(stored)]) == 0
    assert "X: 700 × 30, sparse by rows (CSR), 4,200 non-zeros (0.2 of the cells)" in capsys.readouterr().out
    assert main(["plan", str(stored)]) == 0
    assert "4,200 non-zeros" in capsys.readouterr().out


def test_a_matrix_that_lacks_a_part_is_refused(stored: Path, tmp_path: Path) -> None:
    (stored / "X" / "indptr" / "c" / "0").unlink()
    with pytest.raises(DataError, match="X/indptr"):
        dgd.fit(stored)
