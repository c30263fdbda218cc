"""Which executor carries an execution out: threads of this process, or a Dask cluster."""

from __future__ import annotations

import sys
from typing import Any

from dgd.passes.events import Tell, tell_nobody
from dgd.passes.execution import Execution, default_threads
from dgd.passes.executor import Executor


def choose_executor(execution: Execution, tell: Tell = tell_nobody) -> Executor:
    """The cluster of the client that is named or active; else, or where threads are named, threads of this process.

    tell: is told what happens while a pass runs, and may end it.
    """
    client = client_of(execution)
    if client is None:
        from dgd.passes.threads import ThreadExecutor

        return ThreadExecutor(execution.threads or default_threads(), memory_limit=execution.memory_limit, tell=tell)
    from dgd.passes.cluster.encryption import refuse_plain
    from dgd.passes.cluster.executor import ClusterExecutor

    executor = ClusterExecutor(
        client,
        worker_timeout=execution.worker_timeout,
        memory_limit=execution.memory_limit,
        same_bits=execution.same_bits == "require",
        tell=tell,
    )
    if execution.require_tls:
        refuse_plain(executor.client.scheduler.address)
    return executor


def client_of(execution: Execution) -> Any:
    """The client that is named or active; None where threads of this process are meant."""
    return active_client() if execution.client is None and execution.threads is None else execution.client


def active_client() -> Any:
    """The distributed Client that is active in this program and may be used, None if there is none."""
    if "distributed" not in sys.modules:
        return None
    from dgd.passes.cluster.client import active_client

    return active_client()
