"""Targets that are labels, stored as strings of a fixed length, and targets and offsets of several columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import dgd
from dgd.errors import DataError, MetadataError, SchemaError, UnsupportedFormatError

LABELS = np.array(["no", "yes", "perhaps"])
pytestmark = pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")


def classes(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 2))
    return X, LABELS[np.digitize(X[:, 0] + 0.3 * rng.normal(size=rows), [-0.5, 0.5])]


@pytest.mark.parametrize("compressors", [None, "auto"])
@pytest.mark.parametrize("dtype", ["<U7", "S7", ">U7"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_are_read_as_they_are(tmp_path: Path, zarr_format: Any, dtype: str, compressors: Any) -> None:
    X, y = classes()
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("X", data=X, chunks=(7, 2))
    group.create_array("y", data=y.astype(dtype), chunks=(9,), compressors=compressors)
    result = dgd.fit(tmp_path / "a.zarr", loss="softmax", penalty=dgd.penalties.L2(0.1))
    expected = dgd.fit(X, y, loss="softmax", penalty=dgd.penalties.L2(0.1))
    assert result.model.classes == ("no", "perhaps", "yes")
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-12, atol=1e-12)
    assert (result.model.predict(tmp_path / "a.zarr") == expected.model.predict(X)).all()
    result.model.save(tmp_path / "model.dgd")
    assert dgd.load_model(tmp_path / "model.dgd").classes == ("no", "perhaps", "yes")


def test_labels_are_for_targets_only(tmp_path: Path) -> None:
    X, y = classes()
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=np.stack([y, y], axis=1))
    group.create_array("y", data=X[:, 0])
    group.create_array("weight", data=y)
    with pytest.raises(UnsupportedFormatError, match="array 'X' has dtype <U7"):
        dgd.open_dataset(tmp_path / "a.zarr")
    with pytest.raises(UnsupportedFormatError, match="array 'weight' has dtype <U7"):
        dgd.open_dataset(X, X[:, 0], weight=tmp_path / "a.zarr" / "weight")
    with pytest.raises(DataError, match=r"array 'y', chunk 0: row 0 is .*expects a number"):
        dgd.fit(X, y)


@pytest.mark.parametrize("length", [0, 3, -4, 4100, "28", None])
def test_a_torn_length_is_refused(tmp_path: Path, length: Any) -> None:
    zarr.create_array(tmp_path / "y", data=classes()[1])
    document = (tmp_path / "y" / "zarr.json").read_text()
    shown = {None: "null", "28": '"28"'}.get(length, str(length))
    (tmp_path / "y" / "zarr.json").write_text(document.replace('"length_bytes": 28', f'"length_bytes": {shown}'))
    with pytest.raises(MetadataError, match="is not an array's metadata"):
        dgd.open_dataset(classes()[0], tmp_path / "y")


def test_several_targets_and_offsets_are_written_and_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X, offset = rng.normal(size=(100, 3)), rng.normal(size=(100, 2))
    Y = X @ rng.normal(size=(3, 2)) + 1 + offset
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=30) as writer:
        for rows in (slice(0, 50), slice(50, 100)):
            writer.append(X[rows], Y[rows], offset=offset[rows])
    result = dgd.fit(tmp_path / "a.zarr", offset="offset")
    np.testing.assert_allclose(result.theta, dgd.fit(X, Y - offset).theta, atol=1e-12)
    assert (result.coef_.shape, np.shape(result.intercept_)) == ((2, 3), (2,))
    dgd.predict_to(result.model, tmp_path / "a.zarr", tmp_path / "p.zarr", offset="offset")
    np.testing.assert_allclose(zarr.open_array(tmp_path / "p.zarr", mode="r")[...], Y, atol=1e-10)
    assert result.model.score(tmp_path / "a.zarr", offset="offset").mse < 1e-20
    writer = dgd.DatasetWriter(tmp_path / "b.zarr")
    writer.append(X, Y)
    with pytest.raises(dgd.errors.SchemaError, match=r"y has shape \(100,\), expected \(100, 2\)"):
        writer.append(X, Y[:, 0])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_texts_of_any_length_are_a_target(tmp_path: Path, zarr_format: Any) -> None:
    X, y = classes()
    ridge = dgd.penalties.L2(0.1)
    expected = dgd.fit(X, y, loss="softmax", penalty=ridge)
    texts = xr.Dataset({"y": ("s", y.astype(object))})
    how: Any = {"zarr_format": zarr_format, "consolidated": False}
    texts.assign(X=(("s", "f"), X)).to_zarr(tmp_path / "a.zarr", **how)
    texts.assign(X=(("f", "s"), X.T)).to_zarr(tmp_path / "turned.zarr", **how)
    texts.assign(a=("s", X[:, 0]), b=("s", X[:, 1])).to_zarr(tmp_path / "variables.zarr", **how)
    for name in ("a", "turned", "variables"):
        some: Any = {"features": ["a", "b"]} if name == "variables" else {}
        result = dgd.fit(tmp_path / f"{name}.zarr", loss="softmax", penalty=ridge, **some)
        np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9, atol=1e-12)
        assert result.model.classes == expected.model.classes
    other = texts.rename(s="t").assign(X=(("s", "f"), X[:, [0, 0]]))
    other.to_zarr(tmp_path / "other.zarr", **how)
    with pytest.raises(SchemaError, match="'t': they are not the same rows"):
        dgd.fit(tmp_path / "other.zarr", loss="softmax")
    with pytest.raises(UnsupportedFormatError, match="'y' has dtype"):
        dgd.fit(tmp_path / "a.zarr", "X", X="y")
