"""A stored chunk by name, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dgd.errors import CorruptChunkError, DatasetChangedError, MissingChunkError, PlanError, ReadError
from dgd.errors.words import size


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """Which chunk of which array of which store, and its rows: half-open."""

    array: str
    label: str
    key: str
    rows: tuple[int, int]

    def __str__(self) -> str:
        first, stop = self.rows
        return f"array {self.array!r} of {self.label}: chunk {self.key} (rows {first} to {stop - 1})"

    def missing(self, what: str) -> MissingChunkError:
        """It is not there."""
        return MissingChunkError(
            f"{self} {what}, expected every chunk; restore it, or write the array again (with zarr's "
            f"write_empty_chunks=True); if chunks were left out because all their values equal the fill value, "
            f"take them as that: missing_chunks='fill', or --missing-chunks fill",
            **self._place,
        )

    def unseen(self) -> MissingChunkError:
        """Nothing of its array is there."""
        error = MissingChunkError(
            f"{self} is not in the store, and neither is the array's metadata: this machine does not see the dataset "
            f"any more, or it was removed; mount it here under the same path, or restore it",
            **self._place,
        )
        error.elsewhere = True
        return error

    def damaged(self, what: str) -> CorruptChunkError:
        """It is not what was written."""
        return CorruptChunkError(
            f"{self} is damaged: {what}; restore it from a copy, or write the array again", **self._place
        )

    def changed(self, crc: int, expected: int, *, since: str) -> DatasetChangedError:
        """It is another one than before."""
        return DatasetChangedError(
            f"{self} is not what {since}: its crc32c is {crc:08x}, expected {expected:08x}; the data were changed, or "
            f"another machine has another copy at this path: restore them, or open them again",
            **self._place,
        )

    def unreadable(self, error: ReadError) -> ReadError:
        """The store has failed."""
        failure = ReadError(f"{self} cannot be read: {error}", **self._place)
        failure.elsewhere = error.elsewhere
        return failure

    def unread(self, seconds: float) -> ReadError:
        """The store has not answered, and the thread that asked it hangs."""
        failure = ReadError(
            f"{self} cannot be read: there was no answer within {seconds:g} s; check the store, or raise "
            f"`read_timeout`",
            **self._place,
        )
        failure.elsewhere = True
        return failure

    def too_large(self, needed: int) -> ReadError:
        """There is not enough memory for it."""
        return ReadError(
            f"{self} takes up to {needed:,} bytes while it is read, and that much memory is not there; use fewer "
            f"threads, or write the array again in smaller chunks",
            **self._place,
        )

    def beyond_plan(self, found: int, planned: int, room: int) -> PlanError:
        """It is larger than those by which the memory was planned, and there is not enough left for it."""
        return PlanError(
            f"{self} has {size(found)} as it is stored, where {size(planned)} were planned by the chunks that were "
            f"looked at, and {size(room)} are left of the memory that is allowed; raise the limit (memory_limit=, or "
            f"--memory-limit), or use fewer threads",
            needed=found,
            available=room,
        )

    @property
    def _place(self) -> dict[str, Any]:
        return {"array": self.array, "chunk": self.key, "rows": self.rows}
