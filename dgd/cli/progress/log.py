"""The file of --log: plain lines with the clock and the seconds since the command began, each there at once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar

from dgd._version import __version__
from dgd.cli.progress.line import clear_line
from dgd.errors.words import visible, without_secrets

GIVEN = "dgd.given"
"""Of a command's context: the words of the command line."""
SECRET = "--storage-option"
"""Its values may be secret."""


class Log:
    """A file that lines are added to. A disk that is full is a warning, and the command goes on without."""

    def __init__(self, path: str) -> None:
        from dgd.errors.writing import writing

        self.began = time.monotonic()
        self._path = path
        with writing(path):
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def write(self, text: str) -> None:
        """Add the lines of a text, in one piece, so that whoever reads meanwhile sees them whole."""
        if self._file is None:
            return
        lines = "".join(f"{stamped(visible(line), self.began)}\n" for line in text.split("\n"))
        try:
            os.write(self._file, lines.encode(errors="replace"))
        except OSError as error:
            self.close()
            clear_line()
            print(f"warning: no more lines are written to {visible(self._path)} ({error.strerror})", file=sys.stderr)

    def begin(self, arguments: Sequence[str]) -> None:
        """Say which command this is, and on which day."""
        self.write(f"{time.strftime('%Y-%m-%d')}  dgd {__version__}: {_command(arguments)}")

    def close(self) -> None:
        """Close the file; what is written afterwards goes nowhere."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


LOG: ContextVar[Log | None] = ContextVar("log", default=None)
"""That of the command that runs, if it has one."""
QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether the command that runs shows no progress on stderr."""


def logged(text: str) -> None:
    """Add a text to the log, if there is one."""
    log = LOG.get()
    if log is not None:
        log.write(without_secrets(text))


def stamped(text: str, began: float) -> str:
    """A line with the clock, and the seconds since then."""
    return f"{time.strftime('%H:%M:%S')}  {time.monotonic() - began:,.0f} s  {text}"


def _command(arguments: Sequence[str]) -> str:
    """The command line as it was typed, without secrets."""
    import shlex

    words = [without_secrets(word) for word in arguments]
    for place, word in enumerate(words):
        if word.startswith(f"{SECRET}="):
            words[place] = f"{SECRET}=…"
        elif place and words[place - 1] == SECRET:
            words[place] = "…"
    return " ".join(word if word == "…" else shlex.quote(word) for word in ["dgd", *words])
