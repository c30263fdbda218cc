"""`dgd doctor`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from dgd.cli import options
from dgd.cli.in_options import in_options
from dgd.cli.options import CONNECT_SECONDS
from dgd.cli.output import print_json, say

if TYPE_CHECKING:
    from dgd.passes.doctor.finding import Checkup

FAULTS = 1
NARROW, WIDE = 60, 110


@click.command
@click.argument("data", required=False)
@click.option("--scheduler", metavar="ADDRESS", help="Look at the Dask cluster at this address too, tcp://host:8786.")
@click.option("--scheduler-file", metavar="FILE", help="The same, the address taken from a scheduler file.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="How many workers there are to be: they are waited for as long as --timeout, and fewer are a fault.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    metavar="S",
    help="Seconds that each process may take to answer [30].",
)
@click.option("--x", "matrix", metavar="NAME", help="The matrix, such as layers/counts [X].")
@options.reads_data
@options.as_json
def doctor(
    data: str | None,
    scheduler: str | None,
    scheduler_file: str | None,
    workers: int | None,
    timeout: float,
    matrix: str | None,
    storage_options: dict[str, Any] | None,
    as_json: bool,
) -> int:
    """Say whether this machine, a cluster and the dataset DATA are fit for a job, and what mends them if not.

    Software everywhere, threads, memory against what a pass needs, whether each worker sees DATA and how fast it reads
    them (at most 256 MiB or 2 s of them are read), clocks, open ports, room on disks.

    Exit codes: 0 nothing worse than a warning, 1 a fault was found, 2 usage.
    """
    from dgd.cli.progress.waiting import waiting
    from dgd.passes.doctor.finding import FAULT

    reading: dict[str, Any] = {"X": matrix, "storage_options": storage_options}
    reading = {name: value for name, value in reading.items() if value is not None}
    scheduler, scheduler_file, _ = options.place_of(scheduler, scheduler_file)
    with waiting("checking"):
        found = _checkup(data, scheduler, scheduler_file, workers, timeout, reading)
    told = tuple(replace(each, found=in_options(each.found), fix=in_options(each.fix)) for each in found.findings)
    found = replace(found, findings=told)
    if as_json:
        print_json(found.as_json())
    else:
        say(found.table(min(WIDE, max(NARROW, shutil.get_terminal_size().columns))))
    return FAULTS if found.worst == FAULT else 0


def _checkup(
    data: str | None,
    scheduler: str | None,
    scheduler_file: str | None,
    workers: int | None,
    timeout: float,
    reading: dict[str, Any],
) -> Checkup:
    """Of this machine, and of a cluster if one is named; one that is not reached is a finding."""
    from dgd.passes.doctor.doctor import doctor as look

    if scheduler is None and scheduler_file is None:
        return look(data, workers=workers, timeout=timeout, **reading)
    from dgd.errors import ClusterLostError
    from dgd.passes.cluster.connection import connected, scheduler_address
    from dgd.passes.doctor.finding import of_error

    address = scheduler_address(scheduler_file) if scheduler_file is not None else str(scheduler)
    try:
        with connected(address, timeout=min(CONNECT_SECONDS, timeout)) as client:
            return look(data, client=client, workers=workers, timeout=timeout, **reading)
    except ClusterLostError as error:
        found = look(data, timeout=timeout, **reading)
        return replace(found, findings=(of_error("scheduler", str(error), ("scheduler",)), *found.findings))
