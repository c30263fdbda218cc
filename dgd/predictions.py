"""Predictions into memory, and what counts the rows written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd.buffers import Buffers
from dgd.dataset import Chunk
from dgd.kernels import check_finite
from dgd.model import Model
from dgd.solvers import Vector


@dataclass(frozen=True, slots=True)
class Written:
    """Rows written so far."""

    rows: int

    def __add__(self, other: Self) -> Self:
        return type(self)(self.rows + other.rows)


def predict_chunk(model: Model, chunk: Chunk, buffers: Buffers) -> Vector:
    """A chunk's predictions; a value that is not finite is refused where it stands."""
    predicted = model.raw_prediction(chunk.X, buffers)
    if not np.isfinite(predicted).all():
        check_finite(chunk)
    return predicted


@dataclass(frozen=True)
class MemoryPredictionSum:
    """Writes each chunk's predictions to its rows of an array of this process."""

    model: Model
    out: Vector

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Written:
        start, stop = chunk.rows
        self.out[start:stop] = predict_chunk(self.model, chunk, buffers)
        return Written(stop - start)
