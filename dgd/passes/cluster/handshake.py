"""The handshake with each worker before its first task: the software it has, and whether it sees the dataset.

The question is sent by value, so that a worker without dgd can answer it, and is answered beside the worker's event
loop: a store that hangs does not make a worker look dead.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from distributed import Client

from dgd.data.dataset import Dataset
from dgd.passes.cluster.software import kernel, software

ANSWER_SECONDS = 5.0
Worker = tuple[str, str]
"""A worker's address and id: another process may come to the same address."""


def places_of(dataset: Dataset) -> frozenset[str]:
    """The local folders and files that the dataset is read from."""
    sources = [getattr(rows, "source", None) for rows in dataset.arrays]
    found = [getattr(source, "root", None) or getattr(source, "path", None) for source in sources]
    return frozenset(str(path) for path in found if isinstance(path, Path))


class Handshake:
    """Who has been asked what, and who is fit for work.

    same_bits: leave out workers whose sums may have other bits than those of this process.
    """

    def __init__(self, client: Client, *, same_bits: bool = False) -> None:
        self.client, self.same_bits = client, same_bits
        self.places: frozenset[str] = frozenset()
        self.unfit: dict[Worker, str] = {}
        """Workers that were left out, and why."""
        self.found_some = False
        """Whether there was a worker that is fit."""
        self.silent: set[Worker] = set()
        """Workers that have not answered yet."""
        self._kernels: set[str] = set()
        self._met: set[tuple[Worker, frozenset[str]]] = set()
        self._asked: dict[tuple[Worker, frozenset[str]], concurrent.futures.Future[Any]] = {}

    def must_see(self, dataset: Dataset) -> bool:
        """From now on workers are asked for this dataset too; whether that is new."""
        known, self.places = self.places, self.places | places_of(dataset)
        self.found_some &= known == self.places
        return known != self.places

    def fit_among(self, workers: Iterable[Worker]) -> set[Worker]:
        """The workers that have answered, and are fit for work. New ones are asked, and waited for a few seconds."""
        present = set(workers)
        new = [who for who in present if who not in self.unfit and (who, self.places) not in self._met]
        first = [self._ask(who) for who in new if (who, self.places) not in self._asked]
        concurrent.futures.wait(first, ANSWER_SECONDS)
        for who in new:
            self._take(who)
        self.silent = {who for who in new if (who, self.places) in self._asked}
        found = {who for who in present if who not in self.unfit and (who, self.places) in self._met}
        self.found_some |= bool(found)
        return found

    @property
    def unlike(self) -> str:
        """Why sums may have other bits on one worker than on another, or here; empty if they have the same."""
        kernels = self.kernels
        return "" if len(kernels) == 1 else f"workers and this process compute with {' and '.join(kernels)}"

    @property
    def kernels(self) -> list[str]:
        """What sums are made with, by the workers that are fit and in this process."""
        return sorted(self._kernels | {kernel(software())})

    def _ask(self, who: Worker) -> concurrent.futures.Future[Any]:
        places = tuple(sorted(self.places))

        async def asked() -> Any:
            return await self.client.run(_question(), places, workers=[who[0]], on_error="return")

        future = asyncio.run_coroutine_threadsafe(asked(), self.client.loop.asyncio_loop)
        self._asked[who, self.places] = future
        return future

    def _take(self, who: Worker) -> None:
        """What a worker has answered, if it has."""
        future = self._asked[who, self.places]
        if not future.done():
            return
        del self._asked[who, self.places]
        error = future.exception()
        answer: Any = error if error is not None else future.result().get(who[0], OSError("gone"))
        if isinstance(answer, OSError):
            return  # It left. If it is there still, it is asked again.
        self._met.add((who, self.places))
        reason = f"it cannot be asked: {answer!r}" if isinstance(answer, BaseException) else self._against(answer)
        if reason:
            self.unfit[who] = reason
            warnings.warn(f"worker {who[0]} is left out: {reason}", RuntimeWarning, stacklevel=2)
        else:
            self._kernels.add(kernel(answer))

    def _against(self, answer: dict[str, Any]) -> str:
        """What makes a worker unfit; empty if it is fit."""
        own = software()
        if answer["dgd"] is None:
            return f"it has no dgd ({answer['error']}); install {own['dgd']} there"
        if answer["dgd"] != own["dgd"]:
            return f"it has dgd {answer['dgd']}, expected {own['dgd']} as here; install that there"
        if answer.get("digest") != own["digest"]:
            return (
                f"its dgd {own['dgd']} is of another source ({answer.get('digest')}, expected {own['digest']}); "
                f"install the same, and start it anew"
            )
        if answer["unseen"]:
            return f"it does not see {answer['unseen'][0]}; mount the dataset there under the same path"
        if self.same_bits and kernel(answer) != kernel(own):
            return f"it computes with {kernel(answer)}, expected {kernel(own)} as here for the same bits"
        return ""


def _question() -> Callable[[tuple[str, ...]], Any]:
    """A function that needs nothing of dgd where it is unpickled."""

    async def asked(places: tuple[str, ...]) -> dict[str, Any]:
        import asyncio

        def look() -> dict[str, Any]:
            import os

            found = {"unseen": [path for path in places if not os.path.exists(path)]}
            try:
                import dgd
            except Exception as error:
                return {**found, "dgd": None, "error": repr(error)}
            try:
                from dgd.passes.cluster.software import software
            except ImportError:
                return {**found, "dgd": dgd.__version__}
            return {**found, **software()}

        return await asyncio.to_thread(look)

    return asked
