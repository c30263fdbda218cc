"""How data are opened, and how what a store says of its numbers is used."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict, cast

from dgd.errors import ConfigurationError
from dgd.errors.words import without_secrets

NANOSECONDS = {
    "day": 86_400 * 10**9,
    "hour": 3_600 * 10**9,
    "minute": 60 * 10**9,
    "second": 10**9,
    "millisecond": 10**6,
    "microsecond": 10**3,
    "nanosecond": 1,
}
"""Of each unit in which a time can be a number."""
TIME_UNITS = tuple(f"{unit}s" for unit in NANOSECONDS)
MISSING = ("error", "drop", "mean", "indicator")
MISSING_CHUNKS = ("error", "fill")
TURN = "transpose an array in memory yourself (`.T`)"
RAW = "decode=False, or --no-decode"


class ReadingOptions(TypedDict, total=False):
    """The keyword arguments of `open_dataset` that say how data are read, as `fit` and the others pass them on."""

    decode: bool
    time_unit: str | None
    X: str
    features: Sequence[str] | None
    drop: Sequence[str] | None
    categorical: Sequence[str] | None
    design: Any
    missing: str
    missing_chunks: str
    transpose: bool
    split: str | None
    storage_options: Mapping[str, Any] | None


def is_url(location: Any) -> bool:
    """Whether it is opened by fsspec."""
    text = os.fspath(location) if isinstance(location, (str, os.PathLike)) else ""
    return not text.startswith("file://") and ("://" in text or "::" in text)


def paths_like(pattern: str) -> list[str] | None:
    """The paths that a pattern stands for, sorted; None for what is no pattern, or is a path itself."""
    if is_url(pattern) or not glob.has_magic(pattern) or os.path.exists(pattern):
        return None
    return sorted(glob.glob(os.path.expanduser(pattern)))


def for_urls(reading: ReadingOptions, *locations: Any) -> ReadingOptions:
    """The options for these locations: without storage options where none of them is a URL."""
    if any(map(is_url, locations)):
        return reading
    return cast(ReadingOptions, {key: value for key, value in reading.items() if key != "storage_options"})


def for_validation(reading: ReadingOptions, validation: Any, source: str) -> ReadingOptions:
    """The options for rows to validate on: all of them, or of the data that a part is fitted of the other part."""
    split = reading.get("split")
    rest = cast(ReadingOptions, {key: value for key, value in reading.items() if key != "split"})
    if split is None or not isinstance(validation, (str, os.PathLike)) or not _is_same(validation, source):
        return rest
    other = "test" if split.startswith("train") else "train"
    return cast(ReadingOptions, {**rest, "split": f"{other}:{split.partition(':')[2]}"})


def _is_same(location: Any, source: str) -> bool:
    """Whether a location is the one that errors call by a name."""
    text = os.fspath(location)
    if is_url(text):
        return without_secrets(text) == source
    paths = {os.path.realpath(os.path.expanduser(each)) for each in (text, source)}
    return len(paths) == 1


@dataclass(frozen=True)
class Reading:
    """What to make of attributes and dimension names."""

    decode: bool = True
    """Whether they are used; if not, numbers are read as they are stored."""
    time_unit: str | None = None
    """The unit in which times are numbers since 1970-01-01; None: times are refused."""
    X: str = "X"
    """The name of the matrix in a group."""
    features: tuple[str, ...] | None = None
    """Which columns of X, or which variables, are used; None: X, whole."""
    missing: str = "error"
    """What is done with rows that have a missing cell."""
    missing_chunks: str = "error"
    """What is done with stored chunks that are not there: an error, or "fill", the array's fill value."""
    transpose: bool = False
    """Whether a stored X is feature × row."""
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    """What fsspec needs to open URLs; may be secret."""
    drop: tuple[str, ...] | None = None
    """Columns of a table that are no feature."""
    categorical: tuple[str, ...] | None = None
    """Columns of a table that are categories, whatever they hold."""
    design: Any = None
    """How the columns of a table become those of X: a `Design`, a formula, or None for as they are."""
    split: str | None = None
    """Which part of the rows is read; None: all."""

    def __post_init__(self) -> None:
        if not isinstance(self.X, str):
            raise ConfigurationError(f"X must be the name of an array in the group, got a {type(self.X).__name__}")
        if self.missing not in MISSING:
            raise ConfigurationError(f"missing must be one of {', '.join(MISSING)}, got {self.missing!r}")
        if self.missing_chunks not in MISSING_CHUNKS:
            raise ConfigurationError(f"missing_chunks must be 'error' or 'fill', got {self.missing_chunks!r}")
        for name in ("features", "drop", "categorical"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _checked_names(name, getattr(self, name)))
        if self.design is not None and (self.features or self.drop or self.categorical):
            raise ConfigurationError(
                "`design=...` says which columns are used, and so do `features=...`, `drop=...`, `categorical=...`"
            )
        if not isinstance(self.transpose, bool):
            raise ConfigurationError(f"transpose must be True or False, got {self.transpose!r}")
        if not isinstance(self.decode, bool):
            raise ConfigurationError(f"decode must be True or False, got {self.decode!r}")
        if self.time_unit is not None and self.time_unit not in TIME_UNITS:
            raise ConfigurationError(f"time_unit must be one of {', '.join(TIME_UNITS)}, got {self.time_unit!r}")

        options = self.storage_options
        if options is not None and not (isinstance(options, Mapping) and all(isinstance(key, str) for key in options)):
            raise ConfigurationError(
                f"storage_options must be a dictionary of names, such as {{'anon': True}}, got a "
                f"{type(options).__name__}"
            )

    def check_used(self, *locations: Any) -> None:
        """Raise ConfigurationError for storage options beside data of which none is a URL."""
        if self.storage_options and not any(map(is_url, locations)):
            raise ConfigurationError(
                "storage_options go with a URL, and none of the data is one; a zarr store brings its own options"
            )

    @classmethod
    def of(cls, call: str, options: Mapping[str, Any]) -> Reading:
        """From the keyword arguments of a call. Raises TypeError for others, as any function does."""
        known = [each.name for each in fields(cls)]
        for name in options:
            if name not in known:
                raise TypeError(f"{call}() got an unexpected keyword argument {name!r}")
        return cls(**options)


def _checked_names(what: str, given: Any) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, (list, tuple)) or hasattr(given, "tolist") else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ConfigurationError(f"{what} must be a list of different names, got {given!r}")
    return tuple(str(name) for name in names)
