"""An event file, read and checked."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dgd.data.plain_files import read_plain_file
from dgd.errors import DataError
from dgd.fitting.callbacks.schema import NAME, NEEDED, VERSION
from dgd.fitting.record import SPLIT, Record

MOST_BYTES = 2**28
NAMES = {each.name for each in fields(Record)} - {"theta"}


@dataclass(frozen=True)
class EventFile:
    """The last fit of an event file, with the passes of the runs that it goes on from.

    start: the line that says what is fitted; passes: a record for each; elapsed: the seconds at the end of each pass,
    over all runs; waits: lines of what was waited for; end: the last line, None while the fit runs or if it was killed.
    """

    start: dict[str, Any]
    passes: list[Record]
    elapsed: list[float]
    waits: list[dict[str, Any]]
    end: dict[str, Any] | None


def read_events(path: str | os.PathLike[str]) -> EventFile:
    """Read the file that `dgd.callbacks.Events` wrote, also while the fit still runs.

    Raises DataError where it is something else, is of a later version, or is damaged.
    """
    found = None
    for number, line in _lines(Path(path)):
        event = line["event"]
        if event == "start":
            found = _begun(line, found)
        elif found is None or line["run"] != found.start["run"]:
            raise DataError(f"line {number} of {path} belongs to no fit that begins before it; write events anew")
        elif event == "pass":
            found.passes.append(_record(line))
            found.elapsed.append(found.start["seconds_before"] + float(line["elapsed"]))
        elif event == "wait":
            found.waits.append(line)
        elif event == "end":
            found = EventFile(found.start, found.passes, found.elapsed, found.waits, line)
    if found is None:
        raise DataError(f"{path} is empty: no fit has begun; give `fit(callbacks=[dgd.callbacks.Events(path)])`")
    return found


def _begun(line: dict[str, Any], before: EventFile | None) -> EventFile:
    """A fit that begins, with the passes that it goes on from."""
    kept = int(line["passes_before"])
    passes = [] if before is None else [record for record in before.passes if record.iteration <= kept]
    elapsed = [] if before is None else before.elapsed[: len(passes)]
    waits = [] if before is None or not kept else before.waits
    return EventFile({**line, "seconds_before": elapsed[-1] if elapsed else 0.0}, passes, elapsed, waits, None)


def _record(line: dict[str, Any]) -> Record:
    numbers = ("loss", "grad_norm", "learning_rate")
    values: dict[str, Any] = {
        "learning_rate": 0.0, "rows_per_second": 0.0, "accepted": True, **{n: line[n] for n in NAMES if n in line}
    }  # fmt: skip
    return Record(**{**values, **{n: math.nan if values[n] is None else float(values[n]) for n in numbers}})


def _lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The lines with their numbers; without one that a killed process left half written."""
    try:
        texts = read_plain_file(path, at_most=MOST_BYTES).decode(errors="replace").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an event file: {error}; check the path") from error
    found: list[tuple[int, dict[str, Any]]] = []
    torn = 0
    for number, text in enumerate(texts, 1):
        if not text:
            continue
        line = _parsed(text)
        if line is None and not found:
            raise DataError(f"{path} is no event file of dgd: its first line is no JSON; give one that `Events` wrote")
        if torn and (line is None or line.get("event") != "start"):
            raise DataError(f"line {torn} of {path} is damaged; give an event file that is whole")
        if line is None:
            torn = number
            continue
        torn = 0
        _check(line, path, number)
        found.append((number, line))
    return found


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _check(line: dict[str, Any], path: Path, number: int) -> None:
    schema = line.get("schema")
    if not isinstance(schema, str) or not schema.startswith(NAME):
        raise DataError(f"line {number} of {path} is no event of dgd: its schema is {schema!r}; check the path")
    if schema != f"{NAME}{VERSION}":
        raise DataError(f"{path} has events of schema {schema}, and this dgd knows {NAME}{VERSION}; use a newer dgd")
    needed = ("run", "elapsed", *NEEDED.get(str(line.get("event")), ()))
    missing = [name for name in ("event", *needed) if name not in line]
    if missing:
        raise DataError(f"line {number} of {path} has no {missing[0]!r}; give an event file that is whole")
    numbers = [n for n in ("elapsed", "seconds", "passes_before", "iteration") if n in needed]
    wrong = [n for n in (*numbers, *(n for n in SPLIT if n in line)) if not _is_number(line[n])]
    if wrong:
        raise DataError(f"line {number} of {path}: {wrong[0]!r} is no number; give an event file that is whole")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
