"""The client that a cluster's passes go through: which one may be chosen by itself, and which can be used at all."""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack
from typing import Any

from distributed import Client, default_client, worker_client

from dgd.data.dask_rows.tasks import in_task
from dgd.errors import ConfigurationError


def active_client() -> Client | None:
    """The client that is active in this program, None if there is none that can be used without asking.

    Inside a Dask task none is: fits that wait for tasks would fill the workers' threads, and wait for ever. Nor is a
    worker's own client, in a thread that a task started; one that was opened before this process was forked, which is
    dead here; one of the event loop that runs in this thread.
    """
    if in_task():
        return None
    try:
        client = default_client()
    except ValueError:
        return None
    return None if _of_a_worker(client) or client.asynchronous or _forked(client) else client


def checked_client(client: Any) -> Client:
    """The client if passes can be made with it; raises ConfigurationError otherwise, before anything waits for it."""
    if not isinstance(client, Client):
        raise ConfigurationError(
            f"`client=` must be a `distributed.Client`, got a {type(client).__name__}; make one with `Client(address)`"
        )
    if client.asynchronous:
        raise ConfigurationError(
            "`client=` is asynchronous, and a fit would block the event loop that it needs; call it in a thread: "
            "`await asyncio.to_thread(dgd.fit, ..., client=client)`"
        )
    if _forked(client):
        raise ConfigurationError(
            f"`client=` was opened before this process ({os.getpid()}) was forked and does not work here; open one in "
            f"this process, or give `threads=`"
        )
    if client.status == "closed":
        raise ConfigurationError("`client=` is closed; open another with `Client(address)`, or give `threads=`")
    return client


def freed_thread() -> ExitStack:
    """Inside a Dask task, gives the task's thread to others until it is closed; elsewhere nothing."""
    stack = ExitStack()
    if in_task():
        stack.enter_context(worker_client())
    return stack


def _of_a_worker(client: Client) -> bool:
    return str(client.id).startswith("Client-worker-")


def _forked(client: Client) -> bool:
    """Whether the client was made before a fork, in the parent: its id ends with a UUID made with its process's pid."""
    try:
        made = uuid.UUID(client.id[-36:])
    except ValueError:
        return False
    return made.clock_seq != os.getpid() & 0x3FFF
