"""A model on disk: a folder of model.json, coef.npy and intercept.npy, each with its checksum. Never pickle.

With the covariance of its coefficients it is of format 3, with centre.npy and root.npy (L, (q·p, k)) besides; with a
design, how its columns are made of those of a table, of format 4, with a covariance or without.

The seal finds accidents; whoever writes a model on purpose can compute it. So each field, array and file is checked.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd._version import __version__
from dgd.data.design.design import Design
from dgd.data.folders import read_steady, replaced_folder
from dgd.data.plain_files import read_plain_file
from dgd.errors import ConfigurationError, ModelError
from dgd.errors.checks import is_file_name
from dgd.errors.writing import writing
from dgd.losses import LOSSES
from dgd.losses.written import loss_as_written
from dgd.models.document import parsed_object
from dgd.models.inference.uncertainty import Uncertainty, finite_df
from dgd.models.npy import LONGEST_HEADER, npy_array, npy_bytes
from dgd.models.predictor import Predictor

FORMAT, WITH_COVARIANCE, WITH_DESIGN = 2, 3, 4
READABLE = (1, FORMAT, WITH_COVARIANCE, WITH_DESIGN)
"""Format 1 had one output and no classes."""
DOCUMENT = "model.json"
LARGEST_DOCUMENT = 16 * 2**20
LARGEST_ARRAY = 2**30
ARRAYS = ("coef.npy", "intercept.npy")
OF_COVARIANCE = ("centre.npy", "root.npy")
COVARIANCE_FIELDS: dict[str, tuple[type, ...]] = {
    "cov": (str,),
    "df": (int, float, type(None)),
    "dispersion": (list,),
    "joint": (bool,),
}
FIELDS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "dgd": (str,),
    "numpy": (str,),
    "loss": (str,),
    "classes": (list, type(None)),
    "feature_names": (list, type(None)),
    "target_name": (str, type(None)),
    "n_features": (int,),
    "provenance": (dict,),
    "sha256": (dict,),
    "seal": (str,),
}
"""The entries of the document, and what each may be."""


def write_predictor(model: Predictor, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a model beside `path`, and put it there when it is whole; see `Model.save`."""
    write_files(path, DOCUMENT, "model", lambda: _files(model), overwrite=overwrite)


def write_files(
    path: str | os.PathLike[str],
    document: str,
    noun: str,
    made: Callable[[], dict[str, bytes]],
    *,
    overwrite: bool,
) -> None:
    """Write the files of a folder beside `path`, and put it there when it is whole; what it replaces has `document`."""
    if "://" in os.fspath(path):
        raise ConfigurationError(f"{path} is a URL, and {noun}s are saved to local folders; save it to one and copy it")
    target = Path(path)
    with writing(target):
        exists, replaces = target.exists(), (target / document).is_file()
    if exists and not overwrite:
        raise ConfigurationError(f"`save` would replace {target}, which exists; pass overwrite=True, or another path")
    if exists and not replaces:
        raise ConfigurationError(f"{target} exists and is not a dgd {noun}; `save` replaces only {noun}s")
    files = made()
    with writing(target), replaced_folder(target, overwrite=overwrite) as draft:
        for name, content in files.items():
            (draft / name).write_bytes(content)


def _files(model: Predictor) -> dict[str, bytes]:
    """The files by name. Raises ModelError for a model that could not be loaded again."""
    flaw = model.flaw()
    if flaw is not None:
        raise ModelError(f"the model cannot be saved: {flaw}")
    files = {
        "coef.npy": npy_bytes(model.coef),
        "intercept.npy": npy_bytes(np.asarray(model.intercept, dtype=np.float64)),
    }
    if model.uncertainty is not None:
        files["centre.npy"] = npy_bytes(model.uncertainty.centre)
        files["root.npy"] = npy_bytes(model.uncertainty.root.reshape(-1, model.uncertainty.root.shape[2]))
    try:
        files[DOCUMENT] = _document(model, {name: sha256(content) for name, content in files.items()})
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"the model cannot be saved: what it says of itself is not JSON ({error})") from error
    for name, content in files.items():
        limit = LARGEST_DOCUMENT if name == DOCUMENT else LARGEST_ARRAY
        if len(content) > limit:
            raise ModelError(f"the model cannot be saved: {name} would have {len(content):,} bytes, at most {limit:,}")
    return files


def _document(model: Predictor, checksums: dict[str, str]) -> bytes:
    with_covariance = FORMAT if model.uncertainty is None else WITH_COVARIANCE
    document: dict[str, Any] = {
        "format": with_covariance if model.design is None else WITH_DESIGN,
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
    if model.uncertainty is not None:
        document["covariance"] = {
            "cov": model.uncertainty.cov,
            "df": finite_df(model.uncertainty.df),
            "dispersion": model.uncertainty.dispersion.tolist(),
            "joint": model.uncertainty.joint,
        }
    if model.design is not None:
        document["design"] = model.design.as_json()
    document["seal"] = seal(document)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a name in another encoding than UTF-8
        return json.dumps(document, indent=2).encode()


def read_predictor(path: str | os.PathLike[str]) -> Predictor:
    """Read a model that `Model.save` wrote, after checking every checksum, field and array.

    Raises ModelError if the folder is missing, damaged, or of a later format.
    """
    folder = Path(path)
    if "://" in os.fspath(path):
        raise ModelError(f"{path} is a URL, and models are read from local folders; copy it to one first")
    if not is_file_name(str(folder)):
        raise ModelError(f"no folder can have the name {str(folder)!r}, so there is no dgd model; check the path")
    return read_steady(folder, lambda: _read(folder))


def _read(folder: Path) -> Predictor:
    document = _read_document(folder)
    coef = _read_array(folder / "coef.npy", document, at_most=LARGEST_ARRAY)
    outputs = coef.shape[0] if coef.ndim == 2 else 1
    intercept = _read_array(folder / "intercept.npy", document, at_most=LONGEST_HEADER + 8 * outputs)
    names, classes = document["feature_names"], document.get("classes")
    model = Predictor(
        coef=coef,
        intercept=intercept if intercept.ndim else float(intercept),
        loss=document["loss"],
        classes=None if classes is None else tuple(classes),
        feature_names=None if names is None else tuple(names),
        target_name=document["target_name"],
        provenance=document["provenance"],
        link=loss_as_written(document["loss"], document["provenance"].get("loss")),
        uncertainty=_read_covariance(folder, document, coef),
        design=read_design(folder / DOCUMENT, document),
    )
    flaw = model.flaw()
    if flaw is None and document["n_features"] != model.n_features:
        flaw = f"{DOCUMENT} says {document['n_features']} features, and coef.npy has {model.n_features}"
    if flaw is not None:
        raise ModelError(f"{folder} is not a model that dgd wrote: {flaw}; save the model again")
    return model


def _read_covariance(folder: Path, document: dict[str, Any], coef: Vector) -> Uncertainty | None:
    if "covariance" not in document:
        return None
    found, n = document["covariance"], coef.shape[-1]
    _check_entries(found, COVARIANCE_FIELDS, folder / DOCUMENT, optional=set())
    numbers = [*found["dispersion"], math.inf if found["df"] is None else found["df"]]
    if not all(type(each) is float or (type(each) is int and abs(each) < 2**53) for each in numbers):
        raise ModelError(f"{folder / DOCUMENT}: 'dispersion' or 'df' has an entry that is not a number")
    centre = _read_array(folder / "centre.npy", document, at_most=LONGEST_HEADER + 8 * n)
    root = _read_array(folder / "root.npy", document, at_most=LARGEST_ARRAY)
    rows = (coef.shape[0] if coef.ndim == 2 else 1, n + 1)
    if root.ndim != 2 or len(root) != math.prod(rows):
        raise ModelError(f"{folder}: root.npy has shape {root.shape}, expected {math.prod(rows)} rows")
    return Uncertainty(
        cov=found["cov"],
        root=root.reshape(*rows, root.shape[1]),
        centre=centre,
        df=float(numbers[-1]),
        dispersion=np.array(numbers[:-1], dtype=np.float64),
        joint=found["joint"],
    )


def read_design(where: Path, document: dict[str, Any]) -> Design | None:
    """The design that a document holds, None if it holds none. Raises ModelError if it is none."""
    if document.get("design") is None:
        return None
    try:
        return Design.from_json(document["design"])
    except ConfigurationError as error:
        raise ModelError(f"{where}: {error}") from error


def _read_document(folder: Path) -> dict[str, Any]:
    """The document, each of its entries of its type."""
    where = folder / DOCUMENT
    try:
        document = parsed_object(read_plain_file(where, at_most=LARGEST_DOCUMENT))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not os.path.lexists(folder):
            raise ModelError(f"nothing is at {folder}, so there is no dgd model; check the path") from error
        raise ModelError(
            f"{folder} holds no {DOCUMENT}: there is no dgd model; save one with `model.save(path)`"
        ) from error
    except OSError as error:
        raise ModelError(f"{where} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{where} is damaged: {error}; save the model again") from error
    if document.get("seal") != seal({key: value for key, value in document.items() if key != "seal"}):
        raise ModelError(f"{where} was changed after it was written: its seal does not fit; save the model again")
    found = document.get("format")
    if type(found) is not int or found not in READABLE:
        raise ModelError(f"{folder} has model format {found!r}, expected {FORMAT} to {WITH_DESIGN}; use a newer dgd")
    _check_fields(document, where)
    if document["loss"] not in LOSSES:
        raise ModelError(
            f"{folder} was fitted with loss {document['loss']!r}, which this dgd does not know; "
            f"add it to `dgd.losses.LOSSES` first"
        )
    return document


def _check_fields(document: dict[str, Any], where: Path) -> None:
    has_covariance = document["format"] == WITH_COVARIANCE or (
        document["format"] == WITH_DESIGN and "covariance" in document
    )
    fields = {**FIELDS, "covariance": (dict,)} if has_covariance else dict(FIELDS)
    if document["format"] == WITH_DESIGN:
        fields["design"] = (dict,)
    _check_entries(document, fields, where, optional={"classes"} if document["format"] == 1 else set())
    arrays = sorted((*ARRAYS, *OF_COVARIANCE)) if has_covariance else list(ARRAYS)
    if sorted(document["sha256"]) != arrays:
        raise ModelError(
            f"{where}: 'sha256' names {', '.join(map(repr, document['sha256']))}, expected {' and '.join(arrays)}"
        )


def _check_entries(
    document: dict[str, Any], fields: dict[str, tuple[type, ...]], where: Path, *, optional: set[str]
) -> None:
    for name in sorted(document.keys() ^ fields.keys() - optional):
        what = "has an entry {!r} that this dgd does not know; use a newer dgd" if name in document else "has no {!r}"
        raise ModelError(f"{where} {what.format(name)}")
    for name, value in document.items():
        if type(value) not in fields[name]:
            raise ModelError(f"{where}: {name!r} is a {type(value).__name__}, expected {fields[name][0].__name__}")


def _read_array(path: Path, document: dict[str, Any], *, at_most: int) -> Vector:
    try:
        content = read_plain_file(path, at_most=at_most)
        if sha256(content) != document["sha256"][path.name]:
            raise ValueError(f"its sha256 is not the one in {DOCUMENT}")
        return npy_array(content)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; save the model again") from error
    except ValueError as error:
        raise ModelError(f"{path} is damaged: {error}; save the model again") from error


def sha256(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def seal(document: dict[str, Any]) -> str:
    """The sha256 of a document's entries but the seal itself."""
    return sha256(json.dumps(document, sort_keys=True, ensure_ascii=True).encode())
