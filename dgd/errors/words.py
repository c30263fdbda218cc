"""Words that messages share: sizes, counts, arguments as they were called, values as they are shown."""

from __future__ import annotations

import math
from typing import Any


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
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… of type {type(value).__name__}"


def finite_or_none(value: Any) -> Any:
    """A value for JSON, which knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
