"""Which files a path names: itself, or the tables in a directory, with what the folders' names say of the rows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dgd.data.reading import is_url, paths_like
from dgd.data.tables.brought import STDIN, local_file, remote_name
from dgd.data.tables.temporary import parsed_from
from dgd.errors import ConfigurationError, DatasetNotFoundError, IngestError

PARQUET = (".parquet", ".pq", ".parq")
TEXT = (".csv", ".tsv")
"""Text files that a directory is searched for; their names may end in that of a compression."""
ENDINGS = (".gz", ".bz2", ".zst", ".xz", ".zip")
"""What the name of a compressed text file ends in."""
OTHER_TEXT = (".txt", ".dat", ".data")
"""Text files that are tables if they are named."""
ZARR = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""Files of which a Zarr store has one."""
MOST_LOOKED_AT = 1_000
"""Files of a folder that are looked at to tell what it is."""
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""The name of a folder whose rows have no value."""


@dataclass(frozen=True)
class TableFile:
    """A file, and the columns that stand in its folders' names, as `year` in `year=2020/part-0.parquet`."""

    path: str
    partition: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> str:
        """What messages call it: its path, or that of the text it was parsed from."""
        return parsed_from(self.path)


def without_ending(path: str) -> str:
    """The path in small letters, without the ending of its compression."""
    lower = path.lower()
    return next((lower.removesuffix(ending) for ending in ENDINGS if lower.endswith(ending)), lower)


def is_parquet(path: str) -> bool:
    """Whether a file is named like one of Parquet."""
    return path.lower().endswith(PARQUET)


def is_table(path: str) -> bool:
    """Whether a file is named like a table."""
    return is_parquet(path) or without_ending(path).endswith(TEXT)


def parquet_paths(data: Any, options: Mapping[str, Any] | None = None) -> list[str] | None:
    """The paths of files or directories of Parquet that `data` names, one or several; None for what is no table.

    Text files are parsed into temporary ones first, and what lies behind a URL is fetched, opened with `options`.
    """
    given = list(data) if isinstance(data, (list, tuple)) else [data]
    if not given or not all(isinstance(each, (str, os.PathLike)) for each in given):
        return None
    found = [path for each in given for path in paths_like(os.fspath(each)) or [os.fspath(each)]]
    if not found or not all(map(_is_table_here, found)):
        return None
    found = [local_file(path, options) for path in found]
    if all(is_parquet(path) or (os.path.isdir(path) and _holds_parquet(path)) for path in found):
        return found
    from dgd.data.tables.parquet_files.as_parquet import as_parquet

    files = table_files([os.path.abspath(os.path.expanduser(path)) for path in found])
    return [file.path if is_parquet(file.path) else as_parquet(file) for file in files]


def is_text(data: Any) -> bool:
    """Whether data are the path of a table that is parsed before it is fitted."""
    path = os.fspath(data) if isinstance(data, (str, os.PathLike)) else ""
    name = remote_name(path) if is_url(path) else path
    return (
        path == STDIN
        or _is_text_file(name)
        or (os.path.isdir(path) and _is_table_here(path) and not _holds_parquet(path))
    )


def _is_text_file(path: str) -> bool:
    return without_ending(path).endswith((*TEXT, *OTHER_TEXT))


def _holds_parquet(path: str) -> bool:
    """Whether the first table in a directory is one of Parquet."""
    found = next((entry for entry in islice(_entries(path), MOST_LOOKED_AT) if is_table(entry)), None)
    return found is not None and is_parquet(found)


def _is_table_here(path: str) -> bool:
    """Whether a file is called so and is there, or a directory has tables in it and is no Zarr."""
    if path == STDIN:
        return True
    if is_url(path):
        return is_table(remote_name(path))
    path = os.path.expanduser(path)
    if not os.path.isdir(path):
        return (is_parquet(path) or _is_text_file(path)) and os.path.isfile(path)
    if any(os.path.exists(os.path.join(path, name)) for name in ZARR):
        return False
    try:
        found = next((entry for entry in islice(_entries(path), MOST_LOOKED_AT) if is_table(entry)), None)
    except OSError:
        return False
    return found is not None


def _entries(folder: str) -> Iterator[str]:
    """Files of a folder and below it, a few at a time: a folder may hold millions."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.name.startswith(("_", ".")):
                continue
            if entry.is_dir():
                yield from _entries(entry.path)
            else:
                yield entry.path


def table_files(paths: Sequence[str]) -> list[TableFile]:
    """Every file that the paths name, in order; those of a directory by their paths, numbers in them by value.

    In a directory, names that begin with "_" or "." are left out, as Spark, Hive and Dask write their own files so.

    Raises DatasetNotFoundError for a path where nothing is, ConfigurationError for a name that no table has,
    IngestError for a directory without tables, or with tables of different partitions.
    """
    found = [file for path in paths for file in _files(path)]
    names = [tuple(name for name, _ in file.partition) for file in found]
    for file, mine in zip(found, names, strict=True):
        if mine != names[0]:
            raise IngestError(
                f"{file.path}: its folders name the columns {', '.join(mine) or 'none'}, those of {found[0].path} "
                f"name {', '.join(names[0]) or 'none'}; give files that are partitioned alike",
                file=file.path,
            )
    return found


def _files(path: str) -> Iterator[TableFile]:
    if os.path.isdir(path):
        inside = sorted(_inside(Path(path)), key=_with_numbers)
        if not inside:
            raise IngestError(
                f"{path}: no file in this directory is named like a table (…{', …'.join((*TEXT, *PARQUET))})",
                file=path,
            )
        yield from (TableFile(file, _partition(file)) for file in inside)
        return
    if not is_table(path) and not without_ending(path).endswith(OTHER_TEXT):
        raise ConfigurationError(
            f"{path}: dgd reads tables whose names end in {', '.join((*TEXT, *OTHER_TEXT))} (or with "
            f"{', '.join(ENDINGS)} after that), {', '.join(PARQUET)}; convert or rename the file"
        )
    if not os.path.exists(path):
        raise DatasetNotFoundError(f"{path}: no such file")
    yield TableFile(path, _partition(path))


def _inside(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(("_", ".")))
        for name in names:
            if is_table(name) and not name.startswith(("_", ".")):
                yield os.path.join(place, name)


def _with_numbers(path: str) -> list[tuple[int, str]]:
    """A key that puts part.10 after part.9."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"([0-9]+)", path)]


def _partition(path: str) -> tuple[tuple[str, str], ...]:
    """The `name=value` of the folders directly above the file, outermost first."""
    pairs: list[tuple[str, str]] = []
    for folder in reversed(Path(path).parent.parts):
        name, equals, value = folder.partition("=")
        if not equals or not name:
            break
        pairs.append((unquote(name), unquote(value)))
    return tuple(reversed(pairs))
