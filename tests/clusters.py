"""Real Dask clusters for tests: `dask scheduler` and `dask worker` processes on 127.0.0.1."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster, Security

DASK = [sys.executable, "-m", "dask"]
PRIVATE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""Without the address, the HTTP server listens on all interfaces even where there is no dashboard."""

QUIET = {
    "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "60s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "1s",
}
"""A cluster that waits takes 2 % of a processor; with Dask's own intervals 9 %, most of it for the profile of tasks."""


class Cluster:
    """A scheduler process, and worker processes that can be added and killed."""

    def __init__(
        self, folder: Path, environment: dict[str, str] | None = None, security: Security | None = None
    ) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.environment = {**os.environ, **QUIET, **(environment or {})}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.protocol = ("--protocol", "tcp" if security is None else "tls")
        self.scheduler = self.start_scheduler(port=0)
        self.client = Client(scheduler_file=str(self.file), set_as_default=False, security=security)

    def start_scheduler(self, *, port: int) -> subprocess.Popen[bytes]:
        """A scheduler process, listening."""
        self.file.unlink(missing_ok=True)
        where = ("--host", "127.0.0.1", "--port", str(port), "--scheduler-file", str(self.file))
        scheduler = self._start("scheduler", *where, *self.protocol, *PRIVATE, "--idle-timeout", "900 seconds")
        wait_until(self.file.exists, "the scheduler's file")
        return scheduler

    def restart_scheduler(self) -> None:
        """Another scheduler at the same address, knowing nothing."""
        end(self.scheduler)
        self.scheduler = self.start_scheduler(port=int(self.client.scheduler.address.rpartition(":")[2]))

    def add_worker(
        self, *, threads: int = 1, nanny: bool = False, cwd: Path | None = None, **variables: str
    ) -> subprocess.Popen[bytes]:
        """One more worker, connected; `cwd`: the folder it runs in, `variables`: more of its environment."""
        before = len(self.addresses())
        worker = self._start(
            "worker",
            "--scheduler-file",
            str(self.file),
            "--host",
            "127.0.0.1",
            "--nthreads",
            str(threads),
            "--nanny" if nanny else "--no-nanny",
            *self.protocol,
            *PRIVATE,
            "--local-directory",
            str(self.folder),
            "--death-timeout",
            "30",
            cwd=cwd,
            **variables,
        )
        self.workers.append(worker)
        wait_until(lambda: len(self.addresses()) > before, "a worker")
        return worker

    @contextmanager
    def one_more(self, **options: Any) -> Iterator[None]:
        """One more worker for a while; `options` are those of `add_worker`."""
        before = len(self.addresses())
        worker = self.add_worker(**options)
        try:
            yield
        finally:
            end(worker)
            self.workers.remove(worker)
            wait_until(lambda: len(self.addresses()) <= before, "the worker to leave")

    def addresses(self) -> list[str]:
        """The workers that are ready for work."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        return [address for address, worker in workers.items() if worker["status"] == "running"]

    def worker_pids(self) -> dict[str, int]:
        """The process that runs tasks, by worker address."""
        found: dict[str, int] = self.client.run(os.getpid)
        return found

    def stop_workers(self) -> None:
        for worker in self.workers:
            end(worker)
        self.workers.clear()
        wait_until(lambda: not self.addresses(), "the workers to leave")

    def close(self) -> None:
        self.client.close(timeout=2)
        for process in [*self.workers, self.scheduler]:
            end(process)

    def _start(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[bytes]:
        environment = {**self.environment, **variables}
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [*DASK, *arguments], env=environment, stdout=log, stderr=log, start_new_session=True, cwd=cwd
            )


@contextmanager
def cluster(
    folder: Path, environment: dict[str, str] | None = None, security: Security | None = None
) -> Iterator[Cluster]:
    """A cluster without workers, taken down at the end. `security`: of the client, where it is reached by TLS."""
    found = Cluster(folder, environment, security)
    try:
        yield found
    finally:
        found.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with everything it started, and reap it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(condition: object, what: str, seconds: float = 30.0) -> None:
    assert callable(condition)
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


@contextmanager
def two_in_this_process() -> Iterator[Client]:
    """The client of two workers of one thread each, which live in this process: what is patched here is so there."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client
