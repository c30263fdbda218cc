"""The compiler, numba: whether this process has one, what it makes code for, and the code."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from dgd.errors import ConfigurationError

SWITCH = "NUMBA_DISABLE_JIT"
CHANGING = "NUMBA_OPT", "NUMBA_LOOP_VECTORIZE", "NUMBA_SLP_VECTORIZE", "NUMBA_ENABLE_AVX", "NUMBA_CPU_FEATURES"
"""numba's variables that may change the order in which numbers are summed."""
VECTORS = "avx512f", "avx2", "sve"
"""Of a processor's features, the first that it has says how many numbers are summed side by side."""

_lock = threading.RLock()
_made: list[float] = []
"""When each function was begun that is being made."""
_modules: dict[str, ModuleType] = {}
_without_keeping = False


@cache
def compiler() -> str:
    """numba's version, the processor it makes code for, and how if that was set; empty where there is none.

    That is where it is not installed, or switched off.
    """
    if os.environ.get(SWITCH, "0").strip() not in ("", "0"):
        return ""
    try:
        from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

        features = get_host_cpu_features()
        widest = next((feature for feature in VECTORS if features.get(feature)), "")
        words = f"numba {version('numba')}", os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name(), widest
        settings = (f"{name}={os.environ[name]}" for name in CHANGING if os.environ.get(name))
        return " ".join(word for word in (*words, *settings) if word)
    except (ImportError, OSError, PackageNotFoundError):
        return ""


def compiled(name: str) -> ModuleType:
    """A module of compiled functions. Raises ConfigurationError where numba is installed and does not work."""
    if (found := _modules.get(name)) is None:
        with _lock:
            found = _modules[name] = _imported(name)
    return found


def called(module: str, function: str, *arguments: Any) -> Any:
    """What a compiled function returns. Where its machine code cannot be read or kept, it is made and not kept."""
    try:
        return getattr(compiled(module), function)(*arguments)
    except ConfigurationError:
        raise
    except Exception as error:  # whatever a damaged file makes of unpickling
        _keep_no_code(error)
        return getattr(compiled(module), function)(*arguments)


def made_since() -> float | None:
    """When this process began to make the machine code that it is making, on the monotonic clock; None if it is not."""
    with _lock:
        return _made[0] if _made else None


def note_making(*, begins: bool) -> None:
    """A function is begun, or one is made."""
    with _lock:
        if begins:
            _made.append(time.monotonic())
        elif _made:
            _made.pop()


def keeps_code() -> bool:
    """Whether machine code is kept for other processes."""
    return not _without_keeping


def _imported(name: str) -> ModuleType:
    try:
        found = import_module(f"{__package__}.{name}")
    except ImportError as error:
        raise ConfigurationError(
            f"numba is installed and cannot be imported ({error}); bring it up to date with "
            f"`pip install --upgrade 'dgd[fast]'`, or set {SWITCH}=1 to do without"
        ) from error
    if sys.modules["numba"].config.DISABLE_JIT:
        raise ConfigurationError(f"numba is switched off by a file of its own; set {SWITCH}=1 to do without it here")
    return found


def _keep_no_code(error: Exception) -> None:
    global _without_keeping
    with _lock:
        if _without_keeping:
            return
        _without_keeping = True
        for name in _modules:
            del sys.modules[f"{__package__}.{name}"]
        _modules.clear()
    warnings.warn(
        f"machine code cannot be read or kept ({error!r}), and each process makes its own, which takes seconds; "
        f"NUMBA_CACHE_DIR names a folder for it, or empty that",
        RuntimeWarning,
        stacklevel=3,
    )
