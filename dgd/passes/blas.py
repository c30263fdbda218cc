"""BLAS on one thread while chunks are summed.

The last bits of Xᵀr differ between one BLAS thread and two, so every pass runs on one. The number of BLAS threads
belongs to the process: it is set when the first pass begins and restored when the last one ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0
_limiter: Any = None


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold the process's BLAS at one thread; may be entered by many threads at once."""
    global _users, _limiter
    with _lock:
        if _users == 0:
            _limiter = _controller().limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limiter.restore_original_limits()
                _limiter = None


def blas_kernel() -> str:
    """NumPy's BLAS, its version and the kernel it chose for this processor: the last bits of a sum depend on them."""
    own = _own_blas()
    return ", ".join(sorted(f"{x['internal_api']} {x['version']} {x.get('architecture', '')}".strip() for x in own))


def blas_threads() -> int:
    """The threads that NumPy's BLAS takes outside of passes."""
    return max((int(each["num_threads"]) for each in _own_blas()), default=1)


def _own_blas() -> list[dict[str, Any]]:
    """The BLAS libraries that NumPy calls. SciPy brings another one, which dgd does not."""
    found = [each for each in _controller().info() if each["user_api"] == "blas"]
    return [each for each in found if "numpy" in each["filepath"]] or found


_found: ThreadpoolController | None = None


def _controller() -> ThreadpoolController:
    """The loaded BLAS libraries, looked up once: the look-up takes milliseconds."""
    global _found
    if _found is None:
        _found = ThreadpoolController()
    return _found
