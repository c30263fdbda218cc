"""Whether a Dask task is running here. Apart from the arrays: `import dask.array` takes a second, with pandas and SciPy."""

from __future__ import annotations

from distributed import get_worker


def in_task() -> bool:
    """Whether this thread runs a task of a Dask worker."""
    try:
        get_worker()
    except ValueError:
        return False
    return True
