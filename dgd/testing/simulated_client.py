"""What dgd uses of `distributed.Client`, on a simulated cluster; and a handshake with workers that are all alike."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from distributed import Client
from distributed.client import ClosedClientError, FutureCancelledError

from dgd.passes.cluster.software import kernel, software


class SimulatedClient(Client):  # type: ignore[misc]
    """What dgd uses of a client."""

    def __init__(self, cluster: Any) -> None:
        self.cluster, self.status, self.id = cluster, "running", "simulated"
        self._futures: list[SimulatedFuture] = []
        self.scheduler = self
        self.address = "tcp://simulated"

    def __del__(self) -> None:
        pass

    @property
    def asynchronous(self) -> bool:
        return False

    def identity(self, n_workers: int) -> dict[str, Any]:
        del n_workers
        found = self.cluster.workers.values()
        return {
            "workers": {
                each.address: {
                    "id": each.name,
                    "nthreads": each.threads,
                    "status": "running",
                    "memory_limit": None,
                    "last_seen": self.cluster.now if each.hung_at is None else each.hung_at,
                }
                for each in found
            }
        }

    def processing(self) -> dict[str, list[str]]:
        found = self.cluster.tasks.items()
        return {each: [key for key, task in found if each in task.runs_on] for each in self.cluster.workers}

    def who_has(self, keys: list[str]) -> dict[str, list[str]]:
        return {key: sorted(self.cluster.tasks[key].held_by) for key in keys if key in self.cluster.tasks}

    def as_current(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def sync(self, func: Any, *args: Any, callback_timeout: float | None = None, **kwargs: Any) -> Any:
        assert callback_timeout is not None
        self.cluster.sleep(0.005)
        if self.cluster.frozen:
            self.cluster.sleep(callback_timeout)
        if self.cluster.frozen or self.cluster.lost:
            raise TimeoutError
        return func(*args, **kwargs)

    def get(
        self, dsk: Any, keys: Any, workers: Any = None, allow_other_workers: Any = None, sync: bool = True
    ) -> list[SimulatedFuture]:
        assert not sync
        if self.status == "closed":
            raise ClosedClientError("closed")
        self.cluster.submit(dsk, keys, workers, workers is not None and not allow_other_workers)
        found = [SimulatedFuture(self, key) for key in keys]
        self._futures.extend(found)
        return found

    def submit(self, func: Any, *args: Any, key: str, pure: bool) -> SimulatedFuture:
        """A task that only waits for a worker."""
        del func, args, pure
        return SimulatedFuture(self, key)

    def forget(self) -> None:
        """The scheduler is gone, and with it what was submitted."""
        for future in self._futures:
            future.lost = True
        self._futures.clear()


class SimulatedFuture:
    def __init__(self, client: SimulatedClient, key: str) -> None:
        self.client, self.key, self.lost = client, key, False

    @property
    def _task(self) -> Any:
        return self.client.cluster.tasks.get(self.key)

    @property
    def status(self) -> str:
        task = self._task
        if self.lost or self.client.status == "closed":
            return "cancelled"
        if task is None:
            return "pending"
        return "error" if task.error is not None else "finished" if task.held_by else "pending"

    def done(self) -> bool:
        return self.status != "pending"

    def cancelled(self) -> bool:
        return self.status == "cancelled"

    def result(self, timeout: float) -> Any:
        cluster = self.client.cluster
        end = cluster.now + timeout
        while not self.done() and cluster.now < end:
            cluster.sleep(0.05)
        task = self._task
        if self.status == "cancelled":
            raise FutureCancelledError(self.key, "scheduler lost")
        if task is None or not self.done():
            raise TimeoutError
        if task.error is not None:
            raise task.error
        return task.value

    def release(self) -> None:
        self.client.cluster.wanted.discard(self.key)


def wait(futures: list[SimulatedFuture], *, timeout: float, return_when: str) -> None:
    """`distributed.wait` for the first of some futures."""
    assert return_when == "FIRST_COMPLETED"
    cluster = futures[0].client.cluster
    end = cluster.now + timeout
    while cluster.now < end and not any(future.done() for future in futures):
        cluster.sleep(0.05)


class AllFit:
    """A handshake with workers that are all alike."""

    def __init__(self, client: Any, *, same_bits: bool) -> None:
        del client, same_bits
        self.unfit: dict[Any, str] = {}
        self.silent: set[Any] = set()
        self.found_some, self.unlike = True, ""
        self.kernels = [kernel(software())]

    def must_see(self, dataset: Any) -> bool:
        del dataset
        return False

    def fit_among(self, workers: Any) -> set[Any]:
        return set(workers)
