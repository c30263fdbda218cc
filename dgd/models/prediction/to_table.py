"""Predictions written to a table: computed by any number of threads or workers, written here, in the order of rows.

The chunks are taken some at a time; each window of them is a pass, and its rows are written while the next is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from dgd._version import __version__
from dgd.data.arrays.frames import is_frame
from dgd.data.dataset import Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.data.tables.column_names import column_names, frame_names
from dgd.data.tables.files import parquet_paths, table_files
from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.tables.written.place import check_place
from dgd.errors import ConfigurationError
from dgd.models.inference.intervals import Intervals
from dgd.models.prediction.each_chunk import opened, width
from dgd.models.prediction.table_rows import CollectedTable, PredictedRows, TablePrediction, largest_window, windows
from dgd.models.predictor import Predictor
from dgd.passes.events import Parts
from dgd.passes.execution import Execution
from dgd.passes.plan import Need
from dgd.passes.session import session

with needing_pyarrow():
    from dgd.data.tables.written import id_columns, writers

COPIES = 3
"""Windows in memory: the one that is made, the one that is written, and what the writer makes of it."""


def write_table(
    model: Predictor,
    data: Any,
    out: Any,
    kind: str,
    ids: tuple[str, ...] | None,
    offset: Any,
    asked: tuple[bool, Intervals | None],
    overwrite: bool,
    where: Execution,
    reading: ReadingOptions,
) -> None:
    """What `predict_to` does for a table."""
    reading = _without_ids(model, data, ids or (), model.part_of(reading))
    dataset, missing = opened(model, data, offset, reading)
    found = _ids(model, data, dataset, ids, Reading.of("predict_to", reading))
    prediction = TablePrediction(model, *asked, missing)
    if found is not None:
        id_columns.check_ids(found, [name for name, _ in prediction.columns])
    if not hasattr(out, "write"):
        check_place(Path(out), kind, _files(data), overwrite=overwrite)
    row_bytes = prediction.row_bytes + id_columns.CELL_BYTES * (0 if found is None else len(found.schema))
    if dataset.memory_bytes and where.client is None:
        where = where.on_threads()
    told = Parts(where.on_event, dataset.n_chunks)
    with session(where, told) as running:
        held = COPIES * largest_window(dataset, row_bytes)
        outputs = width(model, asked[1])
        dataset = running.open(dataset, Need(outputs=outputs, bytes_per_row=row_bytes, held_bytes=held))
        schema = writers.schema_of(None if found is None else found.schema, prediction.columns)
        collected = CollectedTable(prediction, found if found is not None and found.is_light else None)
        with _writer(out, kind, schema) as writer, ThreadPoolExecutor(1) as behind:
            written: Future[None] | None = None
            for window in windows(dataset, row_bytes):
                rows = running.executor.sweep(replace(dataset, only=window), collected).value.items
                told.ended(window[1] - window[0])
                if written is not None:
                    written.result()
                written = behind.submit(_write, writer, schema, rows, prediction, found)
            if written is not None:
                written.result()
            writer.mark({"predictions": {"dgd": __version__, "dataset": dataset.identity}})


def _write(writer: Any, schema: Any, rows: tuple[PredictedRows, ...], prediction: TablePrediction, ids: Any) -> None:
    """Write the rows of a window."""
    names = [name for name, _ in prediction.columns]
    tables = []
    for each in rows:
        beside = each.ids if each.ids is not None or ids is None else ids.read(each.start, each.stop)
        tables.append(writers.table_of(schema, beside, list(zip(names, each.columns, strict=True)), each.unknown))
    writer.write(writers.joined(tables))


@contextmanager
def _writer(out: Any, kind: str, schema: Any) -> Iterator[Any]:
    if hasattr(out, "write"):
        yield writers.CsvWriter(out, schema)
        return
    with writers.table_file(Path(out), kind, schema) as writer:
        yield writer


def _ids(model: Predictor, data: Any, dataset: Dataset, names: tuple[str, ...] | None, reading: Reading) -> Any:
    """The id columns, None for none. Raises ConfigurationError for data whose columns have no names."""
    if names is None:
        return id_columns.ArrayIds(tuple(dataset.ids.items())) if dataset.ids else None
    if not names:
        return None
    if (found := id_columns.parquet_ids(data, names)) is not None:
        return id_columns.in_part(found, dataset)
    if is_frame(data) or frame_names(data) is not None:
        return id_columns.in_part(id_columns.frame_ids(data, names), dataset)
    if not isinstance(data, (str, os.PathLike)) and not set(names) <= dataset.ids.keys():
        raise ConfigurationError(
            f"`predict_to(ids=...)` are columns of a table or arrays of a store, and a {type(data).__name__} has none "
            f"by name"
        )
    columns = []
    for name in names:
        rows = dataset.ids.get(name)
        if rows is None:
            rows = open_data(data, name, None, need_target=True, reading=reading, known=model.feature_names).y
            assert rows is not None
        if len(rows.shape) > 1:
            raise ConfigurationError(f"id: {name!r} has {rows.shape[1]} columns, expected one; name another array")
        columns.append((name, rows))
    return id_columns.ArrayIds(tuple(columns))


def _without_ids(model: Predictor, data: Any, ids: tuple[str, ...], reading: ReadingOptions) -> ReadingOptions:
    """Where a model knows no names, the features of a table are all columns but the ids."""
    if model.feature_names is not None or reading.get("features") is not None or not ids:
        return reading
    found = column_names(data)
    if found is None:
        return reading
    return cast(ReadingOptions, {**reading, "features": [name for name in found.names if name not in ids]})


def _files(data: Any) -> list[str]:
    """The files that are read."""
    paths = parquet_paths(data)
    if paths is None:
        return []
    given = [os.fspath(each) for each in (data if isinstance(data, (list, tuple)) else [data])]
    return [*given, *(file.path for file in table_files([os.path.expanduser(path) for path in paths]))]
