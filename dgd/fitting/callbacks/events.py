"""What happens in a fit as lines of JSON in a file, for whoever watches it: `tail -f run.jsonl`."""

from __future__ import annotations

import json
import os
import time
import uuid
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from dgd._version import __version__
from dgd.errors import ConfigurationError, WriteError
from dgd.errors.words import finite_or_none, without_secrets
from dgd.errors.writing import writing
from dgd.fitting.beginning import Beginning
from dgd.fitting.callbacks.schema import NAME, SCHEMA
from dgd.fitting.record import Record
from dgd.passes.events import Event

if TYPE_CHECKING:
    from dgd.fitting.result import Result


class Events:
    """A callback that writes a line of JSON at the start of a fit, after each pass, for each wait, and at the end.

        import dgd
        result = dgd.fit("train.zarr", callbacks=[dgd.callbacks.Events("run.jsonl")])

    path: a file; lines are added to one that Events wrote before, so that a fit which is resumed has all of them.

    Each line is on its way to the file when the pass is over (flushed). A disk that is full, or has gone, is a warning,
    and the fit goes on without. `dgd.callbacks.read_events` reads the file, and `dgd.report` draws it.
    Raises ConfigurationError where the file is something else, WriteError where it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._file: IO[str] | None = None
        self._run, self._began = "", 0.0
        self._check()

    def on_start(self, beginning: Beginning) -> None:
        """Open the file, and say what is fitted."""
        self._check()
        with writing(self._path):
            torn = self._path.is_file() and not _ends_with_newline(self._path)
            self._file = self._path.open("a", encoding="utf-8")
        self._run, self._began = uuid.uuid4().hex[:12], time.monotonic()
        self._write("start", {"dgd": __version__, "numpy": np.__version__, **beginning.as_json()}, torn=torn)

    def __call__(self, record: Record) -> None:
        """A pass is over."""
        self._write("pass", {**record.as_json(), "passes_expected": record.passes_expected})

    def on_event(self, event: Event) -> None:
        """A line, where the pass waits for something."""
        if event.message:
            told = {"kind": event.kind, "message": without_secrets(event.message), "stuck": event.stuck}
            self._write("wait", told)

    def on_end(self, result: Result | None, error: BaseException | None) -> None:
        """Say how the fit ended, and close the file."""
        said: dict[str, Any] = {"status": "failed", "message": ""}
        if result is not None:
            names = ("status", "message", "n_iter", "seconds", "loss", "explained", "checkpoint")
            found = result.as_json()
            said = {name: found[name] for name in names}
        if error is not None:
            said["error"] = type(error).__name__
            said["message"] = without_secrets(str(error)) or type(error).__name__
        self._write("end", said)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: str, fields: dict[str, Any], *, torn: bool = False) -> None:
        if self._file is None:
            return
        line = {
            "schema": SCHEMA,
            "event": event,
            "run": self._run,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "elapsed": round(time.monotonic() - self._began, 6),
            **{name: finite_or_none(value) for name, value in fields.items()},
        }
        try:
            # A line that a killed process left half written ends here.
            self._file.write("\n" * torn + json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            warnings.warn(
                f"no more events are written to {self._path} ({error.strerror}); the fit goes on", stacklevel=2
            )
            self._abandon()

    def _abandon(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:
            pass  # What is still in the buffer has no room either.

    def _check(self) -> None:
        """Raise where lines cannot be added there."""
        with writing(self._path):
            if self._path.is_dir():
                raise ConfigurationError(f"{self._path} is a folder, and events are lines of a file; give another path")
            folder = self._path.absolute().parent
            if not folder.is_dir():
                raise WriteError(f"{folder} is no folder, so that {self._path.name} cannot be written there; make it")
            if not self._path.is_file():
                return  # A pipe or a terminal has nothing to be added to.
            with self._path.open("rb") as file:
                head = file.read(len(f'{{"schema": "{NAME}'))
        if head and head.decode(errors="replace") != f'{{"schema": "{NAME}':
            raise ConfigurationError(
                f"{self._path} exists and holds no events of dgd; give another path, or move that file away"
            )


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
