"""What a thread is doing in a pass, to be seen from another thread."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from dgd.data.times import Times
from dgd.errors import ReadError


class Piece(Protocol):
    """A stored chunk; `str` says which."""

    def unread(self, seconds: float) -> ReadError:
        """The error for it, after so many seconds without an answer."""
        ...


@dataclass(slots=True)
class Reading:
    """A stored chunk that is being read."""

    chunk: Piece
    seconds: float
    """What it may take."""
    began: float


class Watch:
    """One thread's: written by it, read by others, without a lock."""

    def __init__(self) -> None:
        self.chunk_began: float | None = None
        """When the thread began its chunk; None while it has none. On the monotonic clock, as all times here."""
        self.chunks = 0
        """Those that it has done, in all passes."""
        self.reading: Reading | None = None
        self.answer: Future[Any] | None = None
        """What it waits for."""
        self.called_off = False
        self.filled = 0
        """Absent chunks that the thread has taken as their fill value."""
        self.goes_on = False
        """Whether the rows behind those of this chunk are read next."""
        self.room: int | None = None
        """Bytes that a stored chunk may take which is larger than planned; None: as many as there are."""

        self.read_seconds = self.decode_seconds = self.compute_seconds = 0.0
        """What it has spent so far, in all passes."""

    @property
    def spent(self) -> Times:
        """The same."""
        return Times(self.read_seconds, self.decode_seconds, self.compute_seconds)

    def begin_chunk(self) -> None:
        """Called by the thread before each chunk."""
        self.chunk_began = time.monotonic()

    def end(self) -> None:
        """Called by the thread when it has no more chunks."""
        self.chunk_began = self.reading = None

    def call_off(self) -> None:
        """Called by another thread: nobody needs what is being read. A wait ends at once, a system call does not."""
        self.called_off = True
        answer = self.answer
        if answer is not None:
            answer.cancel()
