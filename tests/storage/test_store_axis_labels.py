"""What the columns of a matrix are called by its coordinates: names of features, and which axis they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, ModelError

NAMES = ("t2m", "rh", "wind")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=40)


def written(path: Path, values: np.ndarray, dims: tuple[str, str], *, y: bool = True, **how: Any) -> Path:
    features: Any = how.pop("labels", np.array(NAMES, dtype=object))
    ds = xr.Dataset({"X": (dims, values)}, coords={"feature": features})
    if y:
        ds["y"] = ("sample", Y)
    ds.to_zarr(path, consolidated=False, **how)
    return path


@pytest.mark.each(3)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", [object, "U8"])
@pytest.mark.filterwarnings("ignore:The data type .FixedLengthUTF32")
def test_a_coordinate_of_text_names_the_features(tmp_path: Path, zarr_format: Any, dtype: Any) -> None:
    labels = np.array(NAMES, dtype=dtype)
    path = written(tmp_path / "a.zarr", X, ("sample", "feature"), zarr_format=zarr_format, labels=labels)
    result = dgd.fit(path)
    assert result.model.feature_names == NAMES
    turned = written(tmp_path / "b.zarr", X.T, ("feature", "sample"), zarr_format=zarr_format, labels=labels)
    assert dgd.fit(turned).model.feature_names == NAMES
    some = dgd.fit(path, features=["wind", "t2m"])
    np.testing.assert_allclose(some.theta, dgd.fit(X[:, [2, 0]], Y).theta)
    other = written(tmp_path / "c.zarr", X[:, ::-1], ("sample", "feature"), labels=labels[::-1])
    with pytest.raises(ModelError, match=r"column 0 of .* is 'wind'"):
        result.model.predict(other)


@pytest.mark.parametrize("labels", [np.arange(3), np.array(["a", "a", "b"], dtype=object)])
def test_numbers_and_repeated_texts_are_no_names(tmp_path: Path, labels: Any) -> None:
    path = written(tmp_path / "a.zarr", X, ("sample", "feature"), labels=labels)
    assert dgd.fit(path).model.feature_names is None


@pytest.mark.parametrize("rows", [40, 3])
def test_a_matrix_without_a_target_is_turned_by_its_labels(tmp_path: Path, rows: int) -> None:
    model = dgd.fit(X, Y).model
    known = dgd.Model(model.coef, model.intercept, "squared", feature_names=NAMES)
    part = X[:rows]
    path = written(tmp_path / "a.zarr", part.T, ("feature", "sample"), y=False)
    expected = model.predict(part)
    np.testing.assert_allclose(known.predict(path), expected)
    stored = xr.open_zarr(path, consolidated=False)
    np.testing.assert_allclose(known.predict(stored.X), expected)
    np.testing.assert_allclose(known.predict(stored), expected)


def test_a_turned_matrix_without_labels_is_told(tmp_path: Path) -> None:
    model = dgd.fit(X, Y).model
    path = written(tmp_path / "a.zarr", X.T, ("feature", "sample"), y=False, labels=np.arange(3))
    with pytest.raises(ModelError, match="transpose=True"):
        model.predict(path)
    np.testing.assert_allclose(model.predict(path, transpose=True), model.predict(X))


def test_coordinates_are_no_targets_for_info(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zarr", X, ("sample", "feature"))
    assert not [each for each in dgd.info(path).warnings if "cannot be fitted together" in each.text]


@pytest.mark.parametrize("several", [True, False])
def test_several_stores_are_described_one_by_one(tmp_path: Path, several: bool) -> None:
    paths = [written(tmp_path / f"{k}.zarr", X, ("sample", "feature")) for k in range(2)]
    with pytest.raises(ConfigurationError, match=r"one of them, as .*0\.zarr"):
        dgd.info(paths if several else tmp_path / "*.zarr")
    assert main(["info", str(tmp_path / "*.zarr")]) == 2
