"""`dgd.predict_to`: predictions of every row, written chunk by chunk to a Zarr array, or to a table in their order."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Unpack

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.data.reading import ReadingOptions, for_urls, is_url
from dgd.data.rows import READABLE_KINDS, evenly
from dgd.data.tables.written.place import table_kind
from dgd.errors import ConfigurationError
from dgd.models.inference.intervals import Intervals
from dgd.models.prediction.each_chunk import Prediction, check_classes, opened, width
from dgd.models.prediction.model_of import model_of
from dgd.passes.effects import for_each
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Need
from dgd.passes.session import session


def predict_to(
    model: Any,
    data: Any,
    out: str | os.PathLike[str] | BinaryIO,
    *,
    ids: Sequence[str] | None = None,
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
    """Predict every row of a dataset and write the predictions: a Parquet or CSV file, or a Zarr array.

    out: a name that ends in .parquet, .pq, .parq, .csv or .csv.gz is a table; any other, or a URL, a Zarr array; an
        open binary file gets CSV. What dgd wrote there is replaced only with `overwrite`.
    ids: for a table: the columns of `data` that say which row is which (of a Zarr store, arrays), written first, under
        their names, with their types [those that were ingested as ids].

    The arguments are those of `predict`. Memory is bounded by the chunks being read and, for a table, by 32 MiB of
    its rows, or four chunks of them if that is more.

    A table has the rows in their order, each column by its name: `prediction`, the expected target or the class;
    `probability_C` for each class C; `standard_error`, `lower`, `upper` with an interval; of several outputs
    `prediction_0` and so on. Where missing="drop" leaves a row without a prediction, its cells are null. Workers
    compute, this process writes, so that only the workers need see the data and only this process the file; the same
    bytes on any of them. The file appears in one step when it is whole: after an error, a stop or a crash nothing is
    there, or what was there before.

    A Zarr array is written by those who compute, chunk by chunk, and marked as interrupted until it is whole. A URL is
    opened with the `storage_options`; a store there has no locks, and of two writers the first is not sealed. Rows that
    have names, or are the cells of variables, make a group that `xarray.open_zarr` reads: `prediction` in the shape of
    the cells, with their dimensions and coordinates (of an AnnData store `obs` with the names of its rows).

    Raises WriteError if the disk is full or the system forbids it, and what `predict` raises.
    """
    model = model_of("predict_to", model)
    intervals = Intervals.asked(model, interval, interval_of, probabilities=probabilities)
    check_classes(model, probabilities=probabilities)
    where = execution_of(execution, client, threads)
    if ids is not None and not _are_names(ids):
        raise ConfigurationError(f"`predict_to(ids=...)` must be a list of different names, got {ids!r}")
    kind = "csv" if hasattr(out, "write") else table_kind(out)
    if kind is not None:
        from dgd.models.prediction.to_table import write_table

        asked = (probabilities, intervals)
        write_table(
            model, data, out, kind, None if ids is None else tuple(ids), offset, asked, overwrite, where, reading
        )
        return
    if ids:
        raise ConfigurationError("`predict_to(ids=...)` go into a table: write one, such as 'p.parquet' or 'p.csv'")
    assert not hasattr(out, "write")
    given = for_urls(reading, data, offset) if is_url(out) else reading
    dataset, missing = opened(model, data, offset, given)
    prediction = Prediction(model, probabilities, missing, intervals)
    if prediction.dtype.kind not in READABLE_KINDS:
        raise ConfigurationError(
            "a Zarr array of predictions holds numbers, and the classes are strings; write a table (a name that ends "
            "in .parquet or .csv), their probabilities with `probabilities=True`, or fit on class numbers"
        )
    _write_array(prediction, dataset, out, overwrite, where, reading.get("storage_options") if is_url(out) else None)


def _write_array(
    prediction: Prediction, dataset: Any, out: Any, overwrite: bool, where: Execution, options: Any
) -> None:
    from dgd.data.zarr.row_writer import COPIES, RowWriter

    row_shape, dtype = prediction.row_shape, prediction.dtype
    dataset = replace(dataset, X=evenly(dataset.X))
    with session(where) as running:
        row_bytes = COPIES * dtype.itemsize * math.prod(row_shape)
        outputs = width(prediction.model, prediction.intervals)
        dataset = running.open(dataset, Need(outputs=outputs, bytes_per_row=row_bytes))
        with RowWriter.created(
            dataset, out, row_shape=row_shape, dtype=dtype, overwrite=overwrite, options=options, axes=prediction.axes
        ) as writer:
            for_each(running.executor, dataset, IntoStore(prediction, writer))
            writer.commit(fingerprint=dataset.identity)


def _are_names(given: Any) -> bool:
    """Whether it is a list of different names."""
    found = [] if isinstance(given, str) else list(given)
    return all(isinstance(name, str) for name in found) and len(set(found)) == len(found) and not isinstance(given, str)


@dataclass(frozen=True)
class IntoStore:
    """The effect that writes each chunk's predictions to a store."""

    prediction: Prediction
    writer: Any

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None:
        self.writer.write(chunk.start, self.prediction(chunk, buffers))
