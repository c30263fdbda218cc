"""A summary on disk: a folder of summary.json and arrays of float64, each with its checksum. Never pickle.

The seal finds accidents; whoever writes a summary on purpose can compute it. So each field, array and file is checked.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd._typing import Array, Vector
from dgd._version import __version__
from dgd.data.design.design import Design
from dgd.data.folders import read_steady
from dgd.data.plain_files import read_plain_file
from dgd.errors import ModelError
from dgd.errors.checks import is_file_name
from dgd.models.document import parsed_object
from dgd.models.files import read_design, seal, sha256, write_files
from dgd.models.npy import npy_array, npy_bytes
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.r_factor import RFactor

if TYPE_CHECKING:
    from dgd.fitting.summary.summary import Summary

FORMAT = 1
DOCUMENT = "summary.json"
LARGEST_DOCUMENT = 16 * 2**20
LARGEST_ARRAY = 2**36
FIELDS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "dgd": (str,),
    "numpy": (str,),
    "method": (str,),
    "precision": (str,),
    "parts": (int,),
    "features": (int,),
    "targets": (int,),
    "several": (bool,),
    "by_chunk": (bool,),
    "feature_names": (list, type(None)),
    "target_name": (str, type(None)),
    "source": (str,),
    "identity": (str,),
    "rows_left_out": (int,),
    "roles": (list,),
    "design": (dict, type(None)),
    "sha256": (dict,),
    "seal": (str,),
}
"""The entries of the document, and what each may be."""
ROLES = ("weight", "offset")
"""What may have stood beside X and y."""
VECTORS = {"gram": ("about", "mean", "level", "target_mean", "squares"), "qr": ("about", "level", "rest")}
MATRICES = {"gram": ("products", "cross"), "qr": ("factor",)}
KINDS: dict[str, type] = {"gram": Gram, "qr": RFactor}
COUNTS, CHUNKS = "counts", "chunks"


def write_summary(summary: Summary, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a summary beside `path`, and put it there when it is whole; see `Summary.save`."""
    write_files(path, DOCUMENT, "summary", lambda: _files(summary), overwrite=overwrite)


def _files(summary: Summary) -> dict[str, bytes]:
    parts, method = summary.parts, summary.method
    arrays: dict[str, Array] = {name: np.stack([getattr(part, name) for part in parts]) for name in VECTORS[method]}
    arrays |= {name: np.concatenate([getattr(part, name) for part in parts]) for name in MATRICES[method]}
    arrays[COUNTS] = np.array([[part.rows, part.weight, part.counted, part.log_weight] for part in parts])
    arrays[CHUNKS] = summary.chunks
    files = {f"{name}.npy": npy_bytes(np.ascontiguousarray(values, np.float64)) for name, values in arrays.items()}
    n, q = summary.shape
    names = summary.feature_names
    document = {
        "format": FORMAT,
        "dgd": __version__,
        "numpy": np.__version__,
        "method": method,
        "precision": summary.precision,
        "parts": len(parts),
        "features": n,
        "targets": q,
        "several": summary.several,
        "by_chunk": summary.by_chunk,
        "feature_names": None if names is None else list(names),
        "target_name": summary.target_name,
        "source": summary.source,
        "identity": summary.identity,
        "rows_left_out": summary.rows_left_out,
        "roles": list(summary.roles),
        "design": None if summary.design is None else summary.design.as_json(),
        "sha256": {name: sha256(content) for name, content in files.items()},
    }
    document["seal"] = seal(document)
    return {**files, DOCUMENT: json.dumps(document, indent=2).encode()}


def read_summary(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a summary is made with, after checking every checksum, field and array; see `dgd.load_summary`."""
    folder = Path(path)
    if "://" in os.fspath(path) or not is_file_name(str(folder)):
        raise ModelError(f"{str(path)!r} is no local folder, and summaries are read from those; check the path")
    return read_steady(folder, lambda: _read(folder))


def _read(folder: Path) -> dict[str, Any]:
    document = _read_document(folder)
    shapes = _shapes(document)
    found = {name: _read_array(folder, document, name, shape) for name, shape in shapes.items()}
    chunks = _read_array(folder, document, CHUNKS, None)
    flaw = _flaw(document, found, chunks)
    if flaw is not None:
        raise ModelError(f"{folder} is not a summary that dgd wrote: {flaw}; save the summary again")
    names = document["feature_names"]
    same = ("target_name", "several", "by_chunk", "precision", "source", "identity", "rows_left_out")
    return {
        "parts": tuple(_part(document, found, i) for i in range(document["parts"])),
        "feature_names": None if names is None else tuple(names),
        "chunks": chunks,
        "roles": tuple(document["roles"]),
        "design": _design(folder, document),
        **{name: document[name] for name in same},
    }


def _design(folder: Path, document: dict[str, Any]) -> Design | None:
    """How the columns are made of those of a table, where they are."""
    design = read_design(folder / DOCUMENT, document)
    if design is not None and (not design.is_known or list(design.names) != document["feature_names"]):
        raise ModelError(
            f"{folder / DOCUMENT}: the columns are not those that its design makes; save the summary again"
        )
    return design


def _shapes(document: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    k, n, q = document["parts"], document["features"], document["targets"]
    columns = {"about": (k, n), "mean": (k, n), "products": (k * n, n), "cross": (k * n, q)}
    columns |= dict.fromkeys(("level", "target_mean", "squares", "rest"), (k, q))
    columns |= {"factor": (k * (n + 1), n + 1 + q)}
    method = document["method"]
    return {COUNTS: (k, 4)} | {name: columns[name] for name in (*VECTORS[method], *MATRICES[method])}


def _part(document: dict[str, Any], found: dict[str, Vector], i: int) -> Any:
    rows, weight, counted, log_weight = found[COUNTS][i]
    method = document["method"]
    values = {name: found[name][i].copy() for name in VECTORS[method]}
    for name in MATRICES[method]:
        height = len(found[name]) // document["parts"]
        values[name] = found[name][i * height : (i + 1) * height].copy()
    values |= {"rows": int(rows), "weight": float(weight), "counted": int(counted), "log_weight": float(log_weight)}
    return KINDS[method](**values)


def _flaw(document: dict[str, Any], found: dict[str, Vector], chunks: Vector) -> str | None:
    """What is wrong with it, in a sentence; None if nothing is."""
    names, n = document["feature_names"], document["features"]
    if names is not None and (len(set(map(str, names))) != n or not all(type(name) is str for name in names)):
        return f"the feature names are not {n} different strings"
    if not all(np.isfinite(values).all() for values in found.values()):
        return "some sums are not finite"
    if any(type(role) is not str or role not in ROLES for role in document["roles"]):
        return "its roles are not weight and offset"
    rows, weight, counted, _ = found[COUNTS].T
    whole = (rows == np.rint(rows)).all() and (counted == np.rint(counted)).all()
    if not whole or (counted < 0).any() or (counted > rows).any() or (weight < 0).any() or not weight.sum() > 0:
        return "its counts of rows are not whole numbers, or no weight is above 0"
    squares = found["rest" if document["method"] == "qr" else "squares"]
    if document["rows_left_out"] < 0 or (squares < 0).any():
        return "a count or a sum of squares is below 0"
    if "products" in found:
        products = found["products"].reshape(document["parts"], n, n)
        if (products != products.transpose(0, 2, 1)).any() or (np.diagonal(products, axis1=1, axis2=2) < 0).any():
            return "products.npy is not symmetric, or has a square below 0"
    if chunks.ndim != 2 or chunks.shape[1] != 3 or not np.isfinite(chunks).all() or (np.diff(chunks[:, 0]) <= 0).any():
        return "chunks.npy is no list of chunks"
    if document["by_chunk"] and len(chunks) != document["parts"]:
        return f"it has {document['parts']} parts for {len(chunks)} chunks"
    return None


def _read_document(folder: Path) -> dict[str, Any]:
    where = folder / DOCUMENT
    try:
        document = parsed_object(read_plain_file(where, at_most=LARGEST_DOCUMENT))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(f"{folder} holds no {DOCUMENT}: save a summary there with `summary.save(path)`") from error
    except OSError as error:
        raise ModelError(f"{where} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{where} is damaged: {error}; save the summary again") from error
    if document.get("seal") != seal({key: value for key, value in document.items() if key != "seal"}):
        raise ModelError(f"{where} was changed after it was written: its seal does not fit; save the summary again")
    if type(document.get("format")) is not int or document["format"] != FORMAT:
        raise ModelError(f"{folder} has summary format {document.get('format')!r}, expected {FORMAT}; use a newer dgd")
    for name in sorted(document.keys() ^ FIELDS.keys()):
        what = "has an entry {!r} that this dgd does not know" if name in document else "has no {!r}"
        raise ModelError(f"{where} {what.format(name)}; save the summary again")
    for name, value in document.items():
        if type(value) not in FIELDS[name]:
            raise ModelError(f"{where}: {name!r} is a {type(value).__name__}, expected {FIELDS[name][0].__name__}")
    if min(document["parts"], document["features"], document["targets"]) < 1:
        raise ModelError(f"{where}: it has no parts, features or targets")
    if document["method"] not in KINDS:
        raise ModelError(f"{where}: 'method' is {document['method']!r}, expected one of {', '.join(KINDS)}")
    if sorted(document["sha256"]) != sorted(f"{name}.npy" for name in (*_shapes(document), CHUNKS)):
        raise ModelError(f"{where}: 'sha256' does not name the arrays of a summary")
    return document


def _read_array(folder: Path, document: dict[str, Any], name: str, shape: tuple[int, ...] | None) -> Vector:
    path = folder / f"{name}.npy"
    expected = LARGEST_ARRAY if shape is None else 8 * math.prod(shape) + 512
    try:
        content = read_plain_file(path, at_most=min(expected, LARGEST_ARRAY))
        if sha256(content) != document["sha256"][path.name]:
            raise ValueError(f"its sha256 is not the one in {DOCUMENT}")
        found = npy_array(content)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; save the summary again") from error
    except ValueError as error:
        raise ModelError(f"{path} is damaged: {error}; save the summary again") from error
    if shape is not None and found.shape != shape:
        raise ModelError(f"{path} has shape {found.shape}, expected {shape}; save the summary again")
    return found
