"""Predictions of every row in one pass: `dgd.predict` returns them, `dgd.predict_to` writes them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any, Self, Unpack

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions, for_urls, is_url
from dgd.data.rows import READABLE_KINDS, evenly
from dgd.data.transforms.missing import NO_LABEL, missing_rows
from dgd.errors import ConfigurationError
from dgd.models.inference.intervals import COLUMNS, Intervals
from dgd.models.predictor import Predictor
from dgd.passes.execution import Execution, execution_of
from dgd.passes.executor import for_each
from dgd.passes.plan import Need
from dgd.passes.session import session
from dgd.passes.sums.bad_rows import check_finite


def predict(
    model: Predictor,
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

    data, reading: as `open_dataset` takes them; a target need not be there.
    probabilities: for a model of classes the probability of each, (m, K) in the order of `classes`.
    interval: a confidence, such as 0.95: the last axis is then prediction, standard error, lower and upper end, for a
        model that has its covariance: `result.inference().model`, or one that was saved of it.
    interval_of: "mean", the expected target; by the squared loss "observation" too, for a single row's own target.
    client, threads, execution: where it runs, as for `fit`; data in this process's memory stay in it unless a client
        is named.

    Raises ModelError if the data do not have the columns the model was fitted on, or there is no covariance for
    intervals.
    """
    intervals = Intervals.asked(model, interval, interval_of, probabilities=probabilities)
    prediction, dataset = _opened(model, data, offset, probabilities, intervals, reading)
    where = execution_of(execution, client, threads)
    if dataset.memory_bytes and where.client is None:
        where = where.on_threads()
    row_bytes = prediction.dtype.itemsize * math.prod(prediction.row_shape)
    need = Need(outputs=prediction.width, bytes_per_row=row_bytes, held_bytes=dataset.shape[0] * row_bytes)
    with session(where) as running:
        dataset = running.open(dataset, need)
        if not running.executor.resources(dataset).shares_memory:
            return running.executor.sweep(dataset, CollectedRows(prediction)).value.joined()
        out = np.empty((dataset.shape[0], *prediction.row_shape), prediction.dtype)
        for_each(running.executor, dataset, IntoMemory(prediction, out))
    return out


def predict_to(
    model: Predictor,
    data: Any,
    out: str | os.PathLike[str],
    *,
    offset: Any = None,
    probabilities: bool = False,
    interval: float | None = None,
    interval_of: str = "mean",
    overwrite: bool = False,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> None:
    """Predict every row of a dataset and write the predictions to a Zarr array, chunk by chunk.

    Memory is bounded by the chunks being read. An interrupted write is marked as such. The arguments are those of
    `predict`; `out` is a local path or a URL, and what dgd wrote there is replaced only with `overwrite`. A URL is
    opened with the `storage_options`; a store there has no locks, and of two writers the first is not sealed.

    Rows that have names, or are the cells of variables, make a group that `xarray.open_zarr` reads: `prediction` in the
    shape of the cells, with their dimensions and coordinates (of an AnnData store `obs` with the names of its rows).

    Raises WriteError if the disk is full or the system forbids it, and what `predict` raises.
    """
    from dgd.data.zarr.row_writer import COPIES, RowWriter

    given = for_urls(reading, data, offset) if is_url(out) else reading
    intervals = Intervals.asked(model, interval, interval_of, probabilities=probabilities)
    prediction, dataset = _opened(model, data, offset, probabilities, intervals, given)
    if prediction.dtype.kind not in READABLE_KINDS:
        raise ConfigurationError(
            "`predict_to` writes numbers, and the classes are strings; write their probabilities with "
            "`probabilities=True`, or fit on class numbers"
        )
    row_shape, dtype = prediction.row_shape, prediction.dtype
    dataset = replace(dataset, X=evenly(dataset.X))
    with session(execution_of(execution, client, threads)) as running:
        row_bytes = COPIES * dtype.itemsize * math.prod(row_shape)
        dataset = running.open(dataset, Need(outputs=prediction.width, bytes_per_row=row_bytes))
        with RowWriter.created(
            dataset,
            out,
            row_shape=row_shape,
            dtype=dtype,
            overwrite=overwrite,
            options=reading.get("storage_options") if is_url(out) else None,
            axes=prediction.axes,
        ) as writer:
            for_each(running.executor, dataset, IntoStore(prediction, writer))
            writer.commit(fingerprint=dataset.identity)


def _opened(
    model: Predictor,
    data: Any,
    offset: Any,
    probabilities: bool,
    intervals: Intervals | None,
    reading: ReadingOptions,
) -> tuple[Prediction, Dataset]:
    offset = model.offset_of(offset)
    dataset = open_data(
        data, None, None, offset, need_target=False, reading=Reading.of("predict", reading), known=model.feature_names
    )
    model.check(dataset)
    return Prediction(model, probabilities, dataset.missing, intervals), replace(dataset, missing="error")


@dataclass(frozen=True)
class Prediction:
    """What is predicted: the model's response or label, or with `probabilities` one number for each class."""

    model: Predictor
    probabilities: bool = False
    missing: str = "error"
    """Whether a row with a missing cell is an error, or has no prediction ("drop"): NaN, or no label."""
    intervals: Intervals | None = None

    def __post_init__(self) -> None:
        if self.probabilities and self.model.classes is None:
            raise ConfigurationError(
                f"probabilities need classes, and a model of the loss {self.model.loss!r} has none; use `predict` "
                f"without `probabilities`"
            )

        if self.missing == "drop" and self.dtype.kind not in "fU":
            raise ConfigurationError(
                f"a row with a missing cell has no class, and {self.dtype} has no value for that; predict "
                f"`probabilities=True`, or without `missing`"
            )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row's prediction."""
        last = () if self.intervals is None else (len(COLUMNS),)
        if self.model.classes is None:
            return (*self.model.outputs, *last)
        return (len(self.model.classes), *last) if self.probabilities else ()

    @property
    def axes(self) -> tuple[tuple[str, tuple[Any, ...] | None], ...]:
        """The names of the dimensions of a row's prediction, and the labels along them."""
        own = (("class", self.model.classes),) if self.probabilities else (("output", None),)
        return (*own[: len(self.row_shape) - (self.intervals is not None)], ("statistic", COLUMNS))

    @property
    def width(self) -> int:
        """The columns that X is multiplied with."""
        uncertainty = self.model.uncertainty
        outputs = math.prod(self.model.outputs)
        return outputs if self.intervals is None or uncertainty is None else outputs * uncertainty.root.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the labels, else float64."""
        if self.model.classes is None or self.probabilities:
            return np.dtype(np.float64)
        return np.asarray(self.model.classes).dtype

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Array:
        """A chunk's predictions; a value that is not finite is refused."""
        raw = self.model.raw_prediction(chunk, buffers)
        unknown = None
        if not np.isfinite(raw).all() or self.missing == "drop":
            unknown = self._without_prediction(chunk)
        if unknown is not None:
            raw[unknown] = 0
        labels = self.model.classes is not None and not self.probabilities
        if self.intervals is not None:
            predicted = self.intervals(self.model, chunk, raw, buffers)
        else:
            predicted = self.model.labels(raw) if labels else self.model.response(raw)
        if unknown is not None:
            predicted[unknown] = NO_LABEL if labels else np.nan
        return predicted

    def _without_prediction(self, chunk: Chunk) -> Array | None:
        """Rows with a missing cell, None if there are none; other values that are not finite are refused."""
        if self.missing == "error":
            check_finite(chunk)
            return None
        found = [rows for values in chunk.arrays.values() if (rows := missing_rows(values)) is not None]
        unknown = np.logical_or.reduce(found) if found else None
        check_finite(chunk if unknown is None else chunk.take(np.flatnonzero(~unknown)))
        return unknown


@dataclass(frozen=True)
class IntoMemory:
    """The effect that writes each chunk's predictions to an array of this process."""

    prediction: Prediction
    out: Array

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None:
        start, stop = chunk.rows
        self.out[start:stop] = self.prediction(chunk, buffers)


@dataclass(frozen=True)
class IntoStore:
    """The effect that writes each chunk's predictions to a store."""

    prediction: Prediction
    writer: Any

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None:
        self.writer.write(chunk.start, self.prediction(chunk, buffers))


@dataclass(frozen=True)
class Pieces:
    """The predictions of some chunks, in order."""

    arrays: tuple[Array, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(self.arrays + other.arrays)

    def joined(self) -> Array:
        """One array."""
        return np.concatenate(self.arrays)


@dataclass(frozen=True)
class CollectedRows:
    """The chunk sum that brings predictions back from other processes: neighbours are put one after the other."""

    prediction: Prediction

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Pieces:
        return Pieces((self.prediction(chunk, buffers),))
