"""The error for a name that no column of a table has."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

from dgd.errors import ConfigurationError


def no_column(path: str, option: str, name: str, names: Sequence[str], *, read_as: str = "") -> ConfigurationError:
    """The error for a name that no column has, or several have, with those that are like it and those there are."""
    found = "several columns" if name in names else "no column"
    close = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close and name not in names else ""
    whole = next((each for each in names if name in map(str.strip, each.split(",")) and each != name), None)
    if whole is not None:
        hint = f" Is it a part of {whole!r}? Such a name is given by --feature {shlex.quote(whole)}."
    if not hint and (option, name) == ("y", "y"):
        hint = " Name the column to predict: `y=...`."
    how = f" (read with {read_as})" if read_as else ""
    return ConfigurationError(f"{option}: {path} has {found} {name!r}.{hint} It has {listed(names)}{how}")


def listed(names: Sequence[str]) -> str:
    """The first names, and how many there are if that is not all."""
    shown = ", ".join(names[:50])
    return f"{shown}, … ({len(names)} columns)" if len(names) > 50 else shown
