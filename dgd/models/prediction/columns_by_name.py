"""The columns of a table and those a model was fitted on: found by name, told by name where they differ."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from dgd.data.reading import Reading
from dgd.data.tables.column_names import column_names, frame_columns, frame_names
from dgd.errors import ModelError
from dgd.models.predictor import Predictor

MOST_NAMED = 20


def in_order_of(model: Predictor, data: Any, reading: Reading) -> Any:
    """The data; of a table in memory the columns of the model, in its order.

    Raises ModelError with the names of all columns that a table lacks, and those that the model does not know.
    """
    columns = model.columns
    if columns is None or reading.features is not None or (found := column_names(data)) is None:
        return data
    missing = [name for name in columns if name not in found.names]
    if missing:
        unknown = [name for name in found.names if name not in columns and name != model.target_name]
        raise ModelError(_difference(model, found.source, missing, unknown))
    if model.design is not None or frame_names(data) in (None, columns):
        return data
    return frame_columns(data, columns)


def unused_columns(model: Predictor, data: Any, others: Sequence[str | None] = ()) -> tuple[str, ...]:
    """The columns of a table that the model does not know, besides its target and `others`."""
    found = column_names(data)
    if found is None or model.columns is None:
        return ()
    known = {*model.columns, model.target_name, *others}
    return tuple(name for name in found.names if name not in known)


def _difference(model: Predictor, source: str, missing: list[str], unknown: list[str]) -> str:
    close = {name: difflib.get_close_matches(name, unknown, n=1) for name in missing}
    hints = [f"is {found[0]!r} meant to be {name!r}?" for name, found in close.items() if found]
    several = len(missing) > 1
    return (
        f"{source} lacks the column{'s' * several} {listed(missing)}, on which the model was fitted"
        + (f"; it has {listed(unknown)}, which the model does not know" if unknown else "")
        + (f"; {' '.join(hints[:3])}" if hints else "")
        + f"; give a table with {'these columns' if several else 'this column'}, in any order"
    )


def listed(names: Sequence[str]) -> str:
    """Names in quotes, the first of many."""
    shown = ", ".join(map(repr, names[:MOST_NAMED]))
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED:,} more"
