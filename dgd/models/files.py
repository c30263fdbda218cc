"""A model on disk: a folder of model.json, coef.npy and intercept.npy, each with its checksum. Never pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd._version import __version__
from dgd.data.folders import read_steady, replaced_folder
from dgd.errors import ConfigurationError, ModelError
from dgd.errors.writing import writing
from dgd.losses import LOSSES
from dgd.models.predictor import Predictor

FORMAT = 2
READABLE = (1, 2)
"""Format 1 had one output and no classes."""
DOCUMENT = "model.json"


def write_predictor(model: Predictor, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a model beside `path`, and put it there when it is whole; see `Model.save`."""
    target = Path(path)
    with writing(target):
        exists, replaces = target.exists(), (target / DOCUMENT).is_file()
    if exists and not overwrite:
        raise ConfigurationError(f"`save` would replace {target}, which exists; pass overwrite=True, or another path")
    if exists and not replaces:
        raise ConfigurationError(f"{target} exists and is not a dgd model; `save` replaces only models")
    files = {"coef.npy": _npy(model.coef), "intercept.npy": _npy(np.array(model.intercept))}
    files[DOCUMENT] = _document(model, {name: _sha256(content) for name, content in files.items()})
    with writing(target), replaced_folder(target, overwrite=overwrite) as draft:
        for name, content in files.items():
            (draft / name).write_bytes(content)


def _document(model: Predictor, checksums: dict[str, str]) -> bytes:
    document = {
        "format": FORMAT,
        "dgd": __version__,
        "numpy": np.__version__,
        "loss": model.loss,
        "classes": None if model.classes is None else list(model.classes),
        "feature_names": None if model.feature_names is None else list(model.feature_names),
        "target_name": model.target_name,
        "n_features": model.n_features,
        "provenance": model.provenance,
        "sha256": checksums,
    }
    document["seal"] = _seal(document)
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def read_predictor(path: str | os.PathLike[str]) -> Predictor:
    """Read a model that `Model.save` wrote, after checking every checksum.

    Raises ModelError if the folder is missing, damaged, or of a later format.
    """
    folder = Path(path)
    return read_steady(folder, lambda: _read(folder))


def _read(folder: Path) -> Predictor:
    if not (folder / DOCUMENT).is_file():
        raise ModelError(f"{folder} holds no {DOCUMENT}: there is no dgd model; save one with `model.save(path)`")
    try:
        document = json.loads((folder / DOCUMENT).read_bytes())
        seal = document.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder / DOCUMENT} is damaged: {error}; save the model again") from error
    if seal != _seal(document):
        raise ModelError(f"{folder / DOCUMENT} was changed after it was written: its seal does not fit")
    if document["format"] not in READABLE:
        raise ModelError(f"{folder} has model format {document['format']}, expected {FORMAT}; use a newer dgd")
    if document["loss"] not in LOSSES:
        raise ModelError(
            f"{folder} was fitted with loss {document['loss']!r}, which this dgd does not know; "
            f"add it to `dgd.losses.LOSSES` first"
        )
    arrays = {name: _read_npy(folder / name, digest) for name, digest in document["sha256"].items()}
    names, classes = document["feature_names"], document.get("classes")
    intercept = arrays["intercept.npy"]
    return Predictor(
        coef=arrays["coef.npy"],
        intercept=intercept if intercept.ndim else float(intercept),
        loss=document["loss"],
        classes=None if classes is None else tuple(classes),
        feature_names=None if names is None else tuple(names),
        target_name=document["target_name"],
        provenance=document["provenance"],
    )


def _read_npy(path: Path, digest: str) -> Vector:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if _sha256(content) != digest:
        raise ModelError(f"{path} is damaged: its sha256 is not the one in {DOCUMENT}; save the model again")
    try:
        array: Vector = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise ModelError(f"{path} is not an array of numbers: {error}") from error
    if array.dtype != np.float64:
        raise ModelError(f"{path} holds {array.dtype}, expected float64")
    return array


def _npy(array: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _seal(document: dict[str, Any]) -> str:
    return _sha256(json.dumps(document, sort_keys=True, ensure_ascii=True).encode())
