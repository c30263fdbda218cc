"""The design of a table: what was asked for, with what only the table says put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dgd.data.design.columns import ColumnKind, Table
from dgd.data.design.design import Design
from dgd.data.design.expressions import Expression, quoted
from dgd.data.design.formula import Others
from dgd.data.design.terms.base import Term
from dgd.data.design.terms.categories import MOST_UNASKED, Categorical, Hashed
from dgd.data.design.terms.interaction import Interaction
from dgd.data.design.terms.numbers import Numeric, Ordinal, Time
from dgd.data.reading import Reading
from dgd.data.tables.no_column import no_column
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.words import counted

MOST_NAMED = 8
FILLED = ("mean", "indicator")
"""Policies of missing cells under which they are filled."""


def design_for(table: Table, roles: Sequence[str], reading: Reading) -> Design:
    """The design that was given, or numbers as they are and texts as categories; roles: columns that are no feature.

    Raises ConfigurationError for names that no column has, SchemaError for columns that need a word, all at once.
    """
    design = reading.design
    if design is None:
        for what in ("features", "drop", "categorical"):
            check_columns(table, what, getattr(reading, what) or ())
        names = reading.features or _others(table, {*roles, *(reading.drop or ())})
        design = Design(tuple(_unasked(name, reading) for name in names if name not in (reading.drop or ())))
        for name in reading.categorical or ():
            if name not in names:
                design = replace(design, terms=(*design.terms, Categorical(name)))
    else:
        design = _without_others(design, table, roles)
        check_columns(table, "the design", design.columns)
    _check_kinds(table, design, reading)
    if design.resolved:
        return design
    known = {factor: _resolved(factor, table.kinds, reading) for factor in design.factors}
    return replace(design.changed(known.__getitem__), resolved=True)


def _unasked(name: str, reading: Reading) -> Term:
    return Categorical(name) if name in (reading.categorical or ()) else Numeric(quoted(name))


def _others(table: Table, taken: set[str]) -> tuple[str, ...]:
    found = tuple(name for name in table.kinds if name not in taken and name not in table.index)
    if not found:
        raise ConfigurationError(
            f"{table.source}: no column is left to be a feature, it has only {', '.join(table.kinds)}"
        )
    return found


def _without_others(design: Design, table: Table, roles: Sequence[str]) -> Design:
    """The design with the columns that its `.` stands for."""
    if not design.has_unresolved:
        return design
    named = {*design.columns, *roles, *(Expression(design.target).columns if design.target else ())}
    gone = {name for term in design.without for name in term.columns}
    others = [Numeric(quoted(name)) for name in _others(table, named | gone)]
    found: list[Term] = []
    for term in design.terms:
        if isinstance(term, Others):
            found += others
        elif isinstance(term, Interaction) and any(isinstance(factor, Others) for factor in term.factors):
            raise ConfigurationError(f"the formula has {term.label}: the `.` stands by itself")
        else:
            found.append(term)
    return replace(design, terms=tuple(found), without=())


def check_columns(table: Table, what: str, names: Sequence[str]) -> None:
    """Raise ConfigurationError for names that no column has."""
    missing = [name for name in names if name not in table.kinds]
    if not missing:
        return
    raise no_column(table.source, what, missing[0], list(table.kinds))


def _check_kinds(table: Table, design: Design, reading: Reading) -> None:
    """Raise SchemaError with all columns that cannot be what they are to be."""
    bad: dict[str, str] = {}
    for factor in design.factors:
        for name in factor.columns:
            kind = table.kinds[name]
            if kind.name == "other":
                bad[name] = f"{name!r} ({kind.what})"
            elif isinstance(factor, (Categorical, Hashed, Ordinal)):
                if kind.name == "time":
                    bad[name] = f"{name!r} (times, which are no category; make one of them before)"
            elif kind.name == "time" and not isinstance(factor, Time) and not _may_be_time(factor, name, reading):
                bad[name] = f"{name!r} (times: give time_unit='days', or another unit)"
            elif kind.name == "category" and (design.resolved or not _is(factor, name)):
                bad[name] = f"{name!r} (text, and {factor.label} needs numbers)"
    if bad:
        shown = ", ".join(list(bad.values())[:MOST_NAMED])
        number = counted(len(bad), "column")
        them, are = ("it", "it is") if len(bad) == 1 else ("them", "they are")
        more = f" and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
        drop = list(bad)[:MOST_NAMED]
        raise SchemaError(
            f"{table.source}: {number} cannot be used as {are}: {shown}{more}; or leave {them} out: drop={drop}"
        )


def _may_be_time(factor: Term, name: str, reading: Reading) -> bool:
    return reading.time_unit is not None and _is(factor, name)


def _is(factor: Term, name: str) -> bool:
    """Whether a term is a column itself."""
    return isinstance(factor, Numeric) and factor.expression.column == name


def _resolved(factor: Term, kinds: dict[str, ColumnKind], reading: Reading) -> Term:
    """A term as the kind of its column has it, with the policy of missing cells where it has none of its own."""
    filled = reading.missing in FILLED
    if isinstance(factor, Numeric) and (column := factor.expression.column) is not None:
        kind = kinds[column]
        if kind.name == "category":
            factor = Categorical(column, most=MOST_UNASKED)
        elif kind.name == "time":
            assert reading.time_unit is not None
            factor = Time(column, reading.time_unit)
    if isinstance(factor, (Categorical, Hashed)) and factor.missing is None:
        return replace(factor, missing="level" if filled else "error")
    if isinstance(factor, Numeric) and filled and factor.fill is None:
        return replace(factor, fill="mean", indicator=reading.missing == "indicator")
    return factor
