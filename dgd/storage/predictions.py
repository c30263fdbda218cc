"""Predictions written chunk by chunk to a zarr array."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from zarr.storage import LocalStore

from dgd.buffers import Buffers
from dgd.dataset import Chunk, Dataset
from dgd.errors import ConfigurationError
from dgd.model import Model
from dgd.predictions import Written, predict_chunk
from dgd.storage.seal import COMPLETE, FORMAT, KEY, WRITING
from dgd.storage.writer import create_array, make_room, sync_tree


@dataclass(frozen=True)
class PredictionSum:
    """The summand of a prediction: writes each chunk's predictions as one whole chunk, and counts its rows."""

    model: Model
    path: str

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Written:
        predicted = predict_chunk(self.model, chunk, buffers)
        start, stop = chunk.rows
        zarr.open_array(LocalStore(self.path), mode="r+", config={"write_empty_chunks": True})[start:stop] = predicted
        return Written(stop - start)


def prepare(dataset: Dataset, path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """An array of the dataset's rows and row chunks, marked as being written."""
    target = Path(path).absolute()
    make_room(target, overwrite=overwrite)
    lengths = np.diff(dataset.bounds)
    if len(lengths) > 1 and (lengths[:-1] != lengths[0]).any():
        raise ConfigurationError(
            "`predict(out=...)` writes one zarr chunk for each chunk of X, and these are irregular; "
            "rechunk X evenly, or predict without `out`"
        )
    create_array(
        LocalStore(target),
        None,
        shape=(dataset.shape[0],),
        chunks=(int(lengths[0]),),
        dtype=np.dtype(np.float64),
        dimension_names=("row",),
        compression="none",
        attributes={KEY: {"format": FORMAT, "state": WRITING}},
    )
    return target


def commit(path: Path, *, fingerprint: str) -> None:
    """Bring the predictions to disk and mark them complete."""
    sync_tree(path)
    array = zarr.open_array(LocalStore(path), mode="r+")
    array.update_attributes({KEY: {"format": FORMAT, "state": COMPLETE, "dataset": fingerprint}})
    sync_tree(path)
