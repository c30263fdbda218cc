"""Models: saved with checksums, renamed when whole, refused when damaged; predictions and scores."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import zarr
from conftest import Problem
from traced import peak_of

import dgd
from dgd.errors import ConfigurationError, DataError, IncompleteDatasetError, ModelError, ValueRangeError


@pytest.fixture(scope="module")
def model(store: str) -> dgd.Model:
    return dgd.fit(store, tol=1e-10, max_iter=5000).model


def test_saved_and_loaded_is_the_same(model: dgd.Model, store: str, tmp_path: Path) -> None:
    model.save(tmp_path / "m.dgd")
    found = dgd.load_model(tmp_path / "m.dgd")
    assert found.coef.tobytes() == model.coef.tobytes()
    assert found.intercept == model.intercept
    assert (found.loss, found.feature_names, found.target_name) == ("squared", tuple("abcde"), "t")
    assert found.provenance == model.provenance
    assert found.provenance["fingerprint"] == dgd.open_dataset(store).fingerprint
    assert found.provenance["dgd"] == dgd.__version__
    assert found.provenance["status"] == "converged"
    assert sorted(p.name for p in (tmp_path / "m.dgd").iterdir()) == ["coef.npy", "intercept.npy", "model.json"]
    assert list(tmp_path.iterdir()) == [tmp_path / "m.dgd"], "drafts were left behind"


def test_an_existing_model_is_replaced_only_when_asked(model: dgd.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "m.dgd")
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        model.save(tmp_path / "m.dgd")
    other = dgd.Model(np.array([9.0]), 1.0, "squared")
    other.save(tmp_path / "m.dgd", overwrite=True)
    assert dgd.load_model(tmp_path / "m.dgd").coef == [9.0]
    assert list(tmp_path.iterdir()) == [tmp_path / "m.dgd"]
    (tmp_path / "precious").mkdir()
    with pytest.raises(ConfigurationError, match="not a dgd model"):
        model.save(tmp_path / "precious", overwrite=True)


def test_every_flipped_bit_of_a_model_is_noticed(model: dgd.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "m.dgd")
    rng = np.random.default_rng(0)
    for path in sorted((tmp_path / "m.dgd").iterdir()):
        content = path.read_bytes()
        for position in rng.integers(0, 8 * len(content), size=75):
            damaged = bytearray(content)
            damaged[position // 8] ^= 1 << (position % 8)
            path.write_bytes(damaged)
            try:
                found = dgd.load_model(tmp_path / "m.dgd")
            except ModelError:
                continue
            assert (found.coef.tobytes(), found.intercept) == (model.coef.tobytes(), model.intercept)
            assert found.provenance == model.provenance
            assert found.feature_names == model.feature_names
        path.write_bytes(content)


def test_what_is_not_a_model_says_so(model: dgd.Model, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model\.json"):
        dgd.load_model(tmp_path)
    with pytest.raises(ModelError, match=r"nothing is at .*nowhere\.dgd, so there is no dgd model; check the path"):
        dgd.load_model(tmp_path / "nowhere.dgd")
    model.save(tmp_path / "m.dgd")
    (tmp_path / "m.dgd" / "coef.npy").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        dgd.load_model(tmp_path / "m.dgd")


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    """An object array with a fitting checksum is refused before anything in it runs."""
    dgd.Model(np.array([1.0]), 0.0, "squared").save(tmp_path / "m.dgd")
    import hashlib
    import io

    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "m.dgd" / "coef.npy").write_bytes(stream.getvalue())
    document = json.loads((tmp_path / "m.dgd" / "model.json").read_text())
    document["sha256"]["coef.npy"] = hashlib.sha256(stream.getvalue()).hexdigest()
    seal = document.pop("seal")
    assert seal
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=True).encode()
    document["seal"] = hashlib.sha256(canonical).hexdigest()
    (tmp_path / "m.dgd" / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="pickle"):
        dgd.load_model(tmp_path / "m.dgd")


def test_predictions_in_memory_and_in_zarr(model: dgd.Model, problem: Problem, store: str, tmp_path: Path) -> None:
    expected = problem.X @ model.coef + model.intercept
    found = model.predict(store)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert model.predict(problem.X) == pytest.approx(expected, rel=1e-12)
    dgd.predict_to(model, store, tmp_path / "p.zarr", threads=2)
    array = zarr.open_array(tmp_path / "p.zarr", mode="r")
    assert array[:].tobytes() == found.tobytes()
    assert array.chunks == (50,)
    assert array.metadata.dimension_names == ("row",)
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        dgd.predict_to(model, store, tmp_path / "p.zarr")
    dgd.predict_to(model, store, tmp_path / "p.zarr", overwrite=True)


def test_predictions_need_no_target(model: dgd.Model, problem: Problem, tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "x.zarr", chunk_rows=100, feature_names=list("abcde")) as writer:
        writer.append(problem.X)
    np.testing.assert_allclose(model.predict(tmp_path / "x.zarr"), problem.X @ model.coef + model.intercept, rtol=1e-12)


def test_interrupted_predictions_are_refused(model: dgd.Model, problem: Problem, tmp_path: Path) -> None:
    X = problem.X.copy()
    X[700, 1] = np.inf
    array = zarr.create_array(tmp_path / "bad.zarr", shape=X.shape, chunks=(100, 5), dtype=float)
    array[:] = X
    with pytest.raises(ValueRangeError, match="row 700, column 1 is inf"):
        dgd.predict_to(model, tmp_path / "bad.zarr", tmp_path / "p.zarr")
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(problem.X, tmp_path / "p.zarr")


def test_predictions_are_made_in_bounded_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(tmp_path / "x.zarr", chunk_rows=2000) as writer:
        for _ in range(40):
            writer.append(rng.normal(size=(2000, 30)))
    model = dgd.Model(rng.normal(size=30), 0.5, "squared")
    dgd.predict_to(model, tmp_path / "x.zarr", tmp_path / "warm.zarr", threads=1)
    most = 4 * 2000 * 30 * 8
    folders = (tmp_path / f"{number}.zarr" for number in count())
    peak = peak_of(lambda: dgd.predict_to(model, tmp_path / "x.zarr", next(folders), threads=1), most)
    assert peak < most, f"{peak:,} bytes for chunks of {2000 * 30 * 8:,} of {80_000 * 30 * 8:,}"


def test_data_of_another_shape_or_order_are_refused(model: dgd.Model, problem: Problem, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="5 coefficients and array 'X' of memory has 4 columns"):
        model.predict(problem.X[:, :4])
    with dgd.DatasetWriter(tmp_path / "x.zarr", feature_names=list("abdce")) as writer:
        writer.append(problem.X, problem.y)
    with pytest.raises(ModelError, match=r"column 2 of .* is 'd', and the model was fitted on 'c' there"):
        model.predict(tmp_path / "x.zarr")


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_their_formulas(model: dgd.Model, problem: Problem, store: str, weighted: bool) -> None:
    residual = problem.X @ model.coef + model.intercept - problem.y
    w = problem.weight if weighted else np.ones(1003)
    mean = np.average(problem.y, weights=w)
    found = model.score(store, weight="weight" if weighted else None)
    mse = np.average(residual**2, weights=w)
    assert found.mse == pytest.approx(mse, rel=1e-12)
    assert found.rmse == pytest.approx(mse**0.5, rel=1e-12)
    assert found.mae == pytest.approx(np.average(abs(residual), weights=w), rel=1e-12)
    assert found.r2 == pytest.approx(1 - mse / np.average((problem.y - mean) ** 2, weights=w), rel=1e-12)
    assert found.rows == 1003


def test_a_score_needs_weight_and_variance(model: dgd.Model, problem: Problem) -> None:
    assert np.isnan(model.score(problem.X, np.ones(1003)).r2)
    with pytest.raises(DataError, match="weights sum to 0"):
        model.score(problem.X, problem.y, weight=np.zeros(1003))
    bad = problem.y.copy()
    bad[5] = np.nan
    with pytest.raises(ValueRangeError, match="'y', chunk 0: row 5 is nan"):
        model.score(problem.X, bad)
