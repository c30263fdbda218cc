"""Processors, memory and disks of each machine against what its processes may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dgd.data.dataset import Dataset
from dgd.errors import PlanError
from dgd.errors.words import counted, size
from dgd.passes.cluster.cut import Cut
from dgd.passes.cluster.graph import tasks_over
from dgd.passes.cluster.resources import USABLE, resources_of
from dgd.passes.doctor.finding import FAULT, OK, WARNING, Finding, named, of_error
from dgd.passes.doctor.process import HERE, Process, grouped, names_of
from dgd.passes.execution import Execution, default_threads
from dgd.passes.plan import Need, Plan, make_plan
from dgd.passes.threads import ThreadExecutor

LITTLE_ROOM, NO_ROOM = 2**30, 2**24
PAUSED = f"{USABLE:.0%}"


def processor_findings(processes: Sequence[Process]) -> list[Finding]:
    """Threads against processors: those of workers, and those of BLAS beside them."""
    known = [each for each in processes if each.is_known]
    workers = [each for each in known if each.is_worker]
    found = [
        finding
        for on_machine in grouped(workers, "machine").values()
        for finding in _of_workers(list({each.facts["pid"]: each for each in on_machine}.values()))
    ]
    threads, processors = default_threads(), known[0].facts["processors"]
    if not workers and threads > processors:
        text = f"fits here run on {threads} threads, and there are {counted(processors, 'processor')}"
        found.append(Finding(WARNING, "processors", text, f"export DGD_THREADS={processors}", (HERE,)))
    if found:
        return found
    if not workers:
        text = f"{counted(processors, 'processor')} here, {counted(threads, 'thread')} for a fit"
        return [Finding(OK, "processors", text, where=(HERE,))]
    machines = len(grouped(workers, "machine"))
    total = sum(each.dask.get("nthreads", 0) for each in workers)
    text = f"{counted(total, 'thread')} of {counted(len(workers), 'worker')} on {counted(machines, 'machine')}"
    return [Finding(OK, "processors", f"{text}: no more than there are processors", where=names_of(workers))]


def _of_workers(workers: Sequence[Process]) -> list[Finding]:
    """Of one machine, each process once."""
    host, names = workers[0].facts["host"], names_of(workers)
    processors = max(each.facts["processors"] for each in workers)
    threads = sum(each.dask["nthreads"] for each in workers)
    if threads > processors:
        those = f"{counted(threads, 'thread')} of {counted(len(workers), 'worker')} on {host}"
        text = f"{those}, and it has {counted(processors, 'processor')}"
        fix = f"dask worker --nworkers N --nthreads T with N × T ≤ {processors}"
        return [Finding(WARNING, "processors", text, fix, names)]
    at_once = sum(each.dask["nthreads"] * each.facts["blas_threads"] for each in workers)
    if at_once <= processors:
        return []
    several = [each for each in workers if each.facts["blas_threads"] > 1]
    told = named([f"{each.facts['blas_threads']} on {each.name}" for each in several])
    text = (
        f"BLAS takes {told} for each thread, {at_once} at once, and {host} has {processors} processors; passes of dgd "
        f"hold it at one, other work there does not"
    )
    fix = "export OMP_NUM_THREADS=1 before `dask worker` (its nanny sets that by itself)"
    return [Finding(WARNING, "processors", text, fix, names_of(several))]


def memory_findings(processes: Sequence[Process], dataset: Dataset | None) -> list[Finding]:
    """Limits against machines, and against what a pass over the dataset takes."""
    here, workers = processes[0], [each for each in processes if each.is_worker]
    found = [*_limits(workers)]
    try:
        plans = [] if dataset is None else _plans(here, workers, dataset)
    except PlanError as error:
        return [*found, of_error("memory", str(error), names_of(workers) or (HERE,))]
    for process, plan in plans:
        try:
            plan.check()
        except PlanError as error:
            found.append(of_error("memory", f"{process.name}: {error}", (process.name,)))
    if found:
        return found
    return [Finding(OK, "memory", _enough(here, workers, plans), where=names_of(workers) or (HERE,))]


def _enough(here: Process, workers: Sequence[Process], plans: Sequence[tuple[Process, Plan]]) -> str:
    if plans:
        most = max((plan for _, plan in plans), key=lambda plan: plan.memory_bytes)
        limits = [plan.memory_limit for _, plan in plans if plan.memory_limit is not None]
        of = f" of {size(min(limits))}" if limits else ""
        who = f"a worker ({PAUSED} of its limit)" if workers else "this process"
        return (
            f"a pass needs {size(most.memory_bytes)}{of} that {who} may use; `dgd plan` knows of your loss and solver"
        )
    facts = here.facts
    limit = "" if facts["cgroup_limit"] is None else f", of which {size(facts['cgroup_limit'])} are allowed"
    told = f"{size(facts['machine_bytes'])} here{limit}, {size(facts['free_bytes'])} of it free"
    allowed = [int(each.dask["memory_limit"]) for each in workers if each.dask.get("memory_limit")]
    return told + (f"; workers may hold {size(min(allowed))} each" if allowed else "")


def _plans(here: Process, workers: Sequence[Process], dataset: Dataset) -> list[tuple[Process, Plan]]:
    """What a pass takes of each worker, or without any of this process; chunks that stay in memory do not count."""
    limit = Execution().memory_limit
    if not workers:
        executor = ThreadExecutor(default_threads(), memory_limit=limit)
        try:
            return [(here, make_plan(dataset, executor.resources(dataset), Need()))]
        finally:
            executor.close()
    threads = sum(each.dask["nthreads"] for each in workers)
    tasks = tasks_over(len(Cut().nodes(dataset, threads, guess=True)))
    return [
        (each, make_plan(dataset, resources_of({each.name: dict(each.dask)}, tasks, limit), Need())) for each in workers
    ]


def _limits(workers: Sequence[Process]) -> list[Finding]:
    """Dask's limits that the machine, or the worker's control group, cannot keep."""
    found = []
    for on_machine in grouped([each for each in workers if each.is_known], "machine").values():
        host, names = on_machine[0].facts["host"], names_of(on_machine)
        own = {each.facts["pid"]: each for each in on_machine}.values()
        total = sum(each.dask.get("memory_limit") or 0 for each in own)
        machine = on_machine[0].facts["machine_bytes"]
        if total > machine:
            text = f"{counted(len(on_machine), 'worker')} on {host} may hold {size(total)}, and it has {size(machine)}"
            fix = f"dask worker --memory-limit of {size(machine // len(on_machine))} or less"
            found.append(Finding(WARNING, "memory", text, fix, names))
        unlimited = names_of(each for each in on_machine if not each.dask.get("memory_limit"))
        if unlimited:
            text = f"{named(unlimited)} {'has' if len(unlimited) == 1 else 'have'} no memory limit"
            fix = "dask worker --memory-limit SIZE, so that a plan that does not fit is refused before it runs"
            found.append(Finding(WARNING, "memory", text, fix, unlimited))
        for each in on_machine:
            group, limit = each.facts["cgroup_limit"], each.dask.get("memory_limit") or 0
            if group is not None and limit > group:
                text = (
                    f"{each.name} may hold {size(limit)} by Dask, its control group {size(group)}: the kernel kills it"
                )
                fix = f"dask worker --memory-limit {size(group)} or less, or a larger limit of the container or job"
                found.append(Finding(WARNING, "memory", text, fix, (each.name,)))
    return found


def disk_findings(processes: Sequence[Process], data_folder: str | None) -> list[Finding]:
    """Room for temporary files, for what workers spill, and at the dataset."""
    disks = {
        (process.facts["machine"], folder): (process, folder, disk)
        for process in reversed(processes)
        for folder, disk in process.facts.get("disks", {}).items()
    }
    found = [
        finding
        for process, folder, disk in disks.values()
        if (finding := _of_disk(process, folder, disk, is_read=folder == data_folder)) is not None
    ]
    room = [
        (disk["free_bytes"], f"{folder} ({process.name})")
        for process, folder, disk in disks.values()
        if "error" not in disk
    ]
    if found or not room:
        return found
    text = f"{size(min(room)[0])} free or more in the folders of data and temporary files"
    return [Finding(OK, "disk", text, where=(min(room)[1],))]


def _of_disk(process: Process, folder: str, disk: dict[str, Any], *, is_read: bool) -> Finding | None:
    """What is wrong with a folder; is_read: whether it is the dataset's, which need not be written to, nor be there."""
    what, mend = f"{folder} ({process.name})", _elsewhere(process)
    if "error" in disk:
        return None if is_read else Finding(FAULT, "disk", f"{what}: {disk['error']}", mend, (process.name,))
    if not (disk["writable"] or is_read):
        return Finding(FAULT, "disk", f"{what} cannot be written to", mend, (process.name,))
    if disk["free_bytes"] >= LITTLE_ROOM:
        return None
    severity = FAULT if disk["free_bytes"] < NO_ROOM and not is_read else WARNING
    return Finding(
        severity, "disk", f"{what} has {size(disk['free_bytes'])} left", f"make room, or {mend}", (process.name,)
    )


def _elsewhere(process: Process) -> str:
    if process.is_worker:
        return "start the worker with --local-directory elsewhere, and TMPDIR set"
    return "set TMPDIR to another folder"
