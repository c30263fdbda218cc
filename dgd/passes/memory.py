"""Memory and processors: what this process holds, and what it may use."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import psutil

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def resident_bytes() -> int:
    """The resident set of this process now."""
    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """The largest resident set of this process so far.

    Linux's own figure where there is one: `ru_maxrss` also remembers the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    except (OSError, StopIteration, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def free_bytes() -> int:
    """What the machine could give now, with what the page cache would give up."""
    return int(psutil.virtual_memory().available)


def memory_limit() -> int:
    """The least of physical memory, the container's limit and the address-space limit."""
    limits = [int(psutil.virtual_memory().total)]
    for path in CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    return min(limits)


def available_processors() -> int:
    """The processors this process may use: by its affinity, and by a container's quota."""
    from dask.system import cpu_count  # imported here: it takes a tenth of a second

    return int(cpu_count())
