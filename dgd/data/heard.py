"""Who hears how a table gets on while it is read from end to end: a text parsed, levels found, a file brought here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Hears = Callable[[str, int, int, int], object]
"""Is told what is done to which file, the rows that are done, the bytes, and those in all; 0 where one is not known."""

_hears: ContextVar[Hears | None] = ContextVar("hears", default=None)


class _File(Protocol):
    def tell(self) -> int: ...


@contextmanager
def heard_by(hears: Hears) -> Iterator[None]:
    """Within it, and in this thread, that is told."""
    before = _hears.set(hears)
    try:
        yield
    finally:
        _hears.reset(before)


def tell(doing: str, rows: int, done: int, in_all: int) -> None:
    """Tell whoever hears."""
    hears = _hears.get()
    if hears is not None:
        hears(doing, rows, done, in_all)


def told(batches: Iterator[T], file: _File, table: Any) -> Iterator[T]:
    """The batches of a table of that path and size, as they come from its file."""
    rows = 0
    for batch in batches:
        rows += batch.num_rows  # type: ignore[attr-defined]
        tell(f"parsing {table.path}", rows, file.tell(), table.size)
        yield batch
