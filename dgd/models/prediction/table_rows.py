"""Predictions as the columns of a table, each with its name.

prediction                                         the expected target, or the class
probability_C                                      of each class C, with `probabilities`
standard_error  lower  upper                       with `interval`; of classes standard_error_C, lower_C, upper_C
prediction_0, prediction_1, …                      of several outputs, and so the others
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.models.inference.intervals import COLUMNS, Intervals
from dgd.models.prediction.each_chunk import known_rows
from dgd.models.prediction.predict import Pieces
from dgd.models.predictor import Predictor

WINDOW_BYTES = 32 * 2**20
"""Of predictions and ids that are collected before they are written."""
LEAST_CHUNKS = 4
"""Of a window, so that threads have something to share."""


@dataclass(frozen=True)
class TablePrediction:
    """What is written of each row."""

    model: Predictor
    probabilities: bool = False
    intervals: Intervals | None = None
    missing: str = "error"
    """Whether a row with a missing cell is an error, or has no values ("drop")."""

    @property
    def columns(self) -> tuple[tuple[str, np.dtype[Any]], ...]:
        """Names and dtypes."""
        number = np.dtype(np.float64)
        if self.model.classes is None:
            first = COLUMNS if self.intervals is not None else COLUMNS[:1]
            return tuple((name + end, number) for end in self._outputs for name in first)
        label = np.asarray(self.model.classes).dtype
        found = [(COLUMNS[0] + end, label) for end in self._outputs]
        if self.probabilities:
            kinds = ("probability", *(COLUMNS[1:] if self.intervals is not None else ()))
            each = ((kind, name, end) for end in self._outputs for name in self.model.classes for kind in kinds)
            found += [(f"{kind}_{name}{end}", number) for kind, name, end in each]
        return tuple(found)

    @property
    def row_bytes(self) -> int:
        """What a row takes."""
        return sum(dtype.itemsize for _, dtype in self.columns)

    @property
    def _outputs(self) -> list[str]:
        """What the columns of each target end in."""
        several = self.model.outputs and (self.model.classes is None or self.model.of_two)
        return [f"_{k}" for k in range(math.prod(self.model.outputs))] if several else [""]

    def __call__(self, chunk: Chunk, buffers: Buffers) -> PredictedRows:
        """The columns of a chunk's rows; a value that is not finite is refused."""
        model = self.model
        raw, unknown = known_rows(model, chunk, buffers, self.missing)
        rows = len(raw)
        found: list[Array] = []
        if model.classes is not None:
            labels = model.labels(raw)
            found.extend(labels.reshape(rows, -1).T)
        if model.classes is None or self.probabilities:
            wide = model.response(raw) if self.intervals is None else self.intervals(model, chunk, raw, buffers)
            found.extend(np.ascontiguousarray(column) for column in wide.reshape(rows, -1).T)
        return PredictedRows(*chunk.rows, tuple(found), unknown)


@dataclass(frozen=True)
class PredictedRows:
    """The columns of some rows, in the order of the table."""

    start: int
    stop: int
    columns: tuple[Array, ...]
    unknown: Array | None
    ids: Any = None


@dataclass(frozen=True)
class CollectedTable:
    """The chunk sum that brings the rows of a table back in their order, with the ids that whoever made them read."""

    prediction: TablePrediction
    ids: Any = None

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Pieces[PredictedRows]:
        found = self.prediction(chunk, buffers)
        if self.ids is not None:
            found = PredictedRows(
                found.start, found.stop, found.columns, found.unknown, self.ids.read(found.start, found.stop)
            )
        return Pieces((found,))


def windows(dataset: Dataset, row_bytes: int) -> Iterator[tuple[int, int]]:
    """The chunks that are collected at a time, from one to before another: by the data alone, not by who reads them."""
    bounds, first = dataset.bounds, 0
    while first < dataset.n_chunks:
        rows = WINDOW_BYTES // row_bytes
        last = int(np.searchsorted(bounds, bounds[first] + rows, side="right")) - 1
        last = min(max(last, first + LEAST_CHUNKS), dataset.n_chunks)
        yield first, last
        first = last


def largest_window(dataset: Dataset, row_bytes: int) -> int:
    """The bytes of the largest of them."""
    bounds = dataset.bounds
    return max(int(bounds[last] - bounds[first]) * row_bytes for first, last in windows(dataset, row_bytes))
