"""What is saved and served: coefficients, names and where they came from. JSON and .npy, never pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dgd._version import __version__
from dgd.buffers import Buffers
from dgd.dataset import Dataset
from dgd.errors import ConfigurationError, ModelError
from dgd.kernels import as_block, block_rows
from dgd.losses import LOSSES
from dgd.rows import Array
from dgd.solvers import Vector

FORMAT = 1
DOCUMENT = "model.json"


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted linear model: η = Xb + b₀.

    `provenance` holds what is known of the fit: versions, the dataset's fingerprint, status, passes.
    """

    coef: Vector
    intercept: float
    loss: str
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def n_features(self) -> int:
        """The columns a dataset must have."""
        return int(self.coef.shape[0])

    def raw_prediction(self, X: Array, buffers: Buffers | None = None) -> Vector:
        """Xb + b₀ for rows in memory, in micro-blocks; shape (m,)."""
        buffers = Buffers() if buffers is None else buffers
        out = np.empty(X.shape[0])
        dtype = np.dtype(np.float64)
        step = block_rows(self.n_features, dtype)
        for start in range(0, X.shape[0], step):
            block = as_block(X[start : start + step], dtype, buffers)
            if self.n_features == 1:
                # BLAS may skip a coefficient of zero here, and with it a NaN.
                np.multiply(block[:, 0], self.coef[0], out=out[start : start + step])
            else:
                np.dot(block, self.coef, out=out[start : start + step])
        out += self.intercept
        return out

    def check(self, dataset: Dataset) -> None:
        """Raise ModelError unless the dataset has the columns this model was fitted on."""
        n = dataset.shape[1]
        if n != self.n_features:
            raise ModelError(
                f"the model has {self.n_features} coefficients and array {dataset.X.name!r} of {dataset.source} has "
                f"{n} columns; predict on the columns it was fitted on"
            )
        if self.feature_names is None or dataset.feature_names is None:
            return
        pairs = zip(self.feature_names, dataset.feature_names, strict=True)
        for j, (ours, theirs) in enumerate(pairs):
            if ours != theirs:
                raise ModelError(
                    f"column {j} of {dataset.source} is {theirs!r}, and the model was fitted on {ours!r} there; "
                    f"give the columns in the order {', '.join(self.feature_names)}"
                )

    def predict(
        self,
        data: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        client: Any = None,
        threads: int | None = None,
        overwrite: bool = False,
    ) -> Vector | None:
        """Predictions for every row: an array of shape (m,), or a Zarr array written chunk by chunk to `out`.

        `data` is anything `dgd.open_dataset` takes; a target need not be there. With `out` memory stays bounded by
        the chunks being read, nothing is returned, and an interrupted write is marked as such.
        """
        from dgd import api

        return api.predict(self, data, out=out, client=client, threads=threads, overwrite=overwrite)

    def score(
        self, data: Any, y: Any = None, *, weight: Any = None, client: Any = None, threads: int | None = None
    ) -> Any:
        """MSE, RMSE, MAE and R² in one pass over the data; see `dgd.score.Score`."""
        from dgd import api

        return api.score(self, data, y, weight=weight, client=client, threads=threads)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder: model.json, coef.npy, intercept.npy, with their checksums.

        It is written beside `path` and renamed when whole; an existing model is replaced only with `overwrite`.
        """
        target = Path(path)
        if target.exists() and not overwrite:
            raise ConfigurationError(
                f"`save` would replace {target}, which exists; pass overwrite=True, or another path"
            )
        if target.exists() and not (target / DOCUMENT).is_file():
            raise ConfigurationError(f"{target} exists and is not a dgd model; `save` replaces only models")
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        draft.mkdir()
        try:
            files = {"coef.npy": _npy(self.coef), "intercept.npy": _npy(np.array(self.intercept))}
            for name, content in files.items():
                _write(draft / name, content)
            _write(draft / DOCUMENT, self._document({name: _sha256(c) for name, c in files.items()}))
            _rename(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _document(self, checksums: dict[str, str]) -> bytes:
        document = {
            "format": FORMAT,
            "dgd": __version__,
            "numpy": np.__version__,
            "loss": self.loss,
            "feature_names": None if self.feature_names is None else list(self.feature_names),
            "target_name": self.target_name,
            "n_features": self.n_features,
            "provenance": self.provenance,
            "sha256": checksums,
        }
        document["seal"] = _seal(document)
        return json.dumps(document, indent=2, ensure_ascii=False).encode()


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that `Model.save` wrote, after checking every checksum.

    Raises ModelError if the folder is missing, damaged, or of a later format.
    """
    folder = Path(path)
    if not (folder / DOCUMENT).is_file():
        raise ModelError(f"{folder} holds no {DOCUMENT}: there is no dgd model; save one with `model.save(path)`")
    try:
        document = json.loads((folder / DOCUMENT).read_bytes())
        seal = document.pop("seal")
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder / DOCUMENT} is damaged: {error}; save the model again") from error
    if seal != _seal(document):
        raise ModelError(f"{folder / DOCUMENT} was changed after it was written: its seal does not fit")
    if document["format"] != FORMAT:
        raise ModelError(f"{folder} has model format {document['format']}, expected {FORMAT}; use a newer dgd")
    if document["loss"] not in LOSSES:
        raise ModelError(
            f"{folder} was fitted with loss {document['loss']!r}, which this dgd does not know; "
            f"add it to `dgd.losses.LOSSES` first"
        )
    arrays = {name: _read_npy(folder / name, digest) for name, digest in document["sha256"].items()}
    names = document["feature_names"]
    return Model(
        coef=arrays["coef.npy"],
        intercept=float(arrays["intercept.npy"]),
        loss=document["loss"],
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


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename(draft: Path, target: Path) -> None:
    """Put the finished folder in place; an older model stays until the new one is whole."""
    if target.exists():
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex}.old")
        target.rename(old)
        draft.rename(target)
        shutil.rmtree(old)
    else:
        draft.rename(target)
