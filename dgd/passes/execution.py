"""Where a call runs: on the cluster that was named, the active client's, or threads of this process."""

from __future__ import annotations

from typing import Any

from dgd.errors.checks import checked_integer, checked_number
from dgd.passes.executor import Executor


def executor_for(
    client: Any, threads: int | None, *, worker_timeout: float = 300.0, memory_limit: int | None = None
) -> Executor:
    from dgd.passes.choose import choose_executor

    checked_number("worker_timeout", worker_timeout, above=0)
    if threads is not None:
        checked_integer("threads", threads, least=1)
    if memory_limit is not None:
        checked_number("memory_limit", memory_limit, above=0)
    return choose_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)
