"""The workers of a cluster: asked for, waited for, and what is said when nobody answers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
import uuid
from collections.abc import Iterable
from typing import Any

from distributed import Client, Future
from distributed.client import FutureCancelledError

from dgd.errors import ClusterLostError, ConfigurationError
from dgd.errors.words import counted
from dgd.passes.cluster import tasks
from dgd.passes.cluster.handshake import Handshake
from dgd.passes.cluster.pass_clock import PassClock

POLL_SECONDS = 1.0
ANSWER_SECONDS = 5.0
LEAST_SILENCE_SECONDS = 5.0
"""Workers give signs of life every half second; busy ones may miss some."""
MOST_NAMED = 3
"""Workers that an error names."""

CANCELLED = (concurrent.futures.CancelledError, asyncio.CancelledError, FutureCancelledError)
"""Raised by futures and requests when the scheduler goes away."""


class Workers:
    """The workers that a client's scheduler has, waited for at most `timeout` seconds."""

    def __init__(self, client: Client, timeout: float, clock: PassClock, *, same_bits: bool = False) -> None:
        self.client, self.timeout, self._clock, self.same_bits = client, timeout, clock, same_bits
        self.handshake = Handshake(client, same_bits=same_bits)
        self.address = str(client.scheduler.address)
        self._heard: dict[str, tuple[Any, float]] = {}
        """The last sign of life of each worker, by the scheduler's clock, and when it was new by ours."""
        self._lost: set[str] = set()
        """Workers that have gone, and nobody has been told."""
        self._scheduler_lost = False
        """Whether the client was without its scheduler when last seen: it closes itself if that lasts."""

    def now(self) -> dict[str, Any] | None:
        """The workers that are ready and fit for work, by address; None if the scheduler does not answer soon."""
        if self.client.status in {"closing", "closed"}:
            raise ClusterLostError(self.closed())
        self._scheduler_lost = self.client.status != "running"
        if self._scheduler_lost:
            return None
        try:
            # Client.scheduler_info would wait for a lost scheduler as long as the client tries to reconnect.
            identity = self.client.sync(
                self.client.scheduler.identity, n_workers=-1, callback_timeout=min(ANSWER_SECONDS, self.timeout)
            )
        except (OSError, TimeoutError, UnboundLocalError, AttributeError, *CANCELLED):
            # Client.sync has no result, and none bound, where its request was cancelled; a closed client no scheduler.
            return None
        workers: dict[str, Any] = identity["workers"]
        fit = self.handshake.fit_among(
            (name, worker["id"]) for name, worker in workers.items() if worker.get("status", "running") == "running"
        )
        self._lost |= self._heard.keys() - workers.keys()
        self._heard = {name: heard for name, heard in self._heard.items() if name in workers}
        now = time.monotonic()
        for name, worker in workers.items():
            if self._heard.get(name, (None, now))[0] != worker["last_seen"]:
                self._heard[name] = worker["last_seen"], now
        return {name: workers[name] for name, _ in sorted(fit)}

    def _tell_of_lost(self) -> None:
        """Say once of each worker that has gone."""
        lost, self._lost = sorted(self._lost), set()
        for name in lost:
            self._clock.say("worker lost", f"worker {name} lost, its part is computed again")

    def silence(self, workers: Iterable[str]) -> float:
        """The seconds since any of these workers has given a sign of life: frozen ones stay connected."""
        now = time.monotonic()
        return now - max(self._heard[name][1] for name in workers)

    @property
    def restricted(self) -> bool:
        """Whether some workers must not get any task."""
        return self.same_bits or bool(self.handshake.unfit)

    def left_out_since(self, count: int) -> bool:
        """Whether more than `count` workers have turned out to be unfit; those that came lately are asked first."""
        self.now()
        return len(self.handshake.unfit) > count

    def wait(self) -> dict[str, Any]:
        """The workers, once there is at least one. Raises ClusterLostError after `timeout` seconds without.

        A cluster that adapts starts workers for tasks that wait: so one task waits meanwhile.
        """
        began = time.monotonic()
        waiting: Future | None = None
        said = False
        try:
            while not (workers := self.now()):
                if self.handshake.unfit and not (self.handshake.found_some or self.handshake.silent):
                    raise ConfigurationError(self._none_fit())
                if time.monotonic() - began >= self.timeout:
                    raise ClusterLostError(self._unanswered() if workers is None else self._nobody())
                if workers is not None and (waiting is None or waiting.cancelled()):
                    key = f"dgd-wanted-{uuid.uuid4().hex[:12]}"
                    waiting = self.client.submit(tasks.identity, None, key=key, pure=False)
                if workers is not None and not said:
                    said = True
                    self._clock.say("no worker", f"no worker; waiting up to {self.timeout:g} s")
                self._tell_of_lost()
                self._clock.say("no worker" if said else "running")
                time.sleep(min(POLL_SECONDS, self.timeout / 10))
            self._tell_of_lost()
            if self.silence(workers) >= max(self.timeout, LEAST_SILENCE_SECONDS):
                raise ClusterLostError(self._frozen(len(workers)))
            return workers
        finally:
            if waiting is not None:
                waiting.release()

    def closed(self) -> str:
        """What a closed client means: its owner closed it, or it has given up."""
        if self._scheduler_lost:
            return (
                f"the scheduler at {self.address} was lost, and the client closed itself after it had tried in vain to "
                f"reconnect; start the scheduler, open another client and fit again"
            )
        return f"the client of {self.address} was closed during the pass; open another and fit again"

    def _unanswered(self) -> str:
        return (
            f"the scheduler at {self.address} did not answer for {self.timeout:g} s, which is not to say that it has "
            f"no workers; see whether it is running and can be reached, and fit again, or raise `worker_timeout`"
        )

    def _frozen(self, count: int) -> str:
        return (
            f"{counted(count, 'worker')} of {self.address} gave no sign of life for {self.timeout:g} s; see whether "
            f"they are frozen, overloaded or cut off, or raise `worker_timeout`"
        )

    def _none_fit(self) -> str:
        reasons = sorted(f"{address}: {reason}" for (address, _), reason in self.handshake.unfit.items())
        more = f"; and {len(reasons) - MOST_NAMED} more" if len(reasons) > MOST_NAMED else ""
        return f"no worker of {self.address} can be used: {'; '.join(reasons[:MOST_NAMED])}{more}"

    def _nobody(self) -> str:
        if self.handshake.silent:
            silent = sorted(address for address, _ in self.handshake.silent)
            return (
                f"{counted(len(silent), 'worker')} of {self.address} did not answer for {self.timeout:g} s, "
                f"{silent[0]} for one; see whether they are frozen or busy, or raise `worker_timeout`"
            )
        if self.handshake.unfit:
            return f"{self._none_fit()}; waited {self.timeout:g} s for another"
        return (
            f"no worker was connected to {self.address} for {self.timeout:g} s; start some with "
            f"`dask worker {self.address}`, or raise `worker_timeout`"
        )
