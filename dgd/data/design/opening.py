"""A table as a dataset: X by a design, the other roles by columns of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from dgd.data.dataset import Dataset
from dgd.data.design.choosing import FILLED, check_columns, design_for
from dgd.data.design.columns import Table
from dgd.data.design.design import Design, Facts
from dgd.data.design.expressions import Expression, quoted
from dgd.data.design.rows import ColumnRows, DesignRows, FrameRows
from dgd.data.reading import Reading, ReadingOptions
from dgd.data.rows import RowsOfRows
from dgd.errors import ConfigurationError, SchemaError

Learn = Callable[[Dataset, Design, tuple[str, ...]], tuple[Facts, int]]
"""Makes the pass that finds what a design has to learn, and says how many bytes it read: of a dataset whose rows of X
are frames, without rows in which a cell of some columns is missing."""


def open_table(
    table: Table,
    named: dict[str, Any],
    reading: Reading,
    *,
    need_target: bool,
    beside: Callable[[str, Any], Any],
    learn: Learn | None,
) -> Dataset:
    """The rows of a table as a dataset.

    named: y, weight and offset: None, a text (a column, or arithmetic on columns) or an array, which `beside` opens.
    learn: what finds levels and means; without it the design must be known.
    """
    if reading.transpose:
        raise ConfigurationError("transpose=True is for a matrix in a Zarr store, and a table has its rows in order")
    design = reading.design
    if need_target and named["y"] is None:
        named = {**named, "y": "y" if design is None or design.target is None else design.target}
    elif design is not None and design.target is not None and need_target and named["y"] != design.target:
        raise ConfigurationError(
            f"the formula's target is {design.target!r}, and y={named['y']!r} is another: give one"
        )
    named = {role: None if given is False else given for role, given in named.items()}
    texts = {role: _text(table, role, given) for role, given in named.items() if isinstance(given, str)}
    used = tuple(dict.fromkeys(name for text in texts.values() for name in Expression(text).columns))
    design = design_for(table, used, reading)
    bytes_read = 0
    if not design.is_known:
        if learn is None:
            raise ConfigurationError(
                f"the levels and means of {design} are found by reading the data: open them by `dgd.open_dataset`"
            )
        # Rows that the fit leaves out teach nothing: a level that only they have would be a column of zeros.
        whole = () if reading.missing == "error" else tuple(dict.fromkeys((*design.not_filled, *used)))
        columns = tuple(dict.fromkeys((*_to_look_at(design), *whole)))
        facts, bytes_read = learn(_frames(table, columns), design, whole)
        design = design.learned(facts)
    if isinstance(named["y"], str):
        design = replace(design, target=texts["y"])
    if not design.names and design.terms:
        raise SchemaError(f"{table.source}: the design has no column: each category has one level only")
    vectors: dict[str, Any] = {}
    for role, given in named.items():
        found = None if given is None else beside(role, given) if role not in texts else None
        vectors[role] = ColumnRows(role, table, texts[role]) if role in texts else found
        _check_numbers(table, role, vectors[role])
    return Dataset(
        X=DesignRows("X", table, design, refuses_missing=reading.missing == "error"),
        **vectors,
        feature_names=design.names,
        target_name=_label(texts, "y"),
        weight_name=_label(texts, "weight"),
        offset_name=_label(texts, "offset"),
        source=table.source,
        missing="drop" if reading.missing in ("drop", *FILLED) else "error",
        design=design,
        bytes_read=bytes_read,
    )


def coded_for(dataset: Dataset, *, intercept: Any) -> Dataset:
    """The dataset as a fit needs it: without an intercept the first category leaves no level out."""
    design = dataset.design
    X = dataset.X
    whole = X.rows if isinstance(X, RowsOfRows) else X
    if design is None or intercept or not design.intercept or not isinstance(whole, DesignRows):
        return dataset
    design = replace(design, intercept=False)
    coded = replace(whole, design=design)
    X = X.changed(lambda _: coded) if isinstance(X, RowsOfRows) else coded
    return replace(dataset, X=X, feature_names=design.names, design=design)


def as_opened(reading: ReadingOptions, dataset: Dataset, *, new_rows: bool = False) -> ReadingOptions:
    """The options that open the same table again, or `new_rows`, without a pass: by the design that is known now."""
    if dataset.design is None:
        return reading
    design = dataset.design.for_new_rows() if new_rows else dataset.design
    return as_known(cast(ReadingOptions, {**reading, "missing": dataset.missing}), design)


def as_known(reading: ReadingOptions, design: Design) -> ReadingOptions:
    """The options with a design for all that says which columns are used."""
    kept: dict[str, Any] = {
        name: value for name, value in reading.items() if name not in ("features", "drop", "categorical")
    }
    if kept.get("missing") in FILLED:
        kept["missing"] = "drop"
    return cast(ReadingOptions, {**kept, "design": design})


def _to_look_at(design: Design) -> tuple[str, ...]:
    """The columns of terms that are not known."""
    return tuple(dict.fromkeys(name for each in design.factors if not each.is_known for name in each.columns))


def _frames(table: Table, columns: tuple[str, ...]) -> Dataset:
    return Dataset(X=FrameRows("X", table, columns), source=table.source)


def _text(table: Table, role: str, given: str) -> str:
    """A column, or arithmetic on columns, as an expression; a number by itself is the name of a column."""
    text = quoted(given) if given in table.kinds else given
    columns = Expression(text).columns
    check_columns(table, role, columns or (given,))
    return text


def _label(texts: dict[str, str], role: str) -> str | None:
    return Expression(texts[role]).label if role in texts else None


def _check_numbers(table: Table, role: str, rows: Any) -> None:
    """Refuse what is no number for a role, and no label for y."""
    column = rows.expression.column if isinstance(rows, ColumnRows) else None
    for name in rows.expression.columns if isinstance(rows, ColumnRows) else ():
        kind = table.kinds[name]
        if kind.is_number or (kind.name == "category" and role == "y" and column is not None):
            continue
        raise SchemaError(f"{table.source}: column {name!r} holds {kind.what}, expected numbers for {role}", array=name)
