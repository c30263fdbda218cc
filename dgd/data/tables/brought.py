"""Tables from elsewhere, as local files: standard input, and what lies behind URLs, are brought here once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dgd.data.heard import tell
from dgd.data.reading import is_url
from dgd.data.tables.temporary import place_for
from dgd.errors import ConfigurationError
from dgd.errors.words import without_secrets

STDIN = "-"
_fetched: dict[str, Path] = {}


def local_file(path: str, options: Mapping[str, Any] | None = None) -> str:
    """The path of a local file or folder as it is; of standard input ("-") or a URL that of a copy, which goes with
    the process. A URL is fetched once by a process.
    """
    if path == STDIN:
        return str(_standard_input())
    if not is_url(path):
        return path
    if path not in _fetched:
        from dgd.data.zarr.remote_files import fetch_file

        place = place_for(path, remote_name(path))
        fetch_file(path, options, place, lambda done: tell(f"fetching {without_secrets(path)}", 0, done, 0))
        _fetched[path] = place
    return str(_fetched[path])


def remote_name(url: str) -> str:
    """The name of the file behind a URL, without its query."""
    return Path(urlsplit(url).path).name


@lru_cache(maxsize=1)
def _standard_input() -> Path:
    """What comes in is written to a file, since an error that places a row reads it again."""
    if sys.stdin.isatty():
        raise ConfigurationError("`-` is standard input, and nothing is piped into it; give the name of a file")
    place = place_for(STDIN, "stdin.csv")
    with place.open("wb") as file:
        while piece := sys.stdin.buffer.read(1 << 20):
            file.write(piece)
            tell("reading standard input", 0, file.tell(), 0)
    return place
