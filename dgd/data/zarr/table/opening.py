"""Opens a table that was written by its columns: with the roles of the ingest, alone or below others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.design.columns import Table
from dgd.data.design.expressions import quoted
from dgd.data.design.opening import Learn
from dgd.data.design.rows import ColumnRows, FrameRows
from dgd.data.design.stacked_tables import stacked_tables
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.transforms.split_rows import Splitting
from dgd.data.transforms.split_table import SplitTable, open_split_table
from dgd.data.zarr.group import Group
from dgd.data.zarr.stored_ids import StoredTexts, stored_ids
from dgd.data.zarr.table.stored_table import StoredTable, stored_table
from dgd.errors import ConfigurationError, ModelError


def open_kept(
    groups: Sequence[Group],
    given: dict[str, Any],
    reading: Reading,
    known: tuple[str, ...] | None,
    learn: Learn | None,
    splitting: Splitting | None,
    *,
    need_target: bool,
) -> Dataset:
    """The tables in groups as a dataset; without `learn`, where no design is known, a column by itself."""
    tables = _tables(groups)
    table = _one(tables)
    given = _with_roles(tables[0], given, reading, need_target=need_target)
    reading = _by_features(tables[0], reading, known, need_target=need_target)
    if learn is None and reading.design is None and reading.features is None:
        return _column(table, given["y"], splitting, stored_ids(groups[0]) if len(groups) == 1 else {}, need_target)
    dataset = open_split_table(table, given, reading, need_target=need_target, learn=learn, splitting=splitting)
    ids = stored_ids(groups[0]) if len(groups) == 1 else {}
    if splitting is not None:
        ids = {name: splitting.rows(rows) for name, rows in ids.items()}
    return replace(dataset, ids=ids)


def _tables(groups: Sequence[Group]) -> list[StoredTable]:
    """The tables of groups, one each. Raises ConfigurationError for matrices among them."""
    found: list[StoredTable] = []
    for group in groups:
        table = stored_table(group)
        if table is None:
            raise ConfigurationError(
                f"{found[0].source} holds a table by its columns, and {group.source.label} does not; give datasets "
                f"that were ingested alike"
            )
        found.append(table)
    return found


def _one(tables: Sequence[StoredTable]) -> Table:
    """One below the other."""
    more = f" and {len(tables) - 1:,} more" if len(tables) > 1 else ""
    return stacked_tables(tables, f"{tables[0].source}{more}")


def _with_roles(table: StoredTable, given: dict[str, Any], reading: Reading, *, need_target: bool) -> dict[str, Any]:
    """y, weight and offset: as given, else those of the ingest, which are called so as well."""
    found = dict(given)
    in_formula = reading.design is not None and reading.design.target is not None
    for role, name in table.roles:
        unasked = found[role] is None and (role == "offset" or (need_target and not (role == "y" and in_formula)))
        if unasked or (isinstance(found[role], str) and found[role] == role and role not in table.kinds):
            found[role] = name
    return found


def _by_features(table: StoredTable, reading: Reading, known: tuple[str, ...] | None, *, need_target: bool) -> Reading:
    """For a model that was fitted on numbers: its features. Raises ModelError for predictions that lack some."""
    if known is None or reading.design is not None or reading.features is not None:
        return reading
    missing = [name for name in known if name not in table.kinds]
    if missing and not need_target:
        raise ModelError(
            f"{table.source} lacks the columns {', '.join(map(repr, missing[:8]))}, on which the model was fitted; it "
            f"has {', '.join(map(repr, list(table.kinds)[:8]))}"
        )
    return reading if missing else replace(reading, features=known)


class _Counted(FrameRows):
    """Rows that are counted, and not read: nobody has said what X is."""

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Any, int]:
        """Raises ConfigurationError."""
        raise ConfigurationError(
            f"{self.table.source} holds a table by its columns, and a model that knows no names of columns cannot tell "
            f"which are X; name them (features=[...], --features), or fit by names"
        )


def _column(table: Table, y: Any, splitting: Splitting | None, ids: dict[str, Rows], need_target: bool) -> Dataset:
    """A column by itself, or an id, for whoever wants no X."""
    if splitting is not None:
        table = SplitTable(table, splitting.part_of(table.bounds))
        ids = {name: splitting.rows(rows) for name, rows in ids.items()}
    if not need_target or not isinstance(y, str):
        return Dataset(X=_Counted("X", table, ()), source=table.source)
    if isinstance(ids.get(y), StoredTexts):
        raise ConfigurationError(
            f"{table.source}: {y!r} is an id of texts, which goes with predictions; group by a feature, or a number"
        )
    if y in ids and y not in table.kinds:
        return Dataset(X=_Counted("X", table, ()), y=ids[y], source=table.source)
    if y not in table.kinds:
        raise ConfigurationError(f"{table.source} has no column {y!r}; it has {', '.join((*table.kinds, *ids))}")
    return Dataset(X=_Counted("X", table, (y,)), y=ColumnRows("y", table, quoted(y)), source=table.source)
