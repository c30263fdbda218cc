"""Where a sweep runs: a pool of threads, or a Dask cluster. The only folder that imports dask and distributed."""

from __future__ import annotations

import sys
from typing import Any

from dgd.errors import ConfigurationError
from dgd.passes.executor import Executor
from dgd.passes.threads import ThreadExecutor


def choose_executor(
    client: Any = None,
    threads: int | None = None,
    *,
    worker_timeout: float = 300.0,
    memory_limit: int | None = None,
) -> Executor:
    """The client's cluster if there is one, given or active; else threads of this process.

    `threads=` chooses threads even where a client is active. Raises ConfigurationError if both are given.
    """
    if client is not None and threads is not None:
        raise ConfigurationError("`client=` and `threads=` exclude each other: give one of them")
    if threads is None:
        client = client if client is not None else active_client()
    if client is None:
        return ThreadExecutor(threads, memory_limit=memory_limit)
    from dgd.passes.cluster.executor import ClusterExecutor

    return ClusterExecutor(client, worker_timeout=worker_timeout, memory_limit=memory_limit)


def active_client() -> Any:
    """The distributed Client that is active in this program, None if there is none."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        client = distributed.default_client()
    except ValueError:
        return None
    return None if client.asynchronous else client


__all__ = ["ThreadExecutor", "active_client", "choose_executor"]
