"""`dgd.inspect`: all that stands in the way of ingesting files, and the command that deals with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dgd.data.tables.brought import local_file
from dgd.data.tables.files import table_files
from dgd.data.tables.inspection.inspection import InspectedColumn, Inspection
from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.tables.text.dialect import Dialect
from dgd.errors import ConfigurationError, IngestError
from dgd.errors.words import counted

with needing_pyarrow():
    from dgd.data.tables.columns import Column, Table
    from dgd.data.tables.inspection.column_look import ColumnLook
    from dgd.data.tables.inspection.command import command_of, fit_of
    from dgd.data.tables.opening import opened_tables

MOST_PATTERNS = 4096
"""Different sets of missing cells in a row that are told apart."""
MOST_NAMED = 20
MOST_CATEGORIES = 1_000
"""Levels of a column that a design takes for a category without being told."""


def inspect(
    files: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    target: str | None = None,
    dialect: Dialect | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Inspection:
    """Read CSV and Parquet files once, and say all that stands in the way of ingesting them.

    Of each column: what its cells hold, missing ones, extremes, the number of different texts (up to 10,000), whether
    it is constant, numbers the rows or is the index of a DataFrame; of each file how it is read; and the command of the
    shell that ingests what can be, ready to paste. files, dialect, storage_options: as for `dgd.ingest`. target: the
    column to predict, which the command then names.

    Memory is bounded, however long the files. Raises DatasetNotFoundError, ConfigurationError for a target that is no
    column, and IngestError for a file that cannot be opened; a later fault is an obstacle.
    """
    given = [files] if isinstance(files, str | os.PathLike) else list(files)
    paths = [os.fspath(path) for path in given]
    if not paths:
        raise ConfigurationError("`inspect(files=...)` is empty: name at least one CSV or Parquet file")
    tables = opened_tables(table_files([local_file(path, storage_options) for path in paths]), dialect)
    names = list(dict.fromkeys(column.name for table in tables for column in table.columns))
    if target is not None and target not in names:
        raise ConfigurationError(f"`inspect(target=...)`: no column is called {target!r}; there are {', '.join(names)}")
    looks = {name: ColumnLook() for name in names}
    patterns: Counter[bytes] | None = Counter()
    faults: list[str] = []
    for table in tables:
        try:
            for cells in table.cells():
                patterns = _look(table, cells, looks, names, patterns)
        except IngestError as error:
            faults.append(str(error))
    return _found(paths, tables, names, looks, patterns, faults, target, dialect)


def _look(
    table: Table,
    cells: Sequence[Any],
    looks: dict[str, ColumnLook],
    names: list[str],
    patterns: Counter[bytes] | None,
) -> Counter[bytes] | None:
    """Add a batch; returns how often each set of missing cells is in a row, None where there are too many sets."""
    rows = next((len(column) for column in cells if column is not None), 0)
    missing = np.zeros((rows, len(names)), dtype=bool)
    dialect = table.dialect
    for column, values in zip(table.columns, cells, strict=True):
        if values is None:
            looks[column.name].texts += rows
            looks[column.name].rows += rows
            looks[column.name].levels = None
            continue
        look = looks[column.name]
        found = look.add_values(values) if dialect is None else look.add_texts(values, dialect)
        missing[:, names.index(column.name)] |= found
    if patterns is None:
        return None
    packed, counts = np.unique(np.packbits(missing, axis=1), axis=0, return_counts=True)
    for pattern, count in zip(packed, counts, strict=True):
        patterns[pattern.tobytes()] += int(count)
    return patterns if len(patterns) <= MOST_PATTERNS else None


def _found(
    paths: list[str],
    tables: Sequence[Table],
    names: list[str],
    looks: dict[str, ColumnLook],
    patterns: Counter[bytes] | None,
    faults: list[str],
    target: str | None,
    dialect: Dialect | None,
) -> Inspection:
    rows = max((look.rows for look in looks.values()), default=0)
    kinds: dict[str, list[Column]] = {name: [] for name in names}
    for table in tables:
        for column in table.columns:
            kinds[column.name].append(column)
    spelled = tuple(dict.fromkeys(text for look in looks.values() for text in look.spellings))
    notes = {name: _note(name, looks[name], kinds[name], rows) for name in names}
    columns = tuple(
        InspectedColumn(
            name,
            looks[name].holds,
            looks[name].missing,
            looks[name].shown,
            None if looks[name].levels is None or not looks[name].texts else len(looks[name].levels or ()),
            looks[name].infinite,
            notes[name],
        )
        for name in names
    )
    obstacles = [*faults, *_of_names(tables, names, given=dialect is not None and dialect.header is not None)]
    stuck = bool(obstacles)
    coded = [name for name in names if notes[name] == "text" and 1 < len(looks[name].levels or ()) <= MOST_CATEGORIES]
    obstacles += _of_cells(names, looks, notes, spelled, target, coded)
    ids = [name for name in names if notes[name] == ID and name != target]
    index = [name for name in names if any(column.index for column in kinds[name])]
    dropped = [name for name in names if notes[name] and name not in (*ids, *index, *coded, target)]
    used = [name for name in names if name not in (*ids, *index, *dropped)]
    lost, policy = _missing(names, looks, used, patterns, rows, spelled)
    if policy == "drop":
        counts = ", ".join(f"{name} {looks[name].missing:,}" for name in used if looks[name].missing)
        left = "some rows" if lost is None else counted(lost, "row")
        obstacles.append(f"missing cells: {counts or 'those spelled so'}; --missing drop leaves out {left}")
    elif policy == "keep":
        obstacles.append("every row has a missing cell: --missing keep writes them as NaN; drop such columns by --drop")
    features = [name for name in used if name != target]
    target_is_bad = target is not None and notes[target] not in ("", *NO_HARM) and target not in coded
    if target_is_bad:
        obstacles.append(f"target {target!r}: {notes[target or '']}")
    if not features:
        obstacles.append("no column is left to be a feature")
    command = None
    if not (stuck or target_is_bad or not features):
        command = command_of(paths, target, dropped, ids, policy, _spellings(tables, spelled), dialect)
    alone = len(paths) == 1 and not (stuck or spelled or dialect or "" in names)
    fit = _fit(paths[0], target, names, looks, notes, index, patterns, rows) if alone and target is not None else None
    read_as = {table.path: table.read_as for table in tables if table.read_as}
    return Inspection(tuple(paths), rows, columns, read_as, lost, tuple(obstacles), command, fit)


def _fit(
    path: str,
    target: str,
    names: list[str],
    looks: dict[str, ColumnLook],
    notes: dict[str, str],
    index: list[str],
    patterns: Counter[bytes] | None,
    rows: int,
) -> str | None:
    """The command that fits the table as it is: text as categories, a target of text as classes."""
    levels = looks[target].levels
    classes = len(levels or ()) if notes[target] == "text" else None
    if notes[target] not in ("", "text", *NO_HARM) or classes == 1 or (classes is not None and levels is None):
        return None
    few = [
        name
        for name in names
        if notes[name] == "text" and 0 < len(looks[name].levels or ()) <= MOST_CATEGORIES and name != target
    ]
    used = [name for name in names if name not in index and (not notes[name] or name in few or name == target)]
    _, policy = _missing(names, looks, used, patterns, rows, ())
    if len(used) < 2 or policy == "keep":
        return None
    return fit_of(path, target, [name for name in names if name not in (*used, *index)], policy, classes)


ID = "as many texts as rows: an id?"
NO_HARM = ("numbers the rows", "constant")
"""What a target may be, if it must."""


def _note(name: str, look: ColumnLook, kinds: Sequence[Column], rows: int) -> str:
    """Why a column is no feature as it is; "" if it is one."""
    if any(column.index for column in kinds):
        return "the index of a DataFrame"
    if not look.rows or look.holds == "nothing":
        return "no cell is filled"
    nested = next((column.holds for column in kinds if column.holds.startswith("values of type")), None)
    if look.dates and not look.texts and not look.numbers:
        return "dates"
    if look.spellings:
        return ""
    if look.texts or look.dates:
        if nested is not None and look.levels is None:
            return nested
        unique = look.levels is not None and len(look.levels) == rows > 1 and not look.missing
        return ID if unique else look.holds
    if any(column.kind == "other" for column in kinds):
        return next(column.holds for column in kinds if column.kind == "other")
    if look.infinite:
        return f"infinite in {counted(look.infinite, 'row')}"
    if look.booleans and look.numbers:
        return "booleans and numbers"
    if look.counts_rows and rows > 2:
        return "numbers the rows"
    if look.is_constant and rows > 1:
        return "constant"
    return ""


def _of_names(tables: Sequence[Table], names: list[str], *, given: bool) -> Iterator[str]:
    """What is wrong with the columns' names; given: whether it was said if there is a header."""
    for table in tables:
        counts = Counter(column.name for column in table.columns)
        how = table.dialect
        numbers = [name for name in counts if how is not None and how.header and how.is_number(name)]
        if 2 * len(numbers) > len(counts) and not given:
            shown = ", ".join(map(repr, numbers[:3]))
            yield f"{table.path}: column names that are numbers ({shown}): say --no-header, or --header if they are"
        for name, count in counts.items():
            if count > 1 and name not in numbers:
                yield f"{table.path}: {count} columns are called {name!r}: rename one of them"
        lacking = [
            name
            for name in names
            if name not in counts and not any(c.index for t in tables for c in t.columns if c.name == name)
        ]
        if lacking:
            yield f"{table.path}: has no column {', '.join(map(repr, lacking[:MOST_NAMED]))}, which other files have"


def _of_cells(
    names: list[str],
    looks: dict[str, ColumnLook],
    notes: dict[str, str],
    spelled: tuple[str, ...],
    target: str | None,
    coded: list[str],
) -> Iterator[str]:
    """What is wrong with columns' cells, a line for each kind of fault."""
    by_note: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        if notes[name] and name != target:
            by_note.setdefault((notes[name], name in coded), []).append(name or "the one without a name")
    for (note, is_coded), found in by_note.items():
        more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
        out = {ID: "carried by --id", "the index of a DataFrame": "left out"}.get(note, "left out by --drop")
        out = "written as codes of their levels" if is_coded else out
        yield f"{note}: {', '.join(found[:MOST_NAMED])}{more} ({out})"
    if spelled:
        where = [name for name in names if looks[name].spellings]
        texts = ", ".join(map(repr, spelled))
        yield f"{texts} among the numbers of {', '.join(where)}: taken for missing by --na-value"


def _missing(
    names: list[str],
    looks: dict[str, ColumnLook],
    used: list[str],
    patterns: Counter[bytes] | None,
    rows: int,
    spelled: tuple[str, ...],
) -> tuple[int | None, str]:
    """Rows with a missing cell in a column that is used, and what to do with them."""
    if not any(looks[name].missing for name in used) and not spelled:
        return 0, "error"
    if patterns is None or spelled:
        return None, "drop"
    mask = np.packbits(np.array([[name in used for name in names]]), axis=1)[0]
    lost = sum(count for pattern, count in patterns.items() if (np.frombuffer(pattern, np.uint8) & mask).any())
    return lost, "drop" if lost < rows else "keep"


def _spellings(tables: Sequence[Table], spelled: tuple[str, ...]) -> tuple[str, ...]:
    """All that must be named, for what is guessed is not guessed beside what is given."""
    if not spelled:
        return ()
    guessed = [text for table in tables for text in (() if table.dialect is None else table.dialect.missing or ())]
    return tuple(dict.fromkeys([*guessed, *spelled]))
