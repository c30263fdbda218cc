"""What attributes and dimension names say is done, as xarray does it; or it is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, SchemaError, UnsupportedFormatError, ValueRangeError

ROWS = 40
PACKED = {
    "offset and unsigned": {"dtype": "int8", "_Unsigned": "true", "add_offset": 250.0, "_FillValue": -1},
    "scale, offset, fill": {"dtype": "int16", "scale_factor": 0.01, "add_offset": 250.0, "_FillValue": -32768},
    "scale alone": {"dtype": "int32", "scale_factor": 0.5, "_FillValue": -1},
    "offset alone": {"dtype": "int32", "add_offset": 250.0, "_FillValue": -1},
    "unsigned": {"dtype": "int8", "_Unsigned": "true", "scale_factor": 2.0, "_FillValue": -1},
    "fill of a float": {"dtype": "float32", "_FillValue": np.float32(1e20)},
    "missing value": {"dtype": "float64", "missing_value": -99.9, "_FillValue": -99.9},
    "fill of an integer": {"dtype": "int16", "_FillValue": -999},
    "fill of a wide integer": {"dtype": "int64", "_FillValue": -999},
}


def variables(*, missing: bool = True) -> xr.Dataset:
    rng = np.random.default_rng(0)
    X = 260 + 10.0 * rng.integers(0, 9, size=(ROWS, 3))
    if missing:
        X[::7, 1] = np.nan
    return xr.Dataset({"X": (("s", "f"), X), "y": ("s", 2.0 * np.arange(ROWS))})


def written(path: Path, data: xr.Dataset, zarr_format: int, encoding: dict[str, Any]) -> xr.Dataset:
    data.to_zarr(path, zarr_format=zarr_format, encoding={"X": {"chunks": (16, 3), **encoding}}, consolidated=False)
    return xr.open_zarr(path, consolidated=False)


def values(path: Any, **options: Any) -> np.ndarray:
    dataset = dgd.open_dataset(path, **options)
    return np.concatenate([dataset.read(k).X for k in range(dataset.n_chunks)])


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_values_are_those_of_xarray(tmp_path: Path, packed: dict[str, Any], zarr_format: int) -> None:
    expected = written(tmp_path / "a.zarr", variables(), zarr_format, packed)
    found = values(tmp_path / "a.zarr")
    assert found.dtype == expected.X.dtype
    np.testing.assert_array_equal(found, expected.X.values)
    array = zarr.open_group(tmp_path / "a.zarr", mode="r")["X"]
    by_object = dgd.open_dataset(array, variables().y.values)
    np.testing.assert_array_equal(by_object.read(1).X, expected.X.values[16:32])


def test_a_fit_of_packed_data_is_that_of_their_values(tmp_path: Path) -> None:
    expected = written(tmp_path / "a.zarr", variables(missing=False), 3, PACKED["scale, offset, fill"])
    result = dgd.fit(tmp_path / "a.zarr")
    truth = dgd.fit(expected.X.values, expected.y.values)
    np.testing.assert_allclose(result.coef_, truth.coef_, rtol=1e-12)
    np.testing.assert_allclose(truth.model.predict(tmp_path / "a.zarr"), truth.model.predict(expected.X.values))
    scores = [truth.model.score(tmp_path / "a.zarr"), truth.model.score(expected.X.values, expected.y.values)]
    assert scores[0].r2 == pytest.approx(scores[1].r2)


def test_a_missing_cell_is_named(tmp_path: Path) -> None:
    written(tmp_path / "a.zarr", variables(), 3, PACKED["scale, offset, fill"])
    with pytest.raises(ValueRangeError, match=r"row 0.*column 1|column 1.*row 0"):
        dgd.fit(tmp_path / "a.zarr")
    assert dgd.fit(tmp_path / "a.zarr", decode=False).converged


def store(path: Path, *, format_: int = 3, X: dict[str, Any] | None = None, y: dict[str, Any] | None = None) -> Path:
    """A small group whose arrays have attributes."""
    group = zarr.open_group(path, mode="w", zarr_format=format_)
    rng = np.random.default_rng(1)
    for name, data, attributes in (("X", rng.integers(0, 9, (ROWS, 2)), X), ("y", np.arange(ROWS) % 3, y)):
        group.create_array(name, data=data.astype("int16"), chunks=(16, 2)[: data.ndim]).attrs.update(attributes or {})
    return path


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"scale_factor": "wide"}, "scale_factor"),
        ({"scale_factor": [1.0, 2.0]}, "scale_factor"),
        ({"scale_factor": 0}, "scale_factor"),
        ({"add_offset": {"a": 1}}, "add_offset"),
        ({"_FillValue": [None]}, "_FillValue"),
        ({"missing_value": "none"}, "missing_value"),
        ({"_Unsigned": "maybe"}, "_Unsigned"),
        ({"valid_range": [1]}, "valid_range"),
        ({"flag_masks": [1, 2], "flag_meanings": "a b"}, "flag_masks"),
        ({"flag_values": [1, 2], "flag_meanings": "a"}, "flag_meanings"),
        ({"flag_values": [0, 1], "flag_meanings": "sea land"}, "flag_values"),
        ({"units": "days since 2020-01-01"}, "time_unit"),
        ({"units": "days", "dtype": "timedelta64[ns]"}, "time_unit"),
        ({"encoding-type": "categorical"}, "encoding-type"),
    ],
)
def test_what_cannot_be_decoded_is_refused_by_name(tmp_path: Path, attributes: dict[str, Any], named: str) -> None:
    path = store(tmp_path / "a.zarr", X=attributes)
    with pytest.raises(UnsupportedFormatError, match=named):
        dgd.fit(path)
    assert dgd.fit(path, decode=False).status is not None


def test_unknown_attributes_change_nothing(tmp_path: Path) -> None:
    plain = dgd.fit(store(tmp_path / "a.zarr"))
    described = dgd.fit(store(tmp_path / "b.zarr", X={"long_name": "wind", "units": "m s-1", "comment": "_FillValue"}))
    assert plain.theta.tobytes() == described.theta.tobytes()


def test_values_outside_of_the_valid_range_are_missing(tmp_path: Path) -> None:
    raw = values(store(tmp_path / "a.zarr"))
    found = values(store(tmp_path / "b.zarr", X={"valid_min": 2, "valid_max": 6}))
    np.testing.assert_array_equal(found, np.where((raw < 2) | (raw > 6), np.nan, raw))


def test_a_valid_range_has_the_sign_of_what_is_stored(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X={"_Unsigned": "true", "valid_range": [0, -2]})
    assert not np.isnan(values(path)).any()


@pytest.mark.parametrize(("given", "missing"), [({}, False), ({"_Unsigned": "true"}, True)])
def test_a_fill_value_of_the_other_sign_counts_where_signs_are_exchanged(
    tmp_path: Path, given: dict[str, Any], missing: bool
) -> None:
    path = store(tmp_path / "a.zarr", X={"missing_value": 2**16 - 1, **given})
    zarr.open_group(path, mode="r+")["X"][3, 1] = -1  # type: ignore[index]
    assert np.isnan(values(path)[3, 1]) == missing
    assert np.isnan(values(path)).sum() == missing


def test_a_fill_value_of_format_2_counts_where_netcdf_wrote_it(tmp_path: Path) -> None:
    raw = values(store(tmp_path / "a.zarr", format_=2))
    assert not np.isnan(raw).any()
    found = values(store(tmp_path / "b.zarr", format_=2, X={"_ARRAY_DIMENSIONS": ["s", "f"]}))
    np.testing.assert_array_equal(found, np.where(raw == 0, np.nan, raw))


def test_flags_are_the_labels_of_classes(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", y={"flag_values": [0, 1, 2], "flag_meanings": "sea land ice"})
    result = dgd.fit(path, loss="softmax", penalty=dgd.penalties.L2(0.1))
    assert result.model.classes == ("ice", "land", "sea")
    with pytest.raises(ValueRangeError, match="row 0 is sea"):
        dgd.fit(path)
    torn = store(tmp_path / "b.zarr", y={"flag_values": [0, 1], "flag_meanings": "sea land"})
    with pytest.raises(ValueRangeError, match="row 2: code 2 has no label"):
        dgd.fit(torn, loss="softmax")


@pytest.mark.parametrize(("unit", "per_hour"), [("hours", 1), ("days", 1 / 24), ("seconds", 3600)])
def test_a_time_is_a_number_in_the_unit_that_was_asked_for(tmp_path: Path, unit: str, per_hour: float) -> None:
    path = store(tmp_path / "a.zarr", y={"units": "hours since 2020-01-01"})
    with pytest.raises(UnsupportedFormatError, match="time_unit='days'"):
        dgd.fit(path)
    found = dgd.fit(path, time_unit=unit).theta
    expected = dgd.fit(path, decode=False).theta * per_hour
    expected[0] += (np.datetime64("2020-01-01") - np.datetime64("1970-01-01")) / np.timedelta64(
        1, unit[0].replace("d", "D")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"units": "months since 2020-01-01"}, "units"),
        ({"units": "days since some day"}, "units"),
        ({"units": "days since 2020-02-31"}, "units"),
        ({"units": "hours since 1-1-1 00:00:0.0"}, "proleptic"),
        ({"units": "days since 2020-01-01", "calendar": "noleap"}, "calendar"),
    ],
)
def test_a_time_without_one_length_or_date_is_refused(tmp_path: Path, attributes: dict[str, str], named: str) -> None:
    path = store(tmp_path / "a.zarr", y=attributes)
    with pytest.raises(UnsupportedFormatError, match=named):
        dgd.fit(path, time_unit="days")


@pytest.mark.each(3)
@pytest.mark.parametrize("shards", [None, (16, 12)])
@pytest.mark.parametrize("square", [True, False])
def test_x_is_read_transposed_where_the_names_say_so(
    tmp_path: Path, square: bool, shards: tuple[int, int] | None
) -> None:
    n = ROWS if square else 30
    rng = np.random.default_rng(2)
    X, b = rng.normal(size=(ROWS, n)), np.arange(float(n))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=X.T, chunks=(8, 6), shards=shards, dimension_names=["feature", "sample"])
    group.create_array("y", data=X @ b, chunks=(7,), dimension_names=["sample"])
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    assert dataset.shape == (ROWS, n)
    np.testing.assert_array_equal(values(tmp_path / "a.zarr"), X)
    model = dgd.fit(X, X @ b).model
    np.testing.assert_allclose(model.predict(tmp_path / "a.zarr"), X @ b, atol=1e-8)
    result = dgd.fit(tmp_path / "a.zarr", penalty=dgd.penalties.L2(1e-9))
    np.testing.assert_allclose(result.model.predict(X), X @ b, atol=1e-3)
    stored = dgd.open_dataset(tmp_path / "a.zarr", y=np.ones(n), decode=False)
    assert stored.X.fingerprint != dataset.X.fingerprint


def test_names_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=np.eye(9), dimension_names=["time", "site"])
    group.create_array("y", data=np.ones(9), dimension_names=["sample"])
    group.create_array("weight", data=np.ones(9), dimension_names=["time"])
    with pytest.raises(SchemaError, match="'time' and 'site', and the rows of 'y' are 'sample'"):
        dgd.fit(tmp_path / "a.zarr")
    with pytest.raises(SchemaError, match="'sample' and those of 'weight' are 'time'"):
        dgd.fit(tmp_path / "a.zarr", weight="weight")
    assert dgd.open_dataset(tmp_path / "a.zarr", decode=False).shape == (9, 9)


def test_the_command_line_decodes_and_says_what_numbers_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.zarr"
    written(path, variables(), 3, PACKED["scale, offset, fill"])
    assert main(["info", str(path)]) == 0
    assert "X means      0.01 × stored + 250; -32768 is missing" in capsys.readouterr().out
    assert main(["fit", str(path)]) == 3
    assert main(["fit", str(path), "--no-decode"]) == 0
    times = store(tmp_path / "b.zarr", y={"units": "hours since 2020-01-01"})
    assert main(["info", str(times)]) == 0
    assert "holds times" in capsys.readouterr().out
    assert main(["fit", str(times)]) == 3
    assert main(["fit", str(times), "--time-unit", "days"]) == 0


def test_how_data_are_read_is_checked(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr")
    with pytest.raises(ConfigurationError, match="time_unit must be one of"):
        dgd.fit(path, time_unit="weeks")
    with pytest.raises(ConfigurationError, match="decode must be"):
        dgd.fit(path, decode="cf")
    with pytest.raises(TypeError, match="unexpected keyword argument 'decoded'"):
        dgd.fit(path, decoded=True)
    with pytest.raises(ConfigurationError, match="as it was opened"):
        dgd.fit(dgd.open_dataset(path), decode=False)
