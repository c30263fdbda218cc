"""A folder for what is read once from text, from standard input or from a URL; it goes with the process."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="dgd-tables-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


_parsed: dict[str, str] = {}


def parsed_from(path: str) -> str:
    """The text file that a temporary one was made from, which is what messages name; any other path is itself."""
    return _parsed.get(path, path)


def made_from(path: str, text: str) -> None:
    """Keep what a temporary file was made from."""
    _parsed[path] = text


def place_for(what: str, name: str) -> Path:
    """The path of a new file of this name, in a folder of its own for each `what`; both hold as long as the process."""
    folder = _folder() / hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
