"""The command of the shell that ingests what was inspected."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from dgd.data.tables.columns import pasted
from dgd.data.tables.text.dialect import Dialect


def fit_of(path: str, target: str, dropped: list[str], policy: str, classes: int | None) -> str:
    """The words that fit the table as it is; classes: of a target of text."""
    words = ["dgd fit", shlex.quote(path), f"--target {shlex.quote(target)}"]
    words += [f"--drop {pasted(dropped)}"] if dropped else []
    words += [] if classes is None else [f"--loss {'logistic' if classes == 2 else 'softmax'}"]
    return " ".join([*words, *([f"--missing {policy}"] if policy == "drop" else [])])


def command_of(
    paths: list[str],
    target: str | None,
    dropped: list[str],
    ids: list[str],
    policy: str,
    spelled: tuple[str, ...],
    dialect: Dialect | None,
) -> str:
    """The words of a shell."""
    out = Path(paths[0]).name.split(".")[0] or "out"
    words = ["dgd ingest", *map(shlex.quote, paths), shlex.quote(f"{out}.zarr")]
    words += [] if target is None else [f"--target {shlex.quote(target)}"]
    words += ["--drop ''"] if "" in dropped else []
    named = [name for name in dropped if name]
    words += [f"--drop {pasted(named)}"] if named else []
    words += [f"--id {shlex.quote(name)}" for name in ids]
    words += [f"--missing {policy}"] if policy != "error" else []
    words += [] if dialect is None else _options(replace(dialect, missing=None) if spelled else dialect)
    words += [f"--na-value {shlex.quote(text)}" for text in spelled]
    return " ".join(words)


def _options(dialect: Dialect) -> list[str]:
    """A dialect as options of a command."""
    words = []
    for name in ("delimiter", "decimal", "thousands", "quote", "encoding", "comment"):
        value = getattr(dialect, name)
        if value is not None:
            words.append(f"--{name} {shlex.quote('tab' if value == chr(9) else value)}")
    if dialect.header is not None:
        words.append("--header" if dialect.header else "--no-header")
    words += [f"--skip-lines {dialect.skip_lines}"] if dialect.skip_lines else []
    return words + [f"--na-value {shlex.quote(text)}" for text in dialect.missing or ()]
