"""`dgd.doctor`: this process, the scheduler, each worker, and a dataset, looked at from all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from dgd.data.daemon_threads import DaemonThreads
from dgd.data.dataset import Dataset
from dgd.data.places import is_by_columns
from dgd.data.reading import ReadingOptions, is_url
from dgd.data.tables.files import is_table, is_text
from dgd.errors import ClusterLostError, ConfigurationError, DgdError, SchemaError, UnsupportedFormatError
from dgd.errors.checks import checked_integer, checked_number
from dgd.errors.words import counted
from dgd.passes.choose import active_client
from dgd.passes.doctor.data import data_findings
from dgd.passes.doctor.facts import facts
from dgd.passes.doctor.finding import FAULT, OK, Checkup, Finding, of_error
from dgd.passes.doctor.machines import disk_findings, memory_findings, processor_findings
from dgd.passes.doctor.network import clock_findings, port_findings
from dgd.passes.doctor.process import HERE, SCHEDULER, Process
from dgd.passes.doctor.sample import Wanted, sample
from dgd.passes.doctor.software import software_findings

TIMEOUT, CLOCK_SECONDS, WORKERS_SECONDS = 30.0, 5.0, 0.2


def doctor(
    data: str | os.PathLike[str] | None = None,
    *,
    client: Any = None,
    workers: int | None = None,
    timeout: float = TIMEOUT,
    **reading: Unpack[ReadingOptions],
) -> Checkup:
    """Say whether this process, a cluster and a dataset are fit for a job, and what mends them if not.

    Looked at are versions here, on the scheduler and on each worker; BLAS kernels, which decide last bits; threads
    against processors; memory limits against machines and what a pass needs; whether each worker sees the same dataset,
    and how fast it reads it; clocks; ports that are open to all; room on disks.

    data: a path or URL of stored data. At most 256 MiB or 2 s of its chunks are read by each process; of a table whose
        columns have to be learned, and of text, only that it is there is looked at.
    client: a `distributed.Client`; by default the active one, if there is one; without one this process is looked at.
    workers: how many there are to be; they are waited for as long as `timeout`, and fewer are a fault.
    timeout: seconds that each answer may take.
    reading: how the data are opened, see `open_dataset`; a target is not needed.

    Returns a checkup: `worst` ("ok", "warning", "fault"), `findings`, each with severity, check, found, fix and where;
    `processes`, what each said exactly; `table()` and `as_json()`. What is wrong is a finding and no error; raises
    ConfigurationError for arguments that cannot be.
    """
    checked_number("doctor(timeout", timeout, above=0)
    if workers is not None:
        checked_integer("doctor(workers", workers, least=1)
    if data is not None and not isinstance(data, (str, os.PathLike)):
        raise ConfigurationError(f"`doctor(data=...)` must be a path or URL, got a {type(data).__name__}")
    client = active_client() if client is None else client
    if workers is not None and client is None:
        raise ConfigurationError("`doctor(workers=...)` counts those of a cluster, and none is given")
    wanted = None if data is None else Wanted(located(os.fspath(data)), reading, timeout / 2)
    return _Looking(wanted, timeout, workers or 0).on(client)


def located(location: str) -> str:
    """A place as a fit names it to workers: a URL, or an absolute path."""
    return location if is_url(location) else os.path.abspath(os.path.expanduser(location.removeprefix("file://")))


class _Looking:
    """A look at one dataset, or none."""

    def __init__(self, wanted: Wanted | None, timeout: float, workers: int) -> None:
        self.timeout, self.workers = timeout, workers
        self.findings: list[Finding] = []
        is_path = wanted is not None and not is_url(wanted.location)
        self.folder = str(Path(wanted.location).parent) if wanted is not None and is_path else None
        self.dataset: Dataset | None = None
        self.wanted = wanted and self._opened(wanted)

    def on(self, client: Any) -> Checkup:
        """The checkup of this process, and of a client's cluster if there is one."""
        here = Process(HERE, self._here())
        others = [] if client is None else self._others(client)
        self.findings += software_findings(here, others)
        self.findings += processor_findings([here, *others])
        self.findings += memory_findings([here, *others], self.dataset)
        if self.wanted is not None:
            self.findings += data_findings([here, *others], self.wanted.location)
        self.findings += clock_findings(others)
        self.findings += port_findings(others)
        self.findings += disk_findings([here, *others], self.folder)
        return Checkup(tuple(self.findings), tuple(process.as_json() for process in (here, *others)))

    def _opened(self, wanted: Wanted) -> Wanted:
        """Open the dataset for the plan. Where only a pass would tell what its columns are, it is only looked for."""
        if is_text(wanted.location):
            return self._only_seen(wanted, "it is a text, which each fit parses")
        try:
            if self._in_time(lambda: is_by_columns(wanted.location, wanted.reading.get("storage_options"))):
                return self._only_seen(wanted, "it is a table by its columns, which takes a pass to open")
            self.dataset = self._in_time(wanted.open)
        except (SchemaError, UnsupportedFormatError, ConfigurationError):
            if is_table(wanted.location):
                return self._only_seen(wanted, "it has columns that are no numbers, and takes a pass to open")
        except (DgdError, OSError, TimeoutError):
            pass  # Told of by the sample that this process takes, which meets it too.
        return wanted

    def _only_seen(self, wanted: Wanted, why: str) -> Wanted:
        self.findings.append(Finding(OK, "reading", f"nothing was read: {why}", where=(HERE,)))
        return replace(wanted, only_seen=True)

    def _here(self) -> dict[str, Any]:
        """What this process says."""
        found = facts([self.folder] if self.folder else [])
        if self.wanted is None:
            return found
        wanted = self.wanted
        try:
            return {**found, "data": self._in_time(lambda: sample(wanted, 0, 1))}
        except TimeoutError:
            error = f"{wanted.location} was not read within {self.timeout:g} s; see whether its disk or store hangs"
            return {**found, "data": {"seen": True, "error": error, "kind": "TimeoutError"}}

    def _in_time(self, call: Callable[[], Any]) -> Any:
        """The result of a call that may hang. Raises TimeoutError."""
        threads = DaemonThreads(1, "dgd-doctor")
        try:
            return threads.submit(call).result(self.timeout)
        finally:
            threads.shutdown(wait=False)

    def _others(self, client: Any) -> list[Process]:
        """The scheduler and the workers that answer; what does not is a finding."""
        from dgd.passes.cluster.asking import ask, clocks
        from dgd.passes.cluster.client import checked_client

        client = checked_client(client)
        try:
            identity = self._identity(client)
        except ClusterLostError as error:
            self.findings.append(of_error("scheduler", str(error), (SCHEDULER,)))
            return []
        workers: dict[str, Any] = identity.pop("workers")
        address = identity["address"]
        if not workers:
            text, fix = f"the scheduler at {address} has no worker", f"dask worker {address}"
            self.findings.append(Finding(FAULT, "scheduler", text, fix, (SCHEDULER,)))
        elif len(workers) < self.workers:
            text = f"{address} has {counted(len(workers), 'worker')} of {self.workers} after {self.timeout:g} s"
            fix = "the logs of the others say why; they may still be starting: `doctor(timeout=...)`"
            self.findings.append(Finding(FAULT, "scheduler", text, fix, (SCHEDULER,)))
        names = [SCHEDULER, *sorted(workers)]
        ahead = clocks(client, names, min(self.timeout, CLOCK_SECONDS))
        # Values that are unpickled without dgd as well.
        wanted = self.wanted and tuple(vars(self.wanted).values())
        arguments = {
            name: (None if name == SCHEDULER else wanted, self._folders(workers.get(name)), number - 1, len(workers))
            for number, name in enumerate(names)
        }
        answers = ask(client, question(), arguments, self.timeout)
        found = []
        for name, answer in answers.items():
            called = name if name == SCHEDULER else f"worker {name}"
            if isinstance(answer, BaseException):
                self._silent(called, answer)
                continue
            skew, within = ahead.get(name, (0.0, None))
            known = {**workers[name], "address": name} if name in workers else identity
            found.append(Process(called, answer, known, skew, within))
        if len(workers) >= max(1, self.workers) and len(found) == len(names):
            text = f"{address} answers, with {counted(len(workers), 'worker')}"
            self.findings.append(Finding(OK, "scheduler", text, where=(SCHEDULER,)))
        return found

    def _identity(self, client: Any) -> dict[str, Any]:
        """What the scheduler says, once the expected workers are there or time is up. Raises ClusterLostError."""
        from dgd.passes.cluster.asking import identity_of

        until = time.monotonic() + self.timeout
        while True:
            identity = identity_of(client, max(1.0, until - time.monotonic()))
            if len(identity["workers"]) >= self.workers or time.monotonic() >= until:
                return identity
            time.sleep(WORKERS_SECONDS)

    def _folders(self, worker: dict[str, Any] | None) -> list[str]:
        """Whose disks a process is asked for."""
        return [] if worker is None else [*filter(None, [self.folder, worker.get("local_directory")])]

    def _silent(self, name: str, error: BaseException) -> None:
        reason = str(error) if isinstance(error, (TimeoutError, OSError)) else repr(error)
        text, fix = f"{name} does not answer: {reason}", "see whether it is frozen, busy or cut off, and start it anew"
        self.findings.append(Finding(FAULT, "scheduler", text, fix, (name,)))


def question() -> Callable[..., Any]:
    """A function that needs nothing of dgd where it is unpickled, and answers beside the event loop."""

    async def asked(wanted: Any, folders: list[str], number: int, of: int) -> dict[str, Any]:
        import asyncio

        def look() -> dict[str, Any]:
            import platform
            from importlib.metadata import PackageNotFoundError, version

            found: dict[str, Any] = {"python": platform.python_version(), "dgd": None}
            for name in ("numpy", "zarr", "dask", "distributed"):
                try:
                    found[name] = version(name)
                except PackageNotFoundError:
                    found[name] = None
            try:
                import dgd
            except Exception as error:
                return {**found, "error": repr(error)}
            try:
                from dgd.passes.doctor.facts import facts
                from dgd.passes.doctor.sample import Wanted, sample
            except ImportError:
                return {**found, "dgd": getattr(dgd, "__version__", "of unknown version")}
            found |= facts(folders)
            return found if wanted is None else {**found, "data": sample(Wanted(*wanted), number, of)}

        return await asyncio.to_thread(look)

    return asked
