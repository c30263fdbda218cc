"""Attributes that change what stored numbers mean: each is decoded here, or refused by name. Others are ignored.

The names are those of the CF conventions, as xarray and netCDF write them into Zarr.
"""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from dgd.data.reading import NANOSECONDS, RAW, Reading
from dgd.data.transforms.meaning import Meaning
from dgd.data.zarr.layout import ArrayFormat
from dgd.errors import UnsupportedFormatError

SHORT = {"d": "day", "h": "hour", "hr": "hour", "min": "minute", "sec": "second", "s": "second"}
SHORT |= {"ms": "millisecond", "msec": "millisecond", "us": "microsecond", "ns": "nanosecond"}
CALENDARS = {"standard", "gregorian", "proleptic_gregorian"}
REFORM = np.datetime64("1582-10-15", "D")
"""Before it the standard calendar is the Julian one."""
DATE = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.0*)?)?)?)?\s*(?:Z|UTC|[+-]?0?0:?00)?"
)
SINCE = re.compile(r"\s*(\S+)\s+since\s+(\S.*)", re.IGNORECASE)
ENCODINGS = {"array", "string-array", "numeric-scalar", "string"}
"""AnnData's encodings of an array that stands for itself."""


def meaning_of(array: ArrayFormat, reading: Reading, *, labels: bool) -> Meaning | None:
    """What an array's values stand for by its attributes; None if for themselves.

    labels: whether they may be names of classes. Raises UnsupportedFormatError for what cannot be decoded.
    """
    found, dtype = array.attributes, array.chunk.dtype
    if not reading.decode or dtype.kind not in "biuf":
        return None
    encoding = found.get("encoding-type")
    if encoding is not None and encoding not in ENCODINGS:
        raise _refused(array, "encoding-type", encoding, "an array that stands for itself")
    names = _labels(array, allowed=labels)
    seen = _seen_as(array)
    meaning = Meaning(
        stored=dtype,
        seen_as=seen,
        fills=() if names else _fills(array, seen or dtype),
        valid=None if names else _valid(array, seen or dtype),
        scale=_number(array, "scale_factor"),
        offset=_number(array, "add_offset"),
        labels=names,
        boolean=_boolean(array),
    )
    meaning = _timed(array, meaning, reading)
    return None if meaning == Meaning(stored=dtype) else meaning


def _refused(array: ArrayFormat, attribute: str, value: Any, expected: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"array {array.name!r} has the attribute {attribute} = {str(value)[:80]!r}, expected {expected}; correct the "
        f"attribute, or read the numbers as they are stored ({RAW})",
        array=array.name,
    )


def _number(array: ArrayFormat, attribute: str) -> float | None:
    values = _numbers(array, attribute)
    if len(values) > 1:
        raise _refused(array, attribute, array.attributes[attribute], "one number")
    if values and not (np.isfinite(values[0]) and (values[0] or attribute == "add_offset")):
        raise _refused(array, attribute, values[0], "a finite number other than 0")
    return values[0] if values else None


def _numbers(array: ArrayFormat, attribute: str) -> tuple[float, ...]:
    """A number or a list of them, perhaps in the forms that JSON needs for what it lacks; () if it is not there."""
    given = array.attributes.get(attribute)
    if given is None:
        return ()
    found = []
    for value in given if isinstance(given, list) else [given]:
        number = _plain(value)
        if number is None:
            raise _refused(array, attribute, given, "a number")
        found.append(number)
    return tuple(found)


def _plain(value: Any) -> float | None:
    """A JSON number, the name of one that JSON lacks, or 8 bytes in base64, as xarray writes a float in format 3."""
    if isinstance(value, (bool, int, float)):
        return value
    if not isinstance(value, str):
        return None
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    try:
        packed = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return float(struct.unpack("<d", packed)[0]) if len(packed) == 8 else None


def _seen_as(array: ArrayFormat) -> np.dtype[Any] | None:
    given, dtype = array.attributes.get("_Unsigned"), array.chunk.dtype
    if given is None:
        return None
    word = str(given).lower()
    if word not in ("true", "false") or dtype.kind not in "iu":
        raise _refused(array, "_Unsigned", given, "'true' or 'false' for integers")
    kind = "u" if word == "true" else "i"
    return None if dtype.kind == kind else np.dtype(f"{dtype.str[0]}{kind}{dtype.itemsize}")


def _fills(array: ArrayFormat, seen: np.dtype[Any]) -> tuple[float, ...]:
    """The stored values that stand for a missing cell, as they are compared: in the dtype that is seen."""
    given = [*_numbers(array, "_FillValue"), *_numbers(array, "missing_value")]
    if array.zarr_format == 2 and "_ARRAY_DIMENSIONS" in array.attributes and array.fill_value is not None:
        # In format 2 it is this field that netCDF's `_FillValue` becomes.
        number = _plain(array.fill_value)
        given += [] if number is None else [number]
    # Where the sign is another than that of what is stored, either may be meant.
    wraps = "_Unsigned" in array.attributes
    return tuple(dict.fromkeys(fill for value in given if (fill := _representable(value, seen, wraps)) is not None))


def _representable(value: float, dtype: np.dtype[Any], wraps: bool = True) -> float | None:
    """A fill value as the dtype holds it; None for NaN, which is missing as it is, and for what it cannot hold.

    wraps: whether a number of the other sign stands for that of the same bytes.
    """
    if np.isnan(value):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(dtype.type(value))
    if dtype.kind == "b" or value != int(value):
        return None
    number, limits = int(value), np.iinfo(dtype)
    if wraps and dtype.kind == "u" and number < 0:
        number += int(limits.max) + 1
    elif wraps and dtype.kind == "i" and number > limits.max:
        number -= 2 ** (8 * dtype.itemsize)
    return number if limits.min <= number <= limits.max else None


def _valid(array: ArrayFormat, seen: np.dtype[Any]) -> tuple[float, float] | None:
    both = _numbers(array, "valid_range")
    if both and len(both) != 2:
        raise _refused(array, "valid_range", array.attributes["valid_range"], "two numbers")
    low = both[:1] or _numbers(array, "valid_min")
    high = both[1:] or _numbers(array, "valid_max")
    if not low and not high:
        return None
    limits = [(low or (-np.inf,))[0], (high or (np.inf,))[0]]
    if seen != array.chunk.dtype:
        # As the fill values, limits are written with the sign that the stored dtype has.
        found = [None if np.isinf(limit) else _representable(limit, seen) for limit in limits]
        limits = [limit if value is None else value for limit, value in zip(limits, found, strict=True)]
    return limits[0], limits[1]


def _boolean(array: ArrayFormat) -> bool:
    given = array.attributes.get("dtype")
    return given == "bool" and array.chunk.dtype.kind in "iu"


def _labels(array: ArrayFormat, *, allowed: bool) -> tuple[tuple[int, str], ...]:
    """The names of classes by their codes."""
    found = array.attributes
    if "flag_masks" in found:
        raise _refused(array, "flag_masks", found["flag_masks"], "no bit fields")
    if "flag_values" not in found:
        return ()
    codes, names = _numbers(array, "flag_values"), found.get("flag_meanings")
    words = names.split() if isinstance(names, str) else names
    if not isinstance(words, list) or len(words) != len(codes) or not all(isinstance(word, str) for word in words):
        raise _refused(array, "flag_meanings", names, f"{len(codes)} words, one for each of flag_values")
    if not allowed:
        raise UnsupportedFormatError(
            f"array {array.name!r} holds the codes of classes ({', '.join(words[:4])} …: attribute flag_values), "
            f"expected numbers; turn it into a column for each class, or use the codes as numbers ({RAW})",
            array=array.name,
        )
    return tuple((int(code), word) for code, word in zip(codes, words, strict=True))


def _timed(array: ArrayFormat, meaning: Meaning, reading: Reading) -> Meaning:
    """Times as a number of the unit that was asked for, since 1970-01-01."""
    units, kind = str(array.attributes.get("units", "")), str(array.attributes.get("dtype", ""))
    since = SINCE.fullmatch(units)
    if since is None and not kind.startswith("timedelta64"):
        return meaning
    if reading.time_unit is None:
        raise UnsupportedFormatError(
            f"array {array.name!r} holds times ({units!r}), expected numbers; say in which unit they are to be numbers "
            f"(time_unit='days', or --time-unit days)",
            array=array.name,
        )
    unit = _unit(since[1] if since else units)
    if unit is None:
        raise _refused(array, "units", units, f"one of {', '.join(NANOSECONDS)}s, which all have one length")
    ratio = NANOSECONDS[unit] / NANOSECONDS[reading.time_unit.removesuffix("s")]
    began = _nanoseconds(array, since[2]) / NANOSECONDS[reading.time_unit.removesuffix("s")] if since else 0.0
    return replace(
        meaning,
        scale=(1.0 if meaning.scale is None else meaning.scale) * ratio,
        offset=(meaning.offset or 0.0) * ratio + began,
        unit=f"{reading.time_unit}{' since 1970-01-01' if since else ''}",
    )


def _unit(word: str) -> str | None:
    word = SHORT.get(word.lower(), word.lower().removesuffix("s"))
    word = SHORT.get(word, word)
    return word if word in NANOSECONDS else None


def _nanoseconds(array: ArrayFormat, date: str) -> int:
    """From 1970-01-01 to the date that times are counted from."""
    calendar = str(array.attributes.get("calendar", "standard")).lower()
    if calendar not in CALENDARS:
        raise _refused(array, "calendar", calendar, f"one of {', '.join(sorted(CALENDARS))}")
    found = DATE.fullmatch(date.strip())
    if found is None:
        raise _refused(array, "units", array.attributes["units"], "a date such as 2020-01-01 00:00:00")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        at = np.datetime64(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", "s")
    except ValueError:
        raise _refused(array, "units", array.attributes["units"], "a date that there is") from None
    if calendar != "proleptic_gregorian" and at < REFORM:
        raise _refused(array, "units", array.attributes["units"], f"a date from {REFORM} on, or a proleptic calendar")
    return int(at.astype(np.int64)) * 10**9
