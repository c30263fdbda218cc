"""`dgd.predict`: predictions of every row, in one pass, as an array of this process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, Unpack

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.data.reading import ReadingOptions
from dgd.models.inference.intervals import Intervals
from dgd.models.prediction.each_chunk import Prediction, opened, width
from dgd.models.prediction.model_of import model_of
from dgd.passes.effects import for_each
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Need
from dgd.passes.session import session

T = TypeVar("T")


def predict(
    model: Any,
    data: Any,
    *,
    offset: Any = None,
    probabilities: bool = False,
    interval: float | None = None,
    interval_of: str = "mean",
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Array:
    """Predict every row of a dataset, as an array of shape (m,) or (m, q).

    The expected target: η itself, e^η for rates, and for classes the label of the most probable one. The array is in
    the memory of this process; `predict_to` writes it instead.

    model: a `Model`, or a result or an inference, whose model is meant.
    data, reading: as `open_dataset` takes them; a target need not be there. A table's columns are found by name, in any
        order.
    probabilities: for a model of classes the probability of each, (m, K) in the order of `classes`.
    interval: a confidence, such as 0.95: the last axis is then prediction, standard error, lower and upper end, for a
        model that has its covariance: an inference, `result.inference().model`, or one that was saved of it.
    interval_of: "mean", the expected target; by the squared loss "observation" too, for a single row's own target.
    client, threads, execution: where it runs, as for `fit`; data in this process's memory stay in it unless a client
        is named.

    Raises ModelError if the data do not have the columns the model was fitted on, or there is no covariance for
    intervals.
    """
    model = model_of("predict", model)
    intervals = Intervals.asked(model, interval, interval_of, probabilities=probabilities)
    dataset, missing = opened(model, data, offset, reading)
    prediction = Prediction(model, probabilities, missing, intervals)
    where = execution_of(execution, client, threads)
    if dataset.memory_bytes and where.client is None:
        where = where.on_threads()
    row_bytes = prediction.dtype.itemsize * math.prod(prediction.row_shape)
    need = Need(outputs=width(model, intervals), bytes_per_row=row_bytes, held_bytes=dataset.shape[0] * row_bytes)
    with session(where) as running:
        dataset = running.open(dataset, need)
        if not running.executor.resources(dataset).shares_memory:
            return np.concatenate(running.executor.sweep(dataset, CollectedRows(prediction)).value.items)
        out = np.empty((dataset.shape[0], *prediction.row_shape), prediction.dtype)
        for_each(running.executor, dataset, IntoMemory(prediction, out))
    return out


@dataclass(frozen=True)
class IntoMemory:
    """The effect that writes each chunk's predictions to an array of this process."""

    prediction: Prediction
    out: Array

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None:
        start, stop = chunk.rows
        self.out[start:stop] = self.prediction(chunk, buffers)


@dataclass(frozen=True)
class Pieces(Generic[T]):
    """What was made of some chunks, in order."""

    items: tuple[T, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(self.items + other.items)


@dataclass(frozen=True)
class CollectedRows:
    """The chunk sum that brings predictions back from other processes: neighbours are put one after the other."""

    prediction: Prediction

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Pieces[Array]:
        return Pieces((self.prediction(chunk, buffers),))
