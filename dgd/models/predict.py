"""Predictions into memory, and what counts the rows written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import ConfigurationError
from dgd.models.model import Model
from dgd.passes.sums.bad_rows import check_finite


@dataclass(frozen=True, slots=True)
class Written:
    """Rows written so far."""

    rows: int

    def __add__(self, other: Self) -> Self:
        return type(self)(self.rows + other.rows)


@dataclass(frozen=True)
class Prediction:
    """What is predicted: the model's response or label, or with `probabilities` one number for each class."""

    model: Model
    probabilities: bool = False

    def __post_init__(self) -> None:
        if self.probabilities and self.model.classes is None:
            raise ConfigurationError(
                f"`predict_proba` needs classes, and a model of the loss {self.model.loss!r} has none; use `predict`"
            )

    @property
    def tail(self) -> tuple[int, ...]:
        """The shape of one row's prediction."""
        if self.model.classes is None:
            return self.model.outputs
        return (len(self.model.classes),) if self.probabilities else ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the labels, else float64."""
        if self.model.classes is None or self.probabilities:
            return np.dtype(np.float64)
        return np.asarray(self.model.classes).dtype

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Array:
        """A chunk's predictions; a value that is not finite is refused where it stands."""
        raw = self.model.raw_prediction(chunk.X, buffers, chunk.offset)
        if not np.isfinite(raw).all():
            check_finite(chunk)
        if self.model.classes is not None and not self.probabilities:
            return self.model.labels(raw)
        return self.model.response(raw)


@dataclass(frozen=True)
class MemoryPredictionSum:
    """Writes each chunk's predictions to its rows of an array of this process."""

    prediction: Prediction
    out: Array

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Written:
        start, stop = chunk.rows
        self.out[start:stop] = self.prediction(chunk, buffers)
        return Written(stop - start)
