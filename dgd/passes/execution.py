"""Where a computation runs, and how much memory it may take: one value for fit, plan, predict and score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag, checked_integer, checked_number, checked_word
from dgd.errors.words import shown
from dgd.passes.events import Event
from dgd.passes.settings import value_of

SAME_BITS = ("report", "require")


@dataclass(frozen=True)
class Execution:
    """Where a computation runs, and how much memory it may take. None of it changes a bit of the result.

    What is not given is what the settings of its name say (DGD_THREADS, …, or `dgd:` in Dask's configuration, see the
    guide, `settings`), or else:

    client: a `distributed.Client`; by default the active one, if there is one. Inside a Dask task and in a forked
        process none is taken by itself: there the computation runs on threads unless a client is given.
    threads: a number of threads of this process; by default one for each processor. Not together with a client.
    memory_limit: bytes one process may hold; by default what the machine or the worker has. A computation whose plan
        does not fit raises PlanError before anything is read.
    resident: bytes of each process that decoded chunks may stay in from pass to pass; "auto" takes half of what is
        allowed and free. What is written meanwhile to such a chunk is not seen; the others are read again in every
        pass.
    worker_timeout: seconds without any worker after which a cluster is lost.
    same_bits: "report": workers with another NumPy or BLAS kernel than this process take part, and the result says so
        (`Result.same_bits`). "require": they are left out, with a warning each.
    read_timeout: seconds that reading a stored chunk may take, retries included; after that it is a ReadError.
    require_tls: refuse a scheduler that is not reached by TLS: whoever reaches one can run code on its workers.
    dashboard: whether a fit on a cluster is shown at `/dgd` on the scheduler's HTTP server: names, sizes, passes.
    on_event: is told how passes get on (`Event`), and what they wait for; a fit tells its callbacks instead. What it
        returns counts for nothing.

    Raises ConfigurationError for a value that cannot be.
    """

    client: Any = None
    threads: int | None = None
    memory_limit: int | None = None
    resident: str | int = field(default_factory=partial(value_of, "resident"))
    worker_timeout: float = field(default_factory=partial(value_of, "worker_timeout"))
    read_timeout: float = field(default_factory=partial(value_of, "read_timeout"))
    same_bits: str = field(default_factory=partial(value_of, "same_bits"))
    require_tls: bool = field(default_factory=partial(value_of, "require_tls"))
    dashboard: bool = field(default_factory=partial(value_of, "dashboard"))
    on_event: Callable[[Event], object] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.client is not None and self.threads is not None:
            raise ConfigurationError("`client=` and `threads=` exclude each other: give one of them")
        if self.threads is not None:
            checked_integer("threads", self.threads, least=1)
        if self.memory_limit is None:
            object.__setattr__(self, "memory_limit", value_of("memory_limit"))
        else:
            checked_number("Execution(memory_limit", self.memory_limit, above=0)
        checked_number("Execution(worker_timeout", self.worker_timeout, above=0)
        checked_number("Execution(read_timeout", self.read_timeout, above=0)
        checked_flag("Execution(require_tls", self.require_tls)
        checked_flag("Execution(dashboard", self.dashboard)
        if self.on_event is not None and not callable(self.on_event):
            raise ConfigurationError(
                f"`Execution(on_event=...)` must be a function of an `Event`, got {shown(self.on_event)}"
            )
        checked_word("Execution(same_bits", self.same_bits, SAME_BITS)
        object.__setattr__(self, "resident", _checked_resident(self.resident))

    def on_threads(self) -> Execution:
        """The same on threads of this process, whatever client is active."""
        return replace(self, client=None, threads=self.threads or default_threads())


def default_threads() -> int:
    """The threads of a computation that names none: those of the settings, or one for each processor."""
    from dgd.passes.memory import available_processors

    return value_of("threads") or available_processors()


def execution_of(execution: Execution | None, client: Any, threads: int | None) -> Execution:
    """The execution that was given, on the client or threads that were given beside it."""
    if execution is None:
        return Execution(client=client, threads=threads)
    if not isinstance(execution, Execution):
        raise ConfigurationError(f"`execution=...` must be a `dgd.Execution`, got {shown(execution)}")
    if client is None and threads is None:
        return execution
    if execution.client is not None or execution.threads is not None:
        raise ConfigurationError(
            "`execution=` says where to run, and so does `client=` or `threads=` beside it: say it once"
        )
    return replace(execution, client=client, threads=threads)


def _checked_resident(resident: Any) -> str | int:
    if isinstance(resident, str) and resident == "auto":
        return resident
    try:
        return int(checked_number("resident", resident, least=0))
    except (ConfigurationError, OverflowError):
        raise ConfigurationError(
            f"`Execution(resident=...)` must be 'auto' or a number of bytes, got {shown(resident)}"
        ) from None
