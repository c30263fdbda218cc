"""Checks of single arguments: a number, an integer, a flag, a word; else an error that names the argument."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from dgd.errors import ConfigurationError
from dgd.errors.words import called, shown


def checked_number(name: str, value: Any, *, above: float | None = None, least: float | None = None) -> float:
    """A real number, as a float; `above` and `least` bound it from below, exclusively and inclusively."""
    if not isinstance(value, (bool, np.bool_)) and isinstance(value, numbers.Real):
        number = float(value)
        if not math.isnan(number) and (above is None or number > above) and (least is None or number >= least):
            return number
    bound = f" above {above:g}" if above is not None else f" of {least:g} or more" if least is not None else ""
    raise ConfigurationError(f"{called(name)} must be a number{bound}, got {shown(value)}")


def checked_integer(name: str, value: Any, *, least: int) -> int:
    """A whole number of at least `least`."""
    if not isinstance(value, (bool, np.bool_)) and isinstance(value, (int, np.integer)) and int(value) >= least:
        return int(value)
    raise ConfigurationError(f"{called(name)} must be a whole number of {least} or more, got {shown(value)}")


def checked_flag(name: str, value: Any) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ConfigurationError(f"{called(name)} must be True or False, got {shown(value)}")


def checked_word(name: str, value: Any, words: Iterable[str]) -> str:
    """One of a few words."""
    words = list(words)
    if isinstance(value, str) and value in words:
        return value
    raise ConfigurationError(f"{called(name)} must be one of {', '.join(words)}, got {shown(value)}")


def is_file_name(text: str) -> bool:
    """Whether a file could have the name: there is no NUL in it, and the system's encoding can write it."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
