"""The second plan: stored chunks that are larger than those by which the memory was planned."""

from __future__ import annotations

from dgd.errors.words import size


def room_beyond(memory_bytes: int, limit: int | None) -> int | None:
    """What is left of the limit for a stored chunk that is larger than planned: it is read alone, or refused."""
    return None if limit is None else max(0, limit - memory_bytes)


def larger_row(larger_bytes: int, memory_bytes: int, limit: int | None) -> list[tuple[str, str]]:
    """The row of a plan's table that says so; none where no chunk can be larger."""
    if not larger_bytes:
        return []
    room = room_beyond(memory_bytes, limit)
    most = larger_bytes if room is None else min(room, larger_bytes)
    return [("larger chunks", f"one at a time, up to {size(most)} more memory; beyond that they are refused")]
