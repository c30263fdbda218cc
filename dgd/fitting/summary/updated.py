"""A summary of data to which rows were appended since: the chunks that are new are read, and added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd.data.chunk_identities import chunk_identities, same_chunks
from dgd.data.dataset import Dataset
from dgd.data.transforms.selected_rows import Selection, select
from dgd.errors import ConfigurationError, DatasetChangedError, SchemaError
from dgd.errors.words import shown
from dgd.fitting.summary.read_products import How, read_products
from dgd.passes.execution import Execution

if TYPE_CHECKING:
    from dgd.fitting.summary.summary import Summary


def updated(summary: Summary, dataset: Dataset, where: Execution) -> Summary:
    """The summary of the dataset as it is now; see `Summary.update`."""
    same = _unchanged(summary, dataset)
    whole = replace(summary, source=dataset.source, identity=dataset.identity, dataset=dataset, bytes_read=0)
    if same == dataset.n_chunks:
        parts = summary.parts[:same] if summary.by_chunk else summary.parts
        return _counted(replace(whole, parts=parts, chunks=summary.chunks[:same]), dataset)
    appended = select(dataset, Selection.of_chunks(np.arange(same, dataset.n_chunks), dataset.bounds))
    found = read_products(appended, How(summary.method, summary.precision, by_chunk=summary.by_chunk), where)
    first: Any = summary.parts[0]
    whole = replace(
        whole,
        parts=summary.parts[:same] + found.parts if summary.by_chunk else (first + found.parts[0],),
        rows_left_out=summary.rows_left_out + found.rows_left_out,
        chunks=np.concatenate([summary.chunks[:same], chunk_identities(dataset)[same:]]),
        bytes_read=found.bytes_read,
    )
    return _counted(whole, dataset)


def _counted(summary: Summary, dataset: Dataset) -> Summary:
    """With the rows left out of each chunk that is there now, where those are kept apart."""
    if not summary.by_chunk:
        return summary
    return replace(summary, rows_left_out=dataset.shape[0] - sum(part.rows for part in summary.parts))


def roles_of(dataset: Dataset) -> tuple[str, ...]:
    """Which of weight and offset there are."""
    return tuple(role for role in ("weight", "offset") if getattr(dataset, role) is not None)


def _unchanged(summary: Summary, dataset: Dataset) -> int:
    """How many of its chunks are those that were summed."""
    assert dataset.y is not None
    shape = (dataset.shape[1], 1 if len(dataset.y.shape) == 1 else dataset.y.shape[1])
    if shape != summary.shape:
        raise SchemaError(
            f"the summary is of {summary.shape[0]} columns and {summary.shape[1]} targets, and the data have "
            f"{shape[0]} and {shape[1]}"
        )
    if dataset.feature_names != summary.feature_names:
        raise SchemaError(
            f"the summary's columns are called {shown(summary.feature_names)}, and those of the data "
            f"{shown(dataset.feature_names)}; give them in the same order"
        )
    if roles_of(dataset) != summary.roles:
        had, has = (" and ".join(roles) or "neither weight nor offset" for roles in (summary.roles, roles_of(dataset)))
        raise SchemaError(f"the summary was made with {had}, and the data are given with {has}; give them as before")
    if not len(summary.chunks) or (len(summary.parts) > 1 and not summary.by_chunk):
        raise ConfigurationError(
            "`update` goes on with a summary of data as they were; this one is of folds, or a sum: summarise the new "
            "rows, and add them"
        )
    same = same_chunks(summary.chunks, chunk_identities(dataset))
    if same < len(summary.chunks) and not summary.by_chunk:
        raise DatasetChangedError(
            f"chunk {same} of {dataset.source} is not the one that was summed, or has grown; a summary made with "
            f"by_chunk=True reads it again",
            array=dataset.X.name,
            chunk=same,
        )
    return same
