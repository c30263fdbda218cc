"""Models that somebody made to do harm: whatever the seal says, loading ends at once, with a model or a ModelError."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_model import document_of, replace_array, reseal, sha256
from traced import peak_of

import dgd
from dgd.data.plain_files import read_plain_file
from dgd.errors import ModelError
from dgd.models.npy import npy_array, npy_bytes

MISSING = object()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "m.dgd"
    names = ("a", "b", "c")
    dgd.Model(np.array([1.0, 2.0, 3.0]), 0.5, "squared", feature_names=names, target_name="t").save(path)
    return path


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "m.dgd"))


def refused(folder: Path, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        dgd.load_model(folder)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        *((name, MISSING, f"has no '{name}'") for name in ("dgd", "loss", "n_features", "sha256", "feature_names")),
        ("format", MISSING, "format None"),
        ("format", True, "format True"),
        ("format", "2", "format '2'"),
        ("format", 3, "has no 'covariance'"),
        ("format", 4, "has no 'design'"),
        ("format", 5, "use a newer dgd"),
        ("loss", ["squared"], "'loss' is a list, expected str"),
        ("loss", "no such", "does not know"),
        ("loss", "softmax", "no classes"),
        ("classes", {}, "'classes' is a dict"),
        ("classes", [0, 1], "has none"),
        ("feature_names", ["a", "b"], "not 3 strings"),
        ("feature_names", ["a", "b", 3], "not 3 strings"),
        ("feature_names", "abc", "'feature_names' is a str"),
        ("target_name", 7, "'target_name' is a int"),
        ("n_features", 99, "says 99 features"),
        ("n_features", 3.0, "'n_features' is a float"),
        ("n_features", True, "'n_features' is a bool"),
        ("provenance", [], "'provenance' is a list"),
        ("sha256", [], "'sha256' is a list"),
        ("sha256", {"coef.npy": "", "../x.npy": ""}, "expected coef.npy and intercept.npy"),
        ("sha256", {"coef.npy": 1, "intercept.npy": None}, "its sha256 is not"),
        ("extra", 1, "has an entry 'extra'"),
    ],
)
def test_each_field_is_what_it_must_be(folder: Path, field: str, value: Any, says: str) -> None:
    document = document_of(folder)
    document[field] = value
    if value is MISSING:
        del document[field]
    reseal(folder, document)
    with pytest.raises(ModelError, match=says):
        dgd.load_model(folder)


@pytest.mark.parametrize(
    ("loss", "coef", "classes", "says"),
    [
        ("logistic", np.ones(3), [], "0 classes"),
        ("logistic", np.ones(3), ["a"], "at least two"),
        ("logistic", np.ones(3), ["a", "b", "c"], "has 3 classes"),
        ("logistic", np.ones(3), [1, True], "all different"),
        ("logistic", np.ones(3), [None, "b"], "not numbers"),
        ("logistic", np.ones(3), [[], []], "not numbers"),
        ("logistic", np.ones(3), [float("nan"), 1], "not finite"),
        ("softmax", np.ones(3), ["a", "b"], r"shape \(3,\)"),
        ("softmax", np.ones((3, 3)), ["a", "b"], r"shape \(3, 3\)"),
    ],
)
def test_classes_fit_the_loss_and_the_coefficients(
    folder: Path, loss: str, coef: np.ndarray, classes: Any, says: str
) -> None:
    replace_array(folder, "coef.npy", npy_bytes(coef))
    replace_array(folder, "intercept.npy", npy_bytes(np.zeros(coef.shape[:-1])))
    reseal(folder, {**document_of(folder), "loss": loss, "classes": classes})
    with pytest.raises(ModelError, match=says):
        dgd.load_model(folder)


def npy(header: str, values: bytes = b"\0" * 24, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header.encode() + values


def objects() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.ones(3))
    return stream.getvalue()


WHOLE = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "does not begin"),
        (b"\x93NUMPY\x01\x00", "does not begin"),
        (archive(), "does not begin"),
        (npy(WHOLE, version=b"\x02\x00"), "does not begin"),
        (objects(), "pickle"),
        (npy(WHOLE.replace("(3,)", "(10000000000,)")), "80,000,000,000"),
        (npy(WHOLE.replace("(3,)", "(999999999999, 999999999999)")), "24 bytes of values"),
        (npy(WHOLE.replace("3", "-3")), "header"),
        (npy(WHOLE.replace("\n", " " * 600 + "\n")), "header"),
        (npy(WHOLE.replace("3", "9" * 5000)), "header"),
        (npy(WHOLE.replace("(3,)", "(1, 1, 3)")), "header"),
        (npy(WHOLE.replace("(3,)", "((((3,))))")), "header"),
        (npy(WHOLE.replace("(3,)", "__import__('os').abort()")), "header"),
        (npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,), }\n"), "records"),
        (npy("('" * 200), "header"),
        (npy(WHOLE.replace("f8", "c8")), "float64"),
        (npy(WHOLE, b"\0" * 25), "25 bytes of values"),
        (npy(WHOLE, b"\0" * 16), "16 bytes of values"),
        (npy_bytes(np.ones((2, 3))), "the intercept has shape"),
        (npy_bytes(np.ones(())), "have shape"),
        (npy_bytes(np.ones(0)), "says 3 features"),
        (npy_bytes(np.ones(4)), "says 3 features"),
        (npy_bytes(np.array([1.0, np.nan, 1])), "not finite"),
        (npy_bytes(np.array([1.0, np.inf, 1])), "not finite"),
    ],
    ids=lambda value: str(value)[-20:],
)
def test_an_array_is_float64_finite_and_of_its_shape(folder: Path, content: bytes, says: str) -> None:
    replace_array(folder, "coef.npy", content)
    document = document_of(folder)
    reseal(folder, {**document, "feature_names": None})
    assert peak_of(lambda: refused(folder, says), 2**20) < 2**20


@pytest.mark.parametrize("values", [np.ones(2), np.ones((1, 1)), np.array(np.nan), np.ones(5000)])
def test_an_intercept_is_a_number_for_each_output(folder: Path, values: np.ndarray) -> None:
    replace_array(folder, "intercept.npy", npy_bytes(values))
    with pytest.raises(ModelError, match=r"intercept|not finite"):
        dgd.load_model(folder)


@pytest.mark.parametrize("kept", [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3.0), np.array(1.5)])
def test_what_numpy_writes_is_read(kept: np.ndarray) -> None:
    found = npy_array(npy_bytes(kept))
    assert (found.shape, found.tobytes()) == (kept.shape, kept.tobytes())


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_out(path: Path) -> None:
    outside = path.parent.parent / "elsewhere"
    outside.write_bytes(npy_bytes(np.array([1.0, 2.0, 3.0])))
    path.symlink_to(outside)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def unix_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # The name of a socket must be short.
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


KINDS: list[Callable[[Path], None]] = [fifo, link_to_a_device, link_out, link_to_itself, unix_socket, large, Path.mkdir]


@pytest.mark.parametrize("name", ["model.json", "coef.npy", "intercept.npy"])
@pytest.mark.parametrize("make", KINDS)
def test_what_is_not_a_file_is_refused_at_once(folder: Path, name: str, make: Callable[[Path], None]) -> None:
    (folder / name).unlink()
    make(folder / name)
    says = rf"{name} is damaged: it (is a .*, expected a file|has .* bytes)"
    assert peak_of(lambda: refused(folder, says), 2**20) < 2**20


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged"),
        (b"[]", "JSON list"),
        (b"null", "JSON NoneType"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 990 + b"1" + b"}" * 990, "nested too deep"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested too deep"),
        (b'{"seal": "", "seal": "x"}', "'seal' twice"),
        (b"\xff\xfe{}", "damaged"),
        (b'{"seal": ' + b"9" * 5000 + b"}", "damaged"),
        (b"{}", "its seal does not fit"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_document_is_one_flat_object(folder: Path, content: bytes, says: str) -> None:
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        dgd.load_model(folder)


def test_a_name_that_comes_twice_is_refused_though_the_seal_fits_the_last(folder: Path) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text('{"loss": "poisson",' + text.lstrip().removeprefix("{"))
    with pytest.raises(ModelError, match="'loss' twice"):
        dgd.load_model(folder)


def test_a_path_that_no_folder_can_have() -> None:
    for path in ("a\0b", "x" * 5000):
        with pytest.raises(ModelError):
            dgd.load_model(path)


def test_a_file_that_grows_while_it_is_read_is_read_to_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"1234")
    monkeypatch.setattr(os, "read", lambda file, count: b"x" * count)
    with pytest.raises(ValueError, match="has 9 bytes, expected at most 8"):
        read_plain_file(tmp_path / "f", at_most=8)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (dgd.Model(np.array([1.0, np.nan]), 0.0, "squared"), "not finite"),
        (dgd.Model(np.ones(2, "f4"), 0.0, "squared"), "float32"),
        (dgd.Model(np.ones(2), 0.0, "squared", feature_names=("a",)), "not 2 strings"),
        (dgd.Model(np.ones(2), 0.0, "squared", provenance={"who": {1, 2}}), "not JSON"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(model: dgd.Model, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"cannot be saved: .*{says}"):
        model.save(tmp_path / "m.dgd")
    assert not list(tmp_path.iterdir())


def test_names_in_another_encoding_are_saved(tmp_path: Path) -> None:
    """A file name that is not UTF-8 comes from Python as lone surrogates."""
    dgd.Model(np.ones(1), 0, "squared", target_name="t\udce4").save(tmp_path / "m.dgd")
    assert dgd.load_model(tmp_path / "m.dgd").target_name == "t\udce4"


def test_a_tampered_model_with_a_fitting_seal_predicts_its_numbers(folder: Path) -> None:
    """The helpers of this file make what loads, if nothing is wrong with it."""
    replace_array(folder, "coef.npy", npy(WHOLE, np.array([4.0, 5, 6]).tobytes()))
    assert dgd.load_model(folder).predict(np.eye(3)).tolist() == [4.5, 5.5, 6.5]
    assert json.loads((folder / "model.json").read_text())["sha256"]["coef.npy"] == sha256(
        (folder / "coef.npy").read_bytes()
    )
