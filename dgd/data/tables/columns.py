"""Which columns of a table become X, y and weight, and errors for columns that cannot."""

from __future__ import annotations

import difflib
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pyarrow as pa

from dgd.errors import ConfigurationError, IngestError

Kind = Literal["number", "boolean", "other"]


@dataclass(frozen=True)
class Column:
    """A column of a table: what it holds, in the reader's words, and whether a model can use it."""

    name: str
    kind: Kind
    holds: str  # "numbers", "text", "values of type date32[day]", …
    index: bool = False  # written by pandas or Dask as the table's index, which is no column that somebody meant


def kind_of(type_: pa.DataType) -> tuple[Kind, str]:
    """The kind of an Arrow type and what it holds. A column of nulls alone counts as numbers."""
    is_ = pa.types
    if is_.is_boolean(type_):
        return "boolean", "booleans"
    if is_.is_integer(type_) or is_.is_floating(type_) or is_.is_decimal(type_) or is_.is_null(type_):
        return "number", "numbers"
    if type_ in (pa.string(), pa.large_string(), pa.string_view(), pa.binary()):
        return "other", "text"
    return "other", f"values of type {type_}"


@dataclass(frozen=True)
class Cell:
    """A cell as it stands in a file: its data row from 1, and where they are known its line and text."""

    row: int
    line: int | None = None
    text: str | None = None

    @property
    def place(self) -> str:
        """For example `row 3 (line 4)`."""
        return f"row {self.row}" if self.line is None else f"row {self.row} (line {self.line})"


class Table(Protocol):
    """One file of columns, read from its start in batches: all that ingesting asks of a file format."""

    @property
    def path(self) -> str:
        """The file, as the user named it."""

    @property
    def size(self) -> int:
        """Bytes of the file on disk."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns in the order of the file."""

    @property
    def read_as(self) -> str:
        """How the file is read where that is not as usual, for people."""

    def batches(self, selection: Selection) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows in order, only the columns used, each batch with the bytes of the file read so far."""

    def cell(self, row: int, name: str) -> Cell:
        """The cell as it stands in the file: reads the file again up to there."""

    def first_refused(self, name: str) -> Cell:
        """The first cell of a column of kind "other" that shows why it is refused."""


@dataclass(frozen=True)
class Selection:
    """The columns to read: `features` become X in this order, `target` y and `weight` the weights, where there are."""

    features: tuple[str, ...]
    target: str | None
    weight: str | None
    from_file: bool  # the features are simply all the others in the first file: none were named
    elsewhere: tuple[str, ...] = ()  # used columns that are not in the file itself

    @property
    def used(self) -> tuple[str, ...]:
        """Every column that is read: the features, then target and weight."""
        return (*self.features, *(name for name in (self.target, self.weight) if name is not None))

    @property
    def in_file(self) -> tuple[str, ...]:
        """Every column that is read from the file itself."""
        return tuple(name for name in self.used if name not in self.elsewhere)

    def hint(self, name: str, *others: str) -> str:
        """How to leave `name` (and others) out, with the option ready to paste."""
        left = [feature for feature in self.features if feature not in (name, *others)]
        if name not in self.features or not left:
            return ""
        them = "them" if others else "it"
        return f", or leave {them} out: --features {shlex.quote(','.join(left))}"


def choose_columns(
    table: Table, *, target: str | None, features: Sequence[str] | None, weight: str | None
) -> Selection:
    """The selection for a run of files of which `table` is the first; features default to all the others.

    An index that pandas or Dask wrote beside the columns is a feature only if it is named.

    Raises ConfigurationError for a name the table does not have, or names that do not go together.
    """
    if weight == target is not None:
        raise ConfigurationError(f"target and weight are the same column, {target!r}: name two columns")
    for option, name in (("target", target), ("weight", weight)):
        if name is not None:
            _check_exists(table, option, name)
    if features is not None:
        _check_features(table, features, target=target, weight=weight)
        return Selection(tuple(features), target, weight, from_file=False)
    names = tuple(column.name for column in table.columns if column.name not in (target, weight) and not column.index)
    if not names:
        raise ConfigurationError(
            f"{table.path}: no column is left to be a feature, it has only {listed(_names(table))}"
        )
    return Selection(names, target, weight, from_file=True)


def _check_features(table: Table, features: Sequence[str], *, target: str | None, weight: str | None) -> None:
    if not features:
        raise ConfigurationError("features is empty: name a column, or leave it out to take all the others")
    for name, times in Counter(features).items():
        _check_exists(table, "features", name)
        if times > 1:
            raise ConfigurationError(f"features names {name!r} {times} times: name each column once")
        if name in (target, weight):
            role = "target" if name == target else "weight"
            raise ConfigurationError(f"column {name!r} is the {role} and a feature as well: choose one")


def _check_exists(table: Table, option: str, name: str) -> None:
    names = _names(table)
    if name not in names:
        raise no_column(table.path, option, name, names, read_as=table.read_as)


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def no_column(path: str, option: str, name: str, names: Sequence[str], *, read_as: str = "") -> ConfigurationError:
    """The error for a name that no column has, or several have, with those that are like it and those there are."""
    found = "several columns" if name in names else "no column"
    close = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close and name not in names else ""
    how = f" (read with {read_as})" if read_as else ""
    return ConfigurationError(f"{option}: {path} has {found} {name!r}.{hint} It has {listed(names)}{how}")


def listed(names: Sequence[str]) -> str:
    """The first names, and how many there are if that is not all."""
    shown = ", ".join(names[:50])
    return f"{shown}, … ({len(names)} columns)" if len(names) > 50 else shown


def check_columns(table: Table, selection: Selection, *, first: Table) -> None:
    """Raise IngestError unless every selected column is in the table, once, and is numeric or boolean."""
    counts = Counter(column.name for column in table.columns)
    for name in selection.used:
        if counts[name] != 1:
            found = "no column" if counts[name] == 0 else f"{counts[name]} columns named"
            raise IngestError(
                f"{table.path}: has {found} {name!r}, expected exactly one"
                + (f" as in {first.path}" if table is not first else ": rename one of them")
                + f"; it has {listed(_names(table))}",
                file=table.path,
                column=name,
            )
    if selection.from_file:
        _check_nothing_unexpected(table, selection, first=first)
    refused = [c for c in table.columns if c.name in selection.used and c.kind == "other"]
    if refused:
        raise _refused_column(table, selection, refused)


def _check_nothing_unexpected(table: Table, selection: Selection, *, first: Table) -> None:
    """With defaulted features, a nameless column or one the first file lacks is more likely an accident."""
    if "" in selection.features:
        raise IngestError(
            f"{table.path}: column {selection.features.index('') + 1} of the features has no name "
            f"(a row index?). Give it a name in the header{selection.hint('')}",
            file=table.path,
            column="",
        )
    extra = [column.name for column in table.columns if column.name not in selection.used and not column.index]
    if extra:
        raise IngestError(
            f"{table.path}: has a column {extra[0]!r} that {first.path} has not. Name the columns to use: "
            f"--features {shlex.quote(','.join(selection.features))}",
            file=table.path,
            column=extra[0],
        )


def _refused_column(table: Table, selection: Selection, refused: Sequence[Column]) -> IngestError:
    """The error for columns that are not numbers, about the first: target or weight rather than a feature."""
    column, *others = sorted(refused, key=lambda c: c.name in selection.features)
    names = [other.name for other in others]
    cell = table.first_refused(column.name)
    found = "" if cell.text is None else f": {cell.place} is {_quoted(cell.text)}"
    also = f" Nor can {', '.join(map(repr, names))} be used." if names else ""
    return IngestError(
        f"{table.path}: column {column.name!r} holds {column.holds}, expected numbers or true/false{found}."
        f"{also} Encode {'them' if names else 'it'} as numbers first"
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
        "missing": ("is missing", "Fill in such cells or drop their rows first"),
        "infinite": ("is infinite or beyond the range of float64", "Correct such cells or drop their rows"),
        "text": ("is not a number", "Correct such cells, or encode the column as numbers first"),
    }[fault]
    if fault == "text" and kind == "boolean":
        said = "is neither true nor false, as the cells before it are"
    found = f" ({_quoted(cell.text)})" if cell.text else ""
    return IngestError(
        f"{table.path}: {cell.place} of column {name!r} {said}{found}; expected "
        f"{'true or false' if kind == 'boolean' else 'a finite number'}. {cure}{selection.hint(name)}",
        file=table.path,
        column=name,
        row=cell.row,
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
