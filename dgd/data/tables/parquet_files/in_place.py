"""Parquet files as a dataset, read where they lie: nothing is written, and a fit reads only the columns it uses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dgd.data.dataset import Dataset
from dgd.data.reading import Reading
from dgd.data.tables.files import TableFile, table_files
from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.tables.temporary import parsed_from
from dgd.data.transforms.stacked_rows import stacked
from dgd.errors import ConfigurationError, SchemaError

with needing_pyarrow():
    from dgd.data.tables.arrow import number_type
    from dgd.data.tables.columns import kind_of
    from dgd.data.tables.no_column import no_column
    from dgd.data.tables.parquet_files.footers import Footer, footer_of
    from dgd.data.tables.parquet_files.parquet import index_columns
    from dgd.data.tables.parquet_files.parquet_rows import ParquetRows
    from dgd.data.tables.partitions import partition_numbers, partition_value

MOST_NAMED = 8


def open_tables(
    paths: Sequence[str],
    named: dict[str, Any],
    reading: Reading,
    *,
    need_target: bool,
    known: tuple[str, ...] | None = None,
) -> Dataset:
    """The rows of Parquet files, one file after the other, as one dataset; a directory stands for the files in it.

    named: the columns that are y, weight and offset, None for none. Without `features` X is all other columns, without
    an index of pandas or Dask; every one must be numbers. Row groups are the chunks.

    Raises ConfigurationError for a name that no column has, SchemaError for columns that are not numbers, or files
    that lack a column.
    """
    if reading.transpose:
        raise ConfigurationError("transpose=True is for a matrix in a Zarr store, and a table has its rows in order")
    files = table_files([os.path.abspath(os.path.expanduser(path)) for path in paths])
    footers = [footer_of(file.path) for file in files]
    numbers = partition_numbers([file.partition for file in files])
    first = _names(files[0], footers[0])
    if need_target and named["y"] is None:
        named = {**named, "y": "y"}
    for role, name in named.items():
        if name is not None:
            _check_named(files[0].source, role, name, first)
    features = reading.features or known or _others(files[0], footers[0], named, first)
    for name in features:
        _check_named(files[0].source, "features", name, first)
    parts = [_part(*each, features, named, numbers) for each in zip(files, footers, strict=True)]
    first_path = parsed_from(paths[0])
    source = first_path if len(paths) == 1 else f"{first_path} and {len(paths) - 1:,} more"
    whole = parts[0] if len(parts) == 1 else stacked(parts)
    return replace(whole, source=source)


def _names(file: TableFile, footer: Footer) -> tuple[str, ...]:
    """The columns of a file, and of its folders' names."""
    own = tuple(footer.schema.names)
    return (*own, *(name for name, _ in file.partition if name not in own))


def _check_named(path: str, role: str, name: Any, names: Sequence[str]) -> None:
    if not isinstance(name, str):
        raise ConfigurationError(
            f"{role} of a table is the name of a column, got a {type(name).__name__}; read the table into arrays to "
            f"give one beside it"
        )
    if names.count(name) != 1:
        raise no_column(path, role, name, names)


def _others(file: TableFile, footer: Footer, named: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    index = index_columns(footer.schema)
    found = tuple(name for name in names if name not in named.values() and name not in index)
    if not found:
        raise ConfigurationError(f"{file.source}: no column is left to be a feature, it has only {', '.join(names)}")
    return found


def _part(
    file: TableFile, footer: Footer, features: Sequence[str], named: dict[str, Any], numbers: set[str]
) -> Dataset:
    """One file's rows."""
    own = set(footer.schema.names)
    used = [*features, *(name for name in named.values() if name is not None)]
    missing = [name for name in used if name not in _names(file, footer)]
    if missing:
        raise SchemaError(f"{file.source} has no column {missing[0]!r}; it has {', '.join(_names(file, footer))}")
    texts = {name: text for name, text in file.partition if name not in own}
    bad = [f"{name!r} ({kind})" for name in features if (kind := _no_number(name, footer, texts, numbers)) is not None]
    if bad:
        more = f" and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
        good = [name for name in features if _no_number(name, footer, texts, numbers) is None]
        hint = f"name the columns to use: features={good}" if 0 < len(good) <= 50 else "leave them out"
        raise SchemaError(
            f"{file.source}: no numbers are in column{'s' * (len(bad) > 1)} {', '.join(bad[:MOST_NAMED])}{more}; "
            f"turn text into numbers first, or {hint}"
        )
    constants = tuple((name, partition_value(text)) for name, text in texts.items() if name in used and name in numbers)

    def rows(name: str, columns: tuple[str, ...], *, is_vector: bool) -> ParquetRows:
        return ParquetRows(name, file.path, footer.digest, columns, constants, is_vector)

    vectors: dict[str, Any] = {
        role: None if name is None else _vector(rows(name, (name,), is_vector=True), role, footer)
        for role, name in named.items()
    }
    return Dataset(
        X=rows("X", tuple(features), is_vector=False),
        **vectors,
        feature_names=tuple(features),
        target_name=named["y"],
        source=file.source,
    )


def _no_number(name: str, footer: Footer, texts: dict[str, str], numbers: set[str]) -> str | None:
    """What a column holds that is no number."""
    if name in texts:
        return None if name in numbers else "text"
    kind = footer.schema.field(name).type
    return None if number_type(kind) is not None else kind_of(kind)[1]


def _vector(rows: ParquetRows, role: str, footer: Footer) -> ParquetRows:
    """y, weight or offset; only y may be labels."""
    if rows.dtype.kind in "biuf":
        return rows
    held = kind_of(footer.schema.field(rows.name).type)[1]
    if role == "y" and (held == "text" or held.startswith("values of type dictionary<values=string")):
        return rows
    raise SchemaError(f"{rows.path}: column {rows.name!r} holds {held}, expected numbers for {role}", array=rows.name)
