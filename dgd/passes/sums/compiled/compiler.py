"""The compiler, numba: whether this process has one, what it makes code for, and the code."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from dgd.errors import ConfigurationError

SWITCH = "NUMBA_DISABLE_JIT"
VECTORS = "avx512f", "avx2", "sve"
"""Of a processor's features, the first that it has says how many numbers are summed side by side."""


@cache
def compiler() -> str:
    """numba's version and the processor it makes code for; empty where it is not installed, or switched off."""
    if os.environ.get(SWITCH, "0").strip() not in ("", "0"):
        return ""
    try:
        from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

        name = os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name()
        features = get_host_cpu_features()
        widest = next((f" {feature}" for feature in VECTORS if features.get(feature)), "")
        return f"numba {version('numba')} {name}{widest}"
    except (ImportError, OSError, PackageNotFoundError):
        return ""


@cache
def compiled(name: str) -> ModuleType:
    """A module of compiled functions. Raises ConfigurationError where numba is installed and does not work."""
    try:
        return import_module(f"dgd.passes.sums.compiled.{name}")
    except ImportError as error:
        raise ConfigurationError(
            f"numba is installed and cannot be imported ({error}); bring it up to date with "
            f"`pip install --upgrade 'dgd[fast]'`, or set {SWITCH}=1 to do without"
        ) from error
