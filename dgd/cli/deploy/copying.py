"""A folder of deploy/, copied with its values filled in.

`fill.toml` of the folder has a table for each file, of patterns and what takes the place of their first group:

    ["job.sbatch"]
    '^DATA=(\\S+)' = "{data}"
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from dgd.cli.deploy.kinds import Kind
from dgd.errors import ConfigurationError, WriteError

NUMBER = re.compile(r"\d+")
NAME = re.compile(r"\{(\w+)\}")
WITHIN_QUOTES = '"('
WORDS = "({fit_options})"
"""An array of a shell: its words are quoted one by one already."""


def copy_filled(kind: Kind, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Copy the files of a kind to a new folder; the names of what was written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} exists; give the name of a new folder")
    filled = {name: _filled(kind, name, patterns, values) for name, patterns in fillings(kind).items()}
    try:
        for name in kind.files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kind.folder / name, target)
            if name in filled:
                target.write_text(filled[name], encoding="utf-8")
            shutil.copymode(kind.folder / name, target)
    except OSError as error:
        raise WriteError(f"the files for {kind.name} cannot be written: {error}", path=str(folder)) from error
    return kind.files


def fillings(kind: Kind) -> dict[str, dict[str, str]]:
    """What is filled in, by file and pattern."""
    path = kind.folder / "fill.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def files_with(kind: Kind, value: str) -> list[str]:
    """The files that a value is filled into."""
    return [
        name
        for name, patterns in fillings(kind).items()
        if any(value in NAME.findall(each) for each in patterns.values())
    ]


def _filled(kind: Kind, name: str, patterns: Mapping[str, str], values: Mapping[str, str]) -> str:
    """The text of a file with its values; a value that is not there leaves what the file has."""
    text = (kind.folder / name).read_text(encoding="utf-8")
    for pattern, template in patterns.items():
        if {*NAME.findall(template)} <= values.keys():
            value = template.format_map(values)
            as_it_is = pattern.startswith("^#") or template == WORDS
            quoted = json.dumps(value)[1:-1] if WITHIN_QUOTES in pattern else _quoted(name, value)
            text = _replaced(text, pattern, value if as_it_is else quoted)
    return text


def _replaced(text: str, pattern: str, value: str) -> str:
    """The text with the first group of the pattern replaced, wherever it is found; blanks at its end stay a column."""

    def placed(found: re.Match[str]) -> str:
        begin, end = (at - found.start() for at in found.span(1))
        padded = value.ljust(end - begin - 1) + " " if found[1].endswith(" ") else value
        return found[0][:begin] + padded + found[0][end:]

    return re.sub(pattern, placed, text, flags=re.MULTILINE)


def _quoted(name: str, value: str) -> str:
    """A value as the file of that name writes it: as YAML, as Python, for systemd and compose, for a shell, or bare."""
    if NUMBER.fullmatch(value) or name.endswith(".properties"):
        return value
    if name.endswith((".yaml", ".yml", ".py")):
        return json.dumps(value, ensure_ascii=False)
    if name.endswith(".env"):
        if "'" in value or "\n" in value:
            raise ConfigurationError(f"{name} cannot hold {value!r}: it has a quotation mark or a line break")
        return f"'{value}'"
    return shlex.quote(value)
