"""Where a table is written and how: the ending of a name decides, and what may be replaced is looked at."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

from dgd.data.reading import is_url
from dgd.data.tables.files import PARQUET
from dgd.errors import ConfigurationError

CSV = (".csv", ".csv.gz")
UNWRITTEN = (
    ".arrow", ".avro", ".bz2", ".dat", ".data", ".db", ".dta", ".feather", ".gz", ".h5", ".hdf5", ".ipc", ".json",
    ".jsonl", ".ndjson", ".nc", ".npy", ".npz", ".orc", ".pkl", ".pickle", ".rds", ".sqlite", ".tsv", ".txt", ".xls",
    ".xlsx", ".xz", ".zip", ".zst",
)  # fmt: skip
"""Endings of files that are something else than what dgd writes."""


def table_kind(out: Any) -> str | None:
    """ "parquet" or "csv" for the name of a table; None for a Zarr array, whose name may end in anything else.

    Raises ConfigurationError for the ending of a file that dgd does not write, and for a table behind a URL.
    """
    name = os.fspath(out).lower()
    kind = "parquet" if name.endswith(PARQUET) else "csv" if name.endswith(CSV) else None
    if kind is not None and is_url(out):
        raise ConfigurationError(
            f"{os.fspath(out)} is a URL, and tables are written to local files; write it to one and copy it, or write "
            f"a Zarr array there"
        )
    if kind is None and name.endswith(UNWRITTEN):
        raise ConfigurationError(
            f"{os.fspath(out)}: predictions are written as Parquet (…{', …'.join(PARQUET)}), CSV (…{', …'.join(CSV)}) "
            f"or Zarr (….zarr); give a name that ends so"
        )
    return kind


def check_place(out: Path, kind: str, read: list[str], *, overwrite: bool) -> None:
    """Raise ConfigurationError where a table may not be written: a folder, its own input, what dgd did not write."""
    if out.is_dir():
        raise ConfigurationError(f"{out} is a folder, and the predictions are one file; give another path")
    if not out.parent.is_dir():
        raise ConfigurationError(
            f"{out.parent} is no folder, so that {out.name} cannot be written there; make it first"
        )
    if not out.exists():
        return
    if any(os.path.exists(path) and out.samefile(path) for path in read):
        raise ConfigurationError(f"`predict_to` would write over its own input {out}; give another path")
    if not overwrite:
        raise ConfigurationError(f"{out} exists; pass overwrite=True to replace predictions, or give another path")
    if not _are_predictions(out, kind):
        raise ConfigurationError(
            f"{out} is no table of predictions that dgd wrote, and no other file is replaced; remove it first, or give "
            f"another path"
        )


def _are_predictions(path: Path, kind: str) -> bool:
    """Whether a file bears the mark of dgd, or as CSV a header with predictions in it."""
    if kind == "parquet":
        from dgd.data.tables.written.writers import has_mark

        return has_mark(path)
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rt") as file:
            header = next(csv.reader(file), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):
        return False
    return any(name.startswith(("prediction", "probability_")) for name in header)
