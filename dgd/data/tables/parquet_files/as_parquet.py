"""Text files as Parquet, so that a fit reads them in place: each is parsed once by a process, into a temporary file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.tables.temporary import made_from, place_for

with needing_pyarrow():
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dgd.data.tables.text.csv import CsvTable, open_csv_table

if TYPE_CHECKING:
    from dgd.data.tables.files import TableFile
    from dgd.data.tables.text.dialect import Dialect

GROUP_BYTES = 16 << 20
"""Bytes of a row group as float64, which is a chunk of a pass."""
LEAST_ROWS = 1024
_made: dict[tuple[str, int, int, Dialect | None], str] = {}
READ_AS: dict[str, str] = {}
"""How the text files of this process are read, where that is not as usual."""


def as_parquet(file: TableFile, dialect: Dialect | None = None) -> str:
    """The path of a Parquet file with the rows of a text file, in their order; its folders' names go along.

    Numbers are int64 where the first mebibyte has whole ones and all others are, else float64; text is text, true and
    false are booleans, and missing cells null. Raises IngestError at the first cell that is none of its column's kind.
    """
    status = os.stat(file.path)
    key = os.path.abspath(file.path), status.st_size, status.st_mtime_ns, dialect
    if key not in _made:
        folders = [f"{name}={value}" for name, value in file.partition]
        place = place_for(repr(key), f"{Path(file.path).name}.parquet")
        place = place.parent.joinpath(*folders, place.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        table = open_csv_table(file.path, dialect)
        if table.read_as:
            READ_AS[file.path] = table.read_as
        _write(table, place)
        _made[key] = str(place)
        made_from(str(place), file.path)
    return _made[key]


def _write(table: CsvTable, place: Path) -> None:
    """The first reading that holds for all rows: whole numbers and dates as such, or as floats and texts."""
    draft = place.with_name(f"{place.name}.partial")
    try:
        try:
            _write_as(table, table.types(exact=True), draft)
        except pa.ArrowInvalid:
            _write_as(table, table.types(exact=False), draft)
        os.replace(draft, place)
    except pa.ArrowInvalid as error:
        raise table.first_unlike() from error
    finally:
        draft.unlink(missing_ok=True)


def _write_as(table: CsvTable, types: dict[str, Any], draft: Path) -> None:
    schema = pa.schema(list(types.items()))
    rows = max(LEAST_ROWS, GROUP_BYTES // (8 * len(types)))
    waiting: list[pa.RecordBatch] = []
    with pq.ParquetWriter(draft, schema, compression="zstd", compression_level=1) as writer:
        for batch in table.typed(types):
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= rows:
                joined = pa.Table.from_batches(waiting, schema)
                whole = joined.num_rows // rows * rows
                writer.write_table(joined.slice(0, whole), row_group_size=rows)
                waiting = joined.slice(whole).to_batches()
        if any(each.num_rows for each in waiting):
            writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=rows)
