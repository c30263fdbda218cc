"""The memory that a call takes, though other threads of the process may take some meanwhile."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

TIMES = 4


def peak_of(call: Callable[[], object], most: float) -> int:
    """The most bytes that Python and NumPy hold at once while `call` runs; it is to be below `most`.

    tracemalloc counts all threads of the process, and one that an earlier test has left (a read that was given up, a
    client, a web server) may allocate at any moment. So a peak that is too high is measured again, at most four times,
    and the least counts: what the call itself takes, it takes each time.
    """
    least: int | None = None
    for _ in range(TIMES):
        tracemalloc.start()
        try:
            call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        least = peak if least is None else min(least, peak)
        if least < most:
            break
    assert least is not None
    return least
