"""Counts of rows and bytes while something is read or written: how much is done, how fast, how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dgd.cli.progress.line import clear_line
from dgd.cli.progress.screen import Screen, screen

LEAST_PART = 0.02
"""What has to be done before the time of the rest is guessed."""


class Counts:
    """Shows the rows and bytes that are done.

    doing: such as "writing"; bytes_in_all, rows_in_all: 0 where that is not known.
    """

    def __init__(self, shown: Screen, doing: str = "") -> None:
        self._screen, self._doing = shown, doing
        self._began = time.monotonic()

    def __call__(self, rows: int, n_bytes: int = 0, *, bytes_in_all: int = 0, rows_in_all: int = 0) -> None:
        """So many are done."""
        seconds = time.monotonic() - self._began
        done, of = (n_bytes, bytes_in_all) if n_bytes else (rows, rows_in_all)
        fields = [self._doing] if self._doing else []
        fields += [f"{rows:,} of {rows_in_all:,} rows" if rows_in_all else f"{rows:,} rows"] if rows else []
        if n_bytes:
            fields.append(f"{megabytes(n_bytes)}{f' of {megabytes(bytes_in_all)}' if bytes_in_all else ''} MB")
            fields += [f"{megabytes(n_bytes / seconds)} MB/s"] if seconds > 0 else []
        part = min(1.0, done / of) if of else None
        if part and part >= LEAST_PART:
            fields.append(f"{duration(seconds * (1 - part) / part)} left")
        self._screen.sign("  ".join(fields), part)


@contextmanager
def row_counts(total: Callable[[], int] = lambda: 0) -> Iterator[Callable[[int, int], None]]:
    """A callback of rows done and bytes read; total: the bytes in all, 0 where that is not known."""
    with screen() as shown:
        show, of = Counts(shown), total()
        yield lambda rows, n_bytes: show(rows, n_bytes, bytes_in_all=of)


@contextmanager
def rows_of_all() -> Iterator[Callable[[int, int], None]]:
    """A callback of rows done and rows in all."""
    with screen() as shown:
        show = Counts(shown)
        yield lambda rows, total: show(rows, rows_in_all=total)


@contextmanager
def tables_shown() -> Iterator[None]:
    """Within it, it is shown how tables are parsed and brought here."""
    from dgd.data.heard import heard_by

    counts: dict[str, Counts] = {}

    def show(doing: str, rows: int, n_bytes: int, in_all: int) -> None:
        if doing not in counts:
            # Not before: the options that say where things are shown are not parsed yet.
            counts[doing] = Counts(Screen(), doing)
        counts[doing](rows, n_bytes, bytes_in_all=in_all)

    with heard_by(show):
        yield
    clear_line()


def megabytes(n_bytes: float) -> str:
    """Three digits, or all before the point."""
    number = n_bytes / 1e6
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, rounded."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h {minutes % 60} min"
