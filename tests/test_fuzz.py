"""Whatever a model's files or a dataset's root document hold, opening it ends in a value or in an error of dgd.

`python -m pytest -m slow tests/test_fuzz.py` tries 100,000 inputs of each kind.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fuzz import DEFAULT, MANY, SEEDS, changed_bytes, changed_json, check_typed
from hostile_model import document_of, replace_array, reseal, write_anew

import dgd
from dgd.data.zarr.commit_marker import digest_of
from dgd.errors import DgdError
from dgd.models.npy import npy_bytes

Try = Callable[[random.Random], None]
X = np.random.default_rng(0).normal(size=(20, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    classes = np.where(X[:, 0] > 0.5, "a", np.where(X[:, 1] > 0, "b", "c"))
    model = dgd.fit(X, classes, loss="softmax", penalty=dgd.penalties.L2(0.1)).model
    model = dgd.Model(
        model.coef, model.intercept, model.loss, model.classes, ("p", "q", "r"), "t", provenance=model.provenance
    )
    model.save(tmp_path / "m.dgd")
    return tmp_path / "m.dgd"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=8, feature_names=["p", "q", "r"], target_name="t") as writer:
        writer.append(X, X[:, 0])
    return tmp_path / "a.zarr"


def predicts(folder: Path) -> None:
    """What was loaded is a whole model."""
    model = dgd.load_model(folder)
    raw = model.raw_prediction(np.zeros((2, model.n_features)))
    assert len(model.response(raw)) == 2
    assert model.classes is None or len(model.labels(raw)) == 2


def model_documents(folder: Path) -> Try:
    """Half of them bytes that were changed, half of them other values with a seal that fits."""
    original = (folder / "model.json").read_bytes()
    document = document_of(folder)

    def try_one(draw: random.Random) -> None:
        if draw.random() < 0.3:
            write_anew(folder / "model.json", changed_bytes(original, draw))
        else:
            changed = changed_json(document, draw)
            reseal(folder, changed if isinstance(changed, dict) else {"document": changed})
        predicts(folder)

    return try_one


def model_arrays(folder: Path) -> Try:
    """`coef.npy` and `intercept.npy`, with digests that fit."""
    original = {name: (folder / name).read_bytes() for name in ("coef.npy", "intercept.npy")}
    document = (folder / "model.json").read_bytes()

    def try_one(draw: random.Random) -> None:
        write_anew(folder / "model.json", document)
        name = draw.choice(("coef.npy", "coef.npy", "intercept.npy"))
        content = original[name]
        if draw.random() < 0.2:
            shape = draw.choice(((), (0,), (1,), (3,), (3, 3), (9, 1), (2, 2, 2)))
            dtype, value = draw.choice((("f8", 1.0), ("f8", np.nan), ("f4", 1.0), (">f8", 1.0), ("i8", 1), ("U3", "a")))
            content = npy_bytes(np.full(shape, value, dtype))
        for other in {"coef.npy", "intercept.npy"} - {name}:
            write_anew(folder / other, original[other])
        replace_array(folder, name, changed_bytes(content, draw) if draw.random() < 0.9 else content)
        predicts(folder)

    return try_one


def root_documents(path: Path) -> Try:
    """The root's `zarr.json`, with the commit marker in it."""
    original = (path / "zarr.json").read_bytes()
    document = json.loads(original)

    def try_one(draw: random.Random) -> None:
        if draw.random() < 0.3:
            write_anew(path / "zarr.json", changed_bytes(original, draw))
        else:
            changed = changed_json(document, draw)
            with suppress(KeyError, TypeError, AttributeError):
                changed["attributes"]["dgd"]["seal"] = digest_of(changed)
            write_anew(path / "zarr.json", json.dumps(changed).encode())
        found = dgd.open_dataset(path)
        assert found.read(0).X.shape == (8, 3)
        assert found.fingerprint
        if draw.random() < 0.1:
            dgd.info(path).table()

    return try_one


TARGETS = {"folder": (model_documents, model_arrays), "dataset": (root_documents,)}
CASES = [(fixture, make) for fixture, makers in TARGETS.items() for make in makers]


@pytest.mark.parametrize(("fixture", "make"), CASES)
def test_only_errors_of_dgd(fixture: str, make: Callable[[Path], Try], request: pytest.FixtureRequest) -> None:
    accepted, refused = check_typed(make(request.getfixturevalue(fixture)), DEFAULT)
    assert accepted, "nothing was changed so that it still loads: the inputs are too wild to find much"
    assert refused > DEFAULT / 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("fixture", "make"), CASES)
def test_only_errors_of_dgd_for_many(
    fixture: str, make: Callable[[Path], Try], seed: int, request: pytest.FixtureRequest
) -> None:
    check_typed(make(request.getfixturevalue(fixture)), MANY, seed=seed)


def test_an_error_that_is_not_typed_is_found(dataset: Path) -> None:
    def try_one(draw: random.Random) -> None:
        if draw.random() < 0.1:
            raise DgdError("refused")
        if draw.random() < 0.05:
            raise KeyError("sha256")

    with pytest.raises(AssertionError, match=r"input \d+ of seed 0 ended in KeyError"):
        check_typed(try_one, 200)
    shutil.rmtree(dataset)
