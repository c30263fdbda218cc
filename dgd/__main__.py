"""The program `dgd`, also as `python -m dgd`: hears a batch system's signal from the first moment on.

Imports take a moment, and a signal that nobody handles ends the process: so it is remembered before them.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType


class Remembered:
    """A handler that remembers the signal that came before anybody could act on it."""

    def __init__(self) -> None:
        self.remembered: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.remembered = number


def main() -> int:
    """Run the command line of this process; the exit code."""
    signal.signal(signal.SIGUSR1, Remembered())
    try:
        from dgd.cli import main as run
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return run()


if __name__ == "__main__":
    raise SystemExit(main())
