"""Memory and processors: what this process holds, and what it may use."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

OWN_CGROUPS = "/proc/self/cgroup"
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
    """The least of physical memory, the control group's limit and the address-space limit."""
    limits = [machine_bytes(), cgroup_limit()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    return min(limit for limit in limits if limit is not None)


def machine_bytes() -> int:
    """Physical memory."""
    return int(psutil.virtual_memory().total)


def cgroup_limit() -> int | None:
    """What the control groups around this process allow (a container, a systemd unit, a batch job), None for no limit.

    Beyond it the kernel kills the process.
    """
    found = []
    for path in (*map(Path, CGROUP_LIMITS), *_cgroup_files()):
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    # Version 1 writes a number near 2⁶³ for none.
    machine = machine_bytes()
    return min((limit for limit in found if limit < machine), default=None)


def _cgroup_files() -> Iterator[Path]:
    """The files with the limits of this process's control groups, and of those around them."""
    try:
        lines = Path(OWN_CGROUPS).read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = map(Path, CGROUP_LIMITS[1 if controllers else 0].rsplit("/", 1))
        group = Path(path.strip("/"))
        yield from (root / each / name for each in (group, *group.parents))


def listening() -> list[tuple[str, int]]:
    """The addresses and ports at which this process accepts connections."""
    found = psutil.Process().net_connections(kind="tcp")
    return sorted({(each.laddr.ip, each.laddr.port) for each in found if each.status == psutil.CONN_LISTEN})


def available_processors() -> int:
    """The processors this process may use: by its affinity, and by a container's quota."""
    from dask.system import cpu_count  # imported here: it takes a tenth of a second

    return int(cpu_count())
