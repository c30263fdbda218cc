"""Words that messages share: sizes, counts, arguments as they were called, values as they are shown."""

from __future__ import annotations

import math
import re
from typing import Any

URL = re.compile(r"""(\w://)((?:(?!::)[^\s'"])*)""")
"""A protocol's end, and the rest up to a blank, a quote or the next of chained URLs."""

UNITS = {"": 1, "b": 1}
UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}


def bytes_in(text: str) -> int | None:
    """The bytes of 2GiB, 500MB, 1.5 GiB or plain digits; None for what is no size, or none above 0."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if found is None or found[2] not in UNITS or not float(found[1]):
        return None
    return int(float(found[1]) * UNITS[found[2]])


def size(n_bytes: float) -> str:
    """A number of bytes as a person reads it, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 100 else f"{n_bytes:.3g} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.3g} TiB" if n_bytes < 1000 else f"{n_bytes:,.0f} TiB"


def counted(number: int, noun: str) -> str:
    """`1 chunk`, `2 chunks`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def called(name: str) -> str:
    """An argument as the user wrote it: `fit(tol=...)`, or `threads=...`."""
    return f"`{name}=...)`" if "(" in name else f"`{name}=...`"


def shown(value: Any) -> str:
    """A value as an error shows it: never more than a line."""
    text = without_secrets(repr(value))
    return text if len(text) <= 80 else f"{text[:60]}… of type {type(value).__name__}"


def finite_or_none(value: Any) -> Any:
    """A value for JSON, which knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def visible(text: str) -> str:
    """The text on one line, with what steers a terminal or the direction of writing escaped, as `repr` escapes it.

    For text that comes from files: `\\x1b]0;…`, a newline that forges a line, a right-to-left override.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def without_secrets(text: str) -> str:
    """The text without users, passwords and queries in its URLs: it goes into errors, models and logs."""
    return URL.sub(lambda found: found[1] + _address(found[2]), text)


def _address(rest: str) -> str:
    """What follows `://`, without who asks, in whose secret anything may stand, and without the query."""
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    port = host.rpartition(":")[2]
    if "@" in host:
        rest = rest[host.rindex("@") + 1 :]
    elif ":" in host and not port.isdigit():
        rest = rest.rpartition("@")[2]
    return rest.partition("?")[0]
