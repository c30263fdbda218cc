"""Errors for columns and cells that cannot be used: all of a table's refused columns at once, and where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from dgd.data.tables.columns import Cell, Column, Selection, Table, pasted
from dgd.data.tables.no_column import listed
from dgd.errors import IngestError

MOST_NAMED = 50


def check_columns(table: Table, selection: Selection, *, first: Table, coded: frozenset[str] = frozenset()) -> None:
    """Raise IngestError unless every selected column is in the table, once, and is numeric, boolean or `coded`."""
    counts = Counter(column.name for column in table.columns)
    absent = [name for name in selection.read if counts[name] == 0]
    twice = [name for name in selection.read if counts[name] > 1]
    if absent or twice:
        found = f"no column {_each(absent)}" if absent else f"{counts[twice[0]]} columns named {twice[0]!r}"
        raise IngestError(
            f"{table.path}: has {found}, expected exactly one"
            + (" of each" if len(absent) > 1 else "")
            + (f" as in {first.path}" if table is not first else ": rename one of them")
            + f"; it has {listed([column.name for column in table.columns])}",
            file=table.path,
            column=[*absent, *twice][0],
        )
    if selection.from_file:
        _check_nothing_unexpected(table, selection, first=first)
    refused = [c for c in table.columns if c.name in selection.used and c.kind == "other" and c.name not in coded]
    if refused:
        raise _refused_column(table, selection, refused)


def _each(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(map(repr, names[:MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")


def _check_nothing_unexpected(table: Table, selection: Selection, *, first: Table) -> None:
    """With defaulted features, a nameless column or one the first file lacks is more likely an accident."""
    if "" in selection.features:
        text = [c.name for c in table.columns if c.name in selection.features and c.kind == "other" and c.name]
        also = f" Nor can {_each(text)} be used, which hold text." if text else ""
        raise IngestError(
            f"{table.path}: column {selection.features.index('') + 1} of the features has no name "
            f"(a row index?).{also} Give it a name in the header{selection.hint('', *text)}",
            file=table.path,
            column="",
        )
    known = {*selection.read, *selection.dropped}
    extra = [column.name for column in table.columns if column.name not in known and not column.index]
    if extra:
        raise IngestError(
            f"{table.path}: has {'columns' if len(extra) > 1 else 'a column'} {_each(extra)} that {first.path} has "
            f"not. Name the columns to use: --features {pasted(selection.features)}",
            file=table.path,
            column=extra[0],
        )


def _refused_column(table: Table, selection: Selection, refused: Sequence[Column]) -> IngestError:
    """The error for columns that are not numbers, about the first: target or weight rather than a feature."""
    column, *others = sorted(refused, key=lambda c: c.name in selection.features)
    names = [other.name for other in others]
    cell = table.first_refused(column.name)
    found = "" if cell.text is None else f": {cell.place} is {_quoted(cell.text)}"
    also = f" Nor can {_each(names)} be used." if names else ""
    as_it_is = " `dgd fit` takes text from the file itself, as categories." if column.holds == "text" else ""
    return IngestError(
        f"{table.path}: column {column.name!r} holds {column.holds}, expected numbers or true/false{found}."
        f"{also}{as_it_is} Encode {'them' if names else 'it'} as numbers first"
        f"{selection.hint(column.name, *names)}",
        file=table.path,
        column=column.name,
        row=cell.row,
    )


def refused_cell(
    table: Table, selection: Selection, name: str, cell: Cell, fault: Literal["missing", "infinite", "text"]
) -> IngestError:
    """The error for one cell that is missing, infinite, or text in a column of numbers."""
    kind = next(column.kind for column in table.columns if column.name == name)
    said, cure = {
        "missing": (
            "is missing",
            "Leave out such rows by --missing drop, or keep the cells by --missing keep (`dgd inspect` counts them)",
        ),
        "infinite": ("is infinite or beyond the range of float64", "Correct such cells or drop their rows"),
        "text": ("is not a number", "Correct such cells, or encode the column as numbers first"),
    }[fault]
    if fault == "text" and kind == "boolean":
        said = "is neither true nor false, as the cells before it are"
    found = f" ({_quoted(cell.text)})" if cell.text else ""
    expected = {"boolean": "true or false", "number": "a finite number", "other": "a value"}[kind]
    return IngestError(
        f"{table.path}: {cell.place} of column {name!r} {said}{found}; expected {expected}. "
        f"{cure}{selection.hint(name)}",
        file=table.path,
        column=name,
        row=cell.row,
    )


def nothing_left(path: str, counts: Counter[str]) -> IngestError:
    """The error where every row has a missing cell."""
    worst = max(counts, key=counts.__getitem__)
    return IngestError(
        f"{path}: every row has a missing cell ({counts[worst]:,} of them in column {worst!r}); "
        f"leave out such columns, or keep the cells",
        file=path,
        column=worst,
    )


def overflowing_cell(table: Table, name: str, cell: Cell, dtype: str) -> IngestError:
    """The error for a number that float64 holds but `dtype` does not."""
    found = "the number" if cell.text is None else cell.text.strip()
    return IngestError(
        f"{table.path}: {cell.place} of column {name!r}: {found} is beyond the range of {dtype}. "
        f"Ingest with dtype float64, or rescale the column first",
        file=table.path,
        column=name,
        row=cell.row,
    )


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
