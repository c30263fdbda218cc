"""How what a store says of its numbers is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from dgd.errors import ConfigurationError

TIME_UNITS = ("days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds")
RAW = "decode=False, or --no-decode"


class ReadingOptions(TypedDict, total=False):
    """The keyword arguments of `open_dataset` that say how data are read, as `fit` and the others pass them on."""

    decode: bool
    time_unit: str | None


@dataclass(frozen=True)
class Reading:
    """What to make of attributes and dimension names."""

    decode: bool = True
    """Whether they are used; if not, numbers are read as they are stored."""
    time_unit: str | None = None
    """The unit in which times are numbers; None: times are refused."""

    def __post_init__(self) -> None:
        if not isinstance(self.decode, bool):
            raise ConfigurationError(f"decode must be True or False, got {self.decode!r}")
        if self.time_unit is not None and self.time_unit not in TIME_UNITS:
            raise ConfigurationError(f"time_unit must be one of {', '.join(TIME_UNITS)}, got {self.time_unit!r}")

    @classmethod
    def of(cls, call: str, options: Mapping[str, Any]) -> Reading:
        """From the keyword arguments of a call. Raises TypeError for others, as any function does."""
        known = [each.name for each in fields(cls)]
        for name in options:
            if name not in known:
                raise TypeError(f"{call}() got an unexpected keyword argument {name!r}")
        return cls(**options)
