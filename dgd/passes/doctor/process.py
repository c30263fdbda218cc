"""A process and what it said: this one, the scheduler, or a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HERE, SCHEDULER = "here", "scheduler"


@dataclass(frozen=True)
class Process:
    """One of those that a job needs."""

    name: str
    """"here", "scheduler", or "worker tcp://…"."""
    facts: Mapping[str, Any]
    """See `facts`; of one without dgd only versions."""
    dask: Mapping[str, Any] = field(default_factory=dict)
    """What the scheduler knows of it: address, threads, memory limit, folder, services."""
    ahead: float = 0.0
    """Seconds by which its clock is ahead of ours."""
    within: float | None = None
    """How exactly that is known: half of the shortest round trip; None if it was not asked."""

    @property
    def is_worker(self) -> bool:
        return self.name not in (HERE, SCHEDULER)

    @property
    def is_known(self) -> bool:
        """Whether it said more than its versions."""
        return "machine" in self.facts

    def as_json(self) -> dict[str, Any]:
        """What is known of it."""
        known = ("address", "nthreads", "memory_limit", "local_directory", "services")
        return {
            "name": self.name,
            **self.facts,
            **{name: self.dask[name] for name in known if name in self.dask},
            "clock_ahead_seconds": None if self.within is None else self.ahead,
            "clock_within_seconds": self.within,
        }


def grouped(processes: Iterable[Process], key: str) -> dict[Any, list[Process]]:
    """The processes by one of their facts."""
    found: dict[Any, list[Process]] = {}
    for process in processes:
        found.setdefault(process.facts.get(key), []).append(process)
    return found


def names_of(processes: Iterable[Process]) -> tuple[str, ...]:
    return tuple(process.name for process in processes)
