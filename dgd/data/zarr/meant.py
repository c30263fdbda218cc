"""Arrays of a dataset, read as what they mean: rows by the names of dimensions, values by attributes."""

from __future__ import annotations

from dataclasses import replace

from dgd.data.reading import TURN, Reading
from dgd.data.rows import Rows, RowsOfRows
from dgd.data.transforms.meaning import DecodedRows
from dgd.data.zarr.attributes import meaning_of
from dgd.data.zarr.csr_rows import CsrRows
from dgd.data.zarr.dimensions import check_same_rows, oriented
from dgd.data.zarr.text_rows import TextRows
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import ConfigurationError


def meant(found: dict[str, Rows | None], reading: Reading, *, beside: ZarrRows | None = None) -> dict[str, Rows | None]:
    """The arrays by role, as what they mean; arrays that are not stored stay as they are.

    beside: an array of the same rows that is not read, for the name of its dimension.
    """
    if reading.transpose:
        found = {**found, "X": _transposed(found.get("X"))}
    elif reading.decode:
        columns = [rows for role, rows in found.items() if role != "X" and isinstance(rows, ZarrRows | TextRows)]
        check_same_rows(columns)
        X = found.get("X")
        if isinstance(X, ZarrRows):
            found = {**found, "X": oriented(X, columns or ([] if beside is None else [beside]))}
    return {role: decoded(role, rows, reading) for role, rows in found.items()}


def _transposed(X: Rows | None) -> Rows:
    """A stored X, feature × row, by rows."""
    if not isinstance(X, ZarrRows) or len(X.shape) != 2:
        raise ConfigurationError(f"transpose=True is for a matrix in a Zarr store; {TURN}")
    return replace(X, format=X.format.transposed)


def decoded(role: str, rows: Rows | None, reading: Reading) -> Rows | None:
    """A stored array as what it means in a role; others as they are."""
    if rows is not None and reading.missing_chunks == "fill":
        rows = _filling(rows)
    if not isinstance(rows, ZarrRows):
        return rows
    meaning = meaning_of(rows.format, reading, labels=role == "y")
    return rows if meaning is None else DecodedRows(rows, meaning)


def _filling(rows: Rows) -> Rows:
    """Rows whose stored arrays have their fill value where a chunk is not there: also codes, masks, sparse values."""
    if isinstance(rows, ZarrRows):
        return rows.filling()
    if isinstance(rows, RowsOfRows):
        return rows.changed(_filling)
    if isinstance(rows, CsrRows):
        data, indices, indptr = map(_filling, (rows.data, rows.indices, rows.indptr))
        return replace(rows, data=data, indices=indices, indptr=indptr)
    return rows
