"""What is a table: files of Parquet, and DataFrames and Arrow tables where their columns are more than numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from dgd.data.arrays.frames import is_frame
from dgd.data.design.choosing import FILLED
from dgd.data.design.columns import Table
from dgd.data.reading import Reading, is_url
from dgd.errors import ConfigurationError, ModelError

IN_MEMORY = ("pyarrow", "polars", "nanoarrow", "arro3")
"""Libraries whose tables are in memory and can be streamed more than once."""


def table_of(
    data: Any,
    paths: Sequence[str] | None,
    named: Mapping[str, Any],
    reading: Reading,
    known: tuple[str, ...] | None,
    *,
    may_learn: bool,
) -> Table | None:
    """The table that a design is made for; None for what is no table, or one of numbers that needs none.

    paths: of Parquet files, if it is those. known: the features of a model. may_learn: whether there can be a pass.
    """
    if not (may_learn or _asks(reading)):
        return None
    if _asks(reading) and paths is None and not _is_table(data):
        if known is not None:
            raise ModelError(
                f"the model was fitted on columns of a table ({', '.join(reading.design.columns[:8])} …); give a table "
                f"(Parquet, a DataFrame, an Arrow table), got {_what(data)}"
            )
        raise ConfigurationError(
            f"{_given(reading)} goes with a table (Parquet, a DataFrame, an Arrow table), got {_what(data)}"
        )
    if paths is not None:
        from dgd.data.tables.parquet_files.parquet_table import parquet_table

        table = parquet_table(paths)
    elif _is_table(data):
        if not (_asks(reading) or any(_names_column(each) for each in named.values()) or _has_others(data)):
            return None
        table = _in_memory(data)
    else:
        return None
    taken = {each for each in named.values() if isinstance(each, str)}
    if _asks(reading) or (paths is None and any(map(_names_column, taken))) or not taken <= table.kinds.keys():
        return table
    features = reading.features or known or [n for n in table.kinds if n not in taken and n not in table.index]
    kinds = [table.kinds[name] for name in features if name in table.kinds]
    return table if any(kind.name in ("category", "time") for kind in kinds) else None


def _asks(reading: Reading) -> bool:
    """Whether what was asked for needs a design."""
    return bool(_given(reading))


def _given(reading: Reading) -> str:
    if reading.design is not None:
        return "design"
    if reading.categorical is not None or reading.drop is not None:
        return "categorical" if reading.categorical is not None else "drop"
    return f"missing={reading.missing!r}" if reading.missing in FILLED else ""


def _names_column(given: Any) -> bool:
    """Whether y, weight or offset beside a table in memory is one of its columns, and not a place."""
    return isinstance(given, str) and not (is_url(given) or os.path.isabs(given) or os.path.exists(given))


def _is_table(data: Any) -> bool:
    if is_frame(data) or _is_dask(data):
        return getattr(data, "ndim", 0) == 2
    library = type(data).__module__.partition(".")[0]
    has_columns = hasattr(data, "column_names") or hasattr(data, "columns")
    return library in IN_MEMORY and has_columns and find_spec("pyarrow") is not None and hasattr(data, "schema")


def _is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "dask" and hasattr(data, "divisions")


def _has_others(data: Any) -> bool:
    """Whether a table in memory has columns that are no numbers; it is not looked at beyond its types."""
    if is_frame(data) or _is_dask(data):
        from dgd.data.arrays.frame_columns import kind_of_dtype

        return any(not kind_of_dtype(dtype, may_be_missing=False).is_number for dtype in data.dtypes)
    from dgd.data.tables.arrow_columns import arrow_table

    return any(not kind.is_number for kind in arrow_table(data).kinds.values())


def _in_memory(data: Any) -> Table:
    """A table of this process, or of Dask; the lengths of whose partitions are counted."""
    names = list(getattr(data, "column_names", getattr(data, "columns", ())))
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ConfigurationError(f"the columns of a table must have different texts as names, got {str(names)[:80]}")
    if is_frame(data):
        from dgd.data.arrays.frame_columns import FrameTable

        return FrameTable(data)
    if _is_dask(data):
        from dgd.data.dask_rows.frame_columns import DaskTable

        return DaskTable.of(data)
    from dgd.data.tables.arrow_columns import arrow_table

    return arrow_table(data)


def _what(data: Any) -> str:
    return f"{os.fspath(data)!r}" if isinstance(data, (str, os.PathLike)) else f"a {type(data).__name__}"
