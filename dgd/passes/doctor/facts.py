"""What a process says of itself: its software, processors, memory, ports, and the room on disks it writes to."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from dgd.passes import memory
from dgd.passes.blas import blas_threads
from dgd.passes.cluster.software import software

PACKAGES = ("zarr", "dask", "distributed")
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE", "NUMBA_DISABLE_JIT")


def facts(folders: Iterable[str]) -> dict[str, Any]:
    """All of it, as values of JSON; folders: whose disks are looked at beside that of temporary files."""
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        **software(),
        **{name: _version(name) for name in PACKAGES},
        "simd": sorted(_simd()),
        "blas_threads": blas_threads(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "processors": memory.available_processors(),
        "machine_bytes": memory.machine_bytes(),
        "free_bytes": memory.free_bytes(),
        "cgroup_limit": memory.cgroup_limit(),
        "held_bytes": memory.resident_bytes(),
        "listening": [list(each) for each in memory.listening()],
        "disks": {folder: _disk(folder) for folder in sorted({*folders, tempfile.gettempdir()})},
    }


def _machine() -> str:
    """Equal for processes that share processors and a clock: the system's start, and of a container its name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}".strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _simd() -> list[str]:
    """The processor's vector instructions that NumPy's loops use."""
    config: Any = np.show_config(mode="dicts")
    found = config.get("SIMD Extensions", {})
    return [*found.get("baseline", []), *found.get("found", [])]


def _disk(folder: str) -> dict[str, Any]:
    """Room on the disk of a folder; `error` where it cannot be asked."""
    try:
        room = shutil.disk_usage(folder)
    except OSError as error:
        return {"error": error.strerror or type(error).__name__}
    return {"free_bytes": room.free, "total_bytes": room.total, "writable": os.access(folder, os.W_OK)}
