"""Whether a Dask task is running here; apart from the arrays, which bring pandas and SciPy, a second of CPU."""

from __future__ import annotations

from distributed import get_worker


def in_task() -> bool:
    """Whether this thread runs a task of a Dask worker."""
    try:
        get_worker()
    except ValueError:
        return False
    return True
