"""Questions to each process of a cluster, beside its event loop, each with a time in which it must answer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from distributed import Client

from dgd.errors import ClusterLostError

SCHEDULER = "scheduler"
ROUNDS = 3


def identity_of(client: Client, timeout: float) -> dict[str, Any]:
    """What the scheduler says of itself and its workers. Raises ClusterLostError where it does not answer in time."""
    try:
        found: dict[str, Any] = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=timeout)
    except Exception as error:
        address = getattr(client.scheduler, "address", "the scheduler")
        raise ClusterLostError(
            f"the scheduler at {address} did not answer for {timeout:g} s ({type(error).__name__}); see whether it is "
            f"running, frozen or overloaded"
        ) from error
    return found


def ask(
    client: Client, question: Callable[..., Any], arguments: Mapping[str, Sequence[Any]], timeout: float
) -> dict[str, Any]:
    """The answers by name, "scheduler" or a worker's address; an exception where one cannot answer, or not in time.

    arguments: those of the question for each process that is asked.
    """

    async def asked(name: str) -> Any:
        return await _put(client, name, question, *arguments[name])

    return _together(client, asked, list(arguments), timeout)


def clocks(client: Client, names: Sequence[str], timeout: float) -> dict[str, tuple[float, float]]:
    """By how many seconds each clock is ahead of this one, and how exactly that is known.

    A process was asked at t₀ and answered at t₁ by this clock, and it was t there: it is ahead by t − (t₀ + t₁)/2, to
    within (t₁ − t₀)/2. Of a few rounds the quickest counts (Cristian 1989, Probabilistic clock synchronization).
    """

    async def asked(name: str) -> tuple[float, float]:
        best = (0.0, float("inf"))
        for _ in range(ROUNDS):
            began = time.time()
            there = await _put(client, name, time.time)
            ended = time.time()
            if isinstance(there, BaseException):
                raise there
            best = min(best, (there - (began + ended) / 2, (ended - began) / 2), key=lambda each: each[1])
        return best

    answers = _together(client, asked, names, timeout)
    return {name: answer for name, answer in answers.items() if isinstance(answer, tuple)}


async def _put(client: Client, name: str, question: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of the scheduler or a worker; an exception of the worker's is one too."""
    if name == SCHEDULER:
        return await client.run_on_scheduler(question, *arguments)
    found = await client.run(question, *arguments, workers=[name], on_error="return")
    return found.get(name, OSError("it has left"))


def _together(
    client: Client, asked: Callable[[str], Coroutine[Any, Any, Any]], names: Sequence[str], timeout: float
) -> dict[str, Any]:
    """The answers of all, who are asked at once."""
    loop = client.loop.asyncio_loop
    futures = {name: asyncio.run_coroutine_threadsafe(asked(name), loop) for name in names}
    concurrent.futures.wait(futures.values(), timeout)
    return {name: _answer(future, timeout) for name, future in futures.items()}


def _answer(future: concurrent.futures.Future[Any], timeout: float) -> Any:
    """The result, or the exception that there is instead."""
    if not future.done():
        future.cancel()
        return TimeoutError(f"it did not answer for {timeout:g} s")
    return future.exception() or future.result()
