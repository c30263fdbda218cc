"""Predictions written chunk by chunk to a zarr array."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from zarr.storage import LocalStore

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.rows import READABLE_KINDS
from dgd.data.zarr.array_writer import create_array
from dgd.data.zarr.commit_marker import FORMAT, KEY, WRITING, sealed
from dgd.data.zarr.folders import local_folder, make_room, replace_file, sync_tree
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import ConfigurationError
from dgd.models.predict import Prediction, Written

COPIES = 4
"""A prediction, and its copies on the way through zarr's codecs."""


@dataclass(frozen=True)
class PredictionSum:
    """The summand of a prediction: writes each chunk's predictions as one whole chunk, and counts its rows."""

    prediction: Prediction
    path: str

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Written:
        predicted = self.prediction(chunk, buffers)
        start, stop = chunk.rows
        # `open_array` takes a `config` and ignores it for an array that exists: chunks of zeros would be left out.
        array = zarr.open_array(LocalStore(self.path), mode="r+").with_config({"write_empty_chunks": True})
        array[start:stop] = predicted
        return Written(stop - start)


def bytes_per_row(prediction: Prediction) -> int:
    """What one row's prediction takes while it is written."""
    return COPIES * prediction.dtype.itemsize * math.prod(prediction.tail)


def prepare(dataset: Dataset, prediction: Prediction, path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """An array of the dataset's rows and row chunks, marked as being written."""
    target = local_folder(path)
    if prediction.dtype.kind not in READABLE_KINDS:
        raise ConfigurationError(
            "`predict(out=...)` writes numbers, and the classes are strings; write their probabilities with "
            "`predict_proba(out=...)`, or fit on class numbers"
        )
    _refuse_own_input(dataset, target)
    make_room(target, overwrite=overwrite)
    lengths = np.diff(dataset.bounds)
    if len(lengths) > 1 and (lengths[:-1] != lengths[0]).any():
        raise ConfigurationError(
            "`predict(out=...)` writes one zarr chunk for each chunk of X, and these are irregular; "
            "rechunk X evenly, or predict without `out`"
        )
    create_array(
        LocalStore(target),
        shape=(dataset.shape[0], *prediction.tail),
        chunks=(int(lengths[0]), *prediction.tail),
        dtype=prediction.dtype,
        dimension_names=("row", "output")[: 1 + len(prediction.tail)],
        compression="none",
        attributes={KEY: {"format": FORMAT, "state": WRITING}},
    )
    return target


def _refuse_own_input(dataset: Dataset, target: Path) -> None:
    """Predictions must not take the place of what they are made from, nor of anything beside it in its group."""
    inputs = [Path(rows.source.label) for rows in dataset.arrays if isinstance(rows, ZarrRows)]
    inputs += [Path(dataset.source)] if inputs else []
    out = target.resolve()
    for place in (path.resolve() for path in inputs):
        if out == place or out in place.parents or place in out.parents:
            raise ConfigurationError(f"`predict(out=...)` would write into its own input {place}; give another path")


def commit(path: Path, *, fingerprint: str) -> None:
    """Bring the predictions to disk and mark them complete."""
    sync_tree(path)
    root = path / "zarr.json"
    replace_file(root, sealed(json.loads(root.read_bytes()), {"dataset": fingerprint}))
