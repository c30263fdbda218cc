"""Which columns of a table become X, y, weight, offset and ids."""

from __future__ import annotations

import csv
import io
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pyarrow as pa

from dgd.data.tables.no_column import listed, no_column
from dgd.data.tables.text.dialect import Dialect
from dgd.errors import ConfigurationError

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

    def batches(self, selection: Selection, rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows in order, only the columns used, each batch with the bytes of the file read so far.

        rows: of a chunk that is written, which a batch best has.
        """

    @property
    def dialect(self) -> Dialect | None:
        """How a text file writes its cells; None where their types are declared."""

    def cells(self) -> Iterator[list[pa.Array | None]]:
        """All columns in their order, batch by batch: texts of a text file, else values; None where they are nested."""

    def cell(self, row: int, name: str) -> Cell:
        """The cell as it stands in the file: reads the file again up to there."""

    def first_refused(self, name: str) -> Cell:
        """The first cell of a column of kind "other" that shows why it is refused."""

    def whole_numbers(self, name: str) -> bool:
        """Whether a column is stored as whole numbers that int64 holds, and lacks none."""


@dataclass(frozen=True)
class Wanted:
    """What a caller said of the columns: names, or nothing."""

    target: str | None = None
    features: Sequence[str] | None = None
    drop: Sequence[str] = ()
    weight: str | None = None
    offset: str | None = None
    ids: Sequence[str] = ()

    @property
    def others(self) -> dict[str, str]:
        """Each named column that is no feature, with what it is."""
        single = {"target": self.target, "weight": self.weight, "offset": self.offset}
        found = [(name, role) for role, name in single.items() if name is not None]
        return dict([*((name, "id") for name in self.ids), *reversed(found)])


@dataclass(frozen=True)
class Selection:
    """The columns to read.

    `features` become X in this order, `target` y, `weight` the weights and `offset` the offsets, where there are some;
    `ids` are carried beside them.
    """

    features: tuple[str, ...]
    target: str | None
    weight: str | None
    from_file: bool  # the features are simply all the others in the first file: none were named
    elsewhere: tuple[str, ...] = ()  # used columns that are not in the file itself
    offset: str | None = None
    ids: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """Every column that is read as numbers: the features, then target, weight and offset."""
        return (*self.features, *(name for name in (self.target, self.weight, self.offset) if name is not None))

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (*self.used, *self.ids)

    @property
    def in_file(self) -> tuple[str, ...]:
        """Every column that is read from the file itself."""
        return tuple(name for name in self.read if name not in self.elsewhere)

    def hint(self, *names: str) -> str:
        """How to leave columns out, with the option ready to paste."""
        left = [feature for feature in self.features if feature not in names]
        if names[0] not in self.features or not left:
            return ""
        them = "them" if len(names) > 1 else "it"
        if self.from_file:
            out = [*self.dropped, *(feature for feature in self.features if feature in names)]
            return f", or leave {them} out: --drop {pasted(out)}"
        return f", or leave {them} out: --features {pasted(left)}"


def pasted(names: Sequence[str]) -> str:
    """Names as the value of an option for a shell: commas between them, one that holds a comma in double quotes."""
    return shlex.quote(joined(names))


def joined(names: Sequence[str]) -> str:
    """Names with commas between them, as CSV writes them."""
    if list(names) == [""]:
        return ""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def choose_columns(table: Table, wanted: Wanted) -> Selection:
    """The selection for a run of files of which `table` is the first; features default to all the others.

    An index that pandas or Dask wrote beside the columns is a feature only if it is named.

    Raises ConfigurationError for a name the table does not have, or names that do not go together.
    """
    single = [("target", wanted.target), ("weight", wanted.weight), ("offset", wanted.offset)]
    named = [(role, name) for role, name in single if name is not None]
    named += [("ids", name) for name in wanted.ids] + [("drop", name) for name in wanted.drop]
    taken: dict[str, str] = {}
    for role, name in named:
        if name in taken:
            raise ConfigurationError(
                f"{taken[name]} and {role} are the same column, {name!r}: name two columns"
                if taken[name] != role
                else f"{role} names {name!r} twice: name each column once"
            )
        taken[name] = role
        _check_exists(table, role, name)
    if wanted.features is not None:
        if wanted.drop:
            raise ConfigurationError(
                "`ingest(features=...)` and `ingest(drop=...)` exclude each other: name those to use, or the others"
            )
        _check_features(table, wanted.features, wanted.others)
        return _selection(tuple(wanted.features), wanted, from_file=False)
    names = tuple(column.name for column in table.columns if column.name not in taken and not column.index)
    if not names:
        raise ConfigurationError(
            f"{table.path}: no column is left to be a feature, it has only {listed(_names(table))}"
        )
    return _selection(names, wanted, from_file=True)


def _selection(features: tuple[str, ...], wanted: Wanted, *, from_file: bool) -> Selection:
    return Selection(
        features,
        wanted.target,
        wanted.weight,
        from_file,
        offset=wanted.offset,
        ids=tuple(wanted.ids),
        dropped=tuple(wanted.drop),
    )


def _check_features(table: Table, features: Sequence[str], others: dict[str, str]) -> None:
    if not features:
        raise ConfigurationError("features is empty: name a column, or leave it out to take all the others")
    for name, times in Counter(features).items():
        _check_exists(table, "features", name)
        if times > 1:
            raise ConfigurationError(f"features names {name!r} {times} times: name each column once")
        if name in others:
            raise ConfigurationError(f"column {name!r} is the {others[name]} and a feature as well: choose one")


def _check_exists(table: Table, option: str, name: str) -> None:
    names = _names(table)
    if name not in names:
        raise no_column(table.path, option, name, names, read_as=table.read_as)


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]
