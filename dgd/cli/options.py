"""What several commands ask for: where to run, which arrays, how much memory."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

CONNECT_SECONDS = 10.0
UNITS = {"": 1, "b": 1}
UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}

Command = Callable[..., int]


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The bytes of 2GiB, 500MB, 1.5 GiB or plain digits."""
    if value is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value.lower())
    if found is None or found[2] not in UNITS or not float(found[1]):
        raise click.BadParameter(f"{value!r} is no size; write it like 2GiB, 500MB or 1000000")
    return int(float(found[1]) * UNITS[found[2]])


def staying(ctx: click.Context, param: click.Parameter, value: str) -> str | int | None:
    """A size, 0 or "auto"."""
    if value == "auto":
        return value
    return 0 if value == "0" else size(ctx, param, value)


@dataclass(frozen=True)
class Where:
    """Where to run, as the command line has it."""

    scheduler: str | None
    scheduler_file: str | None
    threads: int | None
    worker_timeout: float

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A client of the scheduler that was named; None where there is none."""
        if self.scheduler is None and self.scheduler_file is None:
            yield None
            return
        from dgd.passes.cluster.connection import connected, scheduler_address

        address = scheduler_address(self.scheduler_file) if self.scheduler_file is not None else self.scheduler
        assert address is not None
        with connected(address, timeout=min(CONNECT_SECONDS, self.worker_timeout)) as client:
            yield client

    def limits(self, client: Any, memory_limit: int | None) -> dict[str, Any]:
        """What `dgd.fit` and `dgd.plan` are told of it."""
        return {
            "client": client,
            "threads": self.threads,
            "memory_limit": memory_limit,
            "worker_timeout": self.worker_timeout,
        }


def where_to_run(command: Command) -> Command:
    """The options --scheduler, --scheduler-file, --threads and --worker-timeout, handed over as one `where`."""

    @click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster at this address, tcp://host:8786.")
    @click.option("--scheduler-file", metavar="FILE", help="The same, the address taken from a scheduler file.")
    @click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of this process [one a processor].")
    @click.option(
        "--worker-timeout",
        type=click.FloatRange(0, min_open=True),
        default=300.0,
        metavar="S",
        help="Seconds without any worker until a cluster is lost [300].",
    )
    @functools.wraps(command)
    def with_where(
        *,
        scheduler: str | None,
        scheduler_file: str | None,
        threads: int | None,
        worker_timeout: float,
        **others: Any,
    ) -> int:
        given = {"--scheduler": scheduler, "--scheduler-file": scheduler_file, "--threads": threads}
        chosen = [name for name, value in given.items() if value is not None]
        if len(chosen) > 1:
            raise click.UsageError(f"{' and '.join(chosen)} exclude each other: give one of them")
        return command(where=Where(scheduler, scheduler_file, threads, worker_timeout), **others)

    return with_where


def arrays(command: Command) -> Command:
    """The options --y, --weight and --offset."""
    command = click.option("--offset", metavar="NAME", help="The array added to each raw prediction [none].")(command)
    command = click.option("--weight", metavar="NAME", help="The array of weights, one a row [none].")(command)
    return click.option("--y", "--target-array", "y", metavar="NAME", help="The array of targets [y].")(command)


memory_limit = click.option(
    "--memory-limit", callback=size, metavar="SIZE", help="Memory one process may hold, like 2GiB [all there is]."
)
resident = click.option(
    "--resident",
    callback=staying,
    default="auto",
    metavar="SIZE",
    help="Memory of each process that chunks stay in from pass to pass, like 2GiB, or 0 [auto: half of what is free].",
)
precision = click.option(
    "--precision",
    type=click.Choice(["double", "single"]),
    default="double",
    help="Arithmetic within a chunk: float64 or float32 [double].",
)
overwrite = click.option("--overwrite", is_flag=True, help="Replace what dgd wrote there before.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option("--quiet", is_flag=True, help="No progress on stderr.")
