"""What several commands ask for: where to run, which arrays, how much memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import click
from click.core import ParameterSource

from dgd.cli.configured import configured
from dgd.cli.output import note
from dgd.cli.progress.options import progress
from dgd.errors.words import bytes_in, without_secrets
from dgd.passes import settings
from dgd.passes.execution import Execution

CONNECT_SECONDS = 10.0
DOING = {"predict": "predicting", "score": "scoring", "summarize": "summing", "cv": "pass", "path": "pass"}
"""What passes of a command do, where that is not reading; a "pass" is one of several."""

Command = Callable[..., int]


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The bytes of 2GiB, 500MB, 1.5 GiB or plain digits."""
    if value is None:
        return None
    found = bytes_in(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no size; write it like 2GiB, 500MB or 1000000")
    return found


def auto_or_size(ctx: click.Context, param: click.Parameter, value: str) -> str | int | None:
    """A size, 0 or "auto"."""
    if value == "auto":
        return value
    return 0 if value == "0" else size(ctx, param, value)


@dataclass(frozen=True)
class Where:
    """Where to run and how much memory to use, as the command line says it."""

    scheduler: str | None
    scheduler_file: str | None
    threads: int | None
    memory_limit: int | None
    worker_timeout: float
    read_timeout: float
    same_bits: str = "report"
    require_tls: bool = False
    resident: str | int = "auto"
    dashboard: bool = True

    @contextmanager
    def execution(self) -> Iterator[Execution]:
        """As an argument of `dgd.fit` and the others, with a client of the scheduler that was named."""
        from dgd.cli.progress.passes import shown_passes

        doing = DOING.get(click.get_current_context().info_name or "", "reading")
        with shown_passes(doing) as on_event, self._on(on_event) as execution:
            yield execution

    @contextmanager
    def _on(self, on_event: Callable[[Any], object]) -> Iterator[Execution]:
        limits: dict[str, Any] = {
            "on_event": on_event,
            "memory_limit": self.memory_limit,
            "resident": self.resident,
            "worker_timeout": self.worker_timeout,
            "read_timeout": self.read_timeout,
            "same_bits": self.same_bits,
            "require_tls": self.require_tls,
            "dashboard": self.dashboard,
        }
        if not self.on_cluster:
            yield Execution(threads=self.threads, **limits)
            return
        from dgd.cli.progress.waiting import waiting
        from dgd.passes.cluster.connection import connected, scheduler_address
        from dgd.passes.cluster.encryption import refuse_plain, warning_of

        address = scheduler_address(self.scheduler_file) if self.scheduler_file is not None else self.scheduler
        assert address is not None
        if self.require_tls:
            refuse_plain(address)
        elif (warning := warning_of(address)) is not None:
            note(warning)
        with ExitStack() as open_until_the_end:
            with waiting(f"connecting to {without_secrets(address)}"):
                client = open_until_the_end.enter_context(
                    connected(address, timeout=min(CONNECT_SECONDS, self.worker_timeout))
                )
            yield Execution(client=client, **limits)

    @property
    def on_cluster(self) -> bool:
        """Whether a scheduler was named."""
        return self.scheduler is not None or self.scheduler_file is not None


def where_to_run(command: Command) -> Command:
    """The options of where to run and how much memory to use, as one `where`."""

    @click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster at this address, tcp://host:8786.")
    @click.option("--scheduler-file", metavar="FILE", help="The same, the address taken from a scheduler file.")
    @click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of this process [one a processor].")
    @click.option(
        "--memory-limit",
        callback=size,
        metavar="SIZE",
        help="Memory one process may hold, like 2GiB [all there is].",
    )
    @click.option(
        "--worker-timeout",
        type=click.FloatRange(0, min_open=True),
        default=configured("worker_timeout"),
        metavar="S",
        help="Seconds without any worker until a cluster is lost [300].",
    )
    @click.option(
        "--same-bits",
        type=click.Choice(["report", "require"]),
        default=configured("same_bits"),
        help="Workers with another NumPy or BLAS kernel: say so in the result, or leave them out [report].",
    )
    @click.option(
        "--read-timeout",
        type=click.FloatRange(0, min_open=True),
        default=configured("read_timeout"),
        metavar="S",
        help="Seconds that reading a chunk may take, retries included [120].",
    )
    @click.option(
        "--require-tls",
        is_flag=True,
        default=configured("require_tls"),
        help="Refuse a scheduler that is not reached by TLS.",
    )
    @click.option(
        "--dashboard/--no-dashboard",
        default=configured("dashboard"),
        help="Show a fit at /dgd on the scheduler's HTTP server [yes].",
    )
    @functools.wraps(command)
    def with_where(
        *,
        scheduler: str | None,
        scheduler_file: str | None,
        threads: int | None,
        memory_limit: int | None,
        worker_timeout: float,
        read_timeout: float,
        same_bits: str,
        require_tls: bool,
        dashboard: bool,
        **others: Any,
    ) -> int:
        place = place_of(scheduler, scheduler_file, threads)
        limits = memory_limit, worker_timeout, read_timeout
        where = Where(*place, *limits, same_bits, require_tls, dashboard=dashboard)
        return command(where=where, **others)

    return with_where


def place_of(
    scheduler: str | None, scheduler_file: str | None, threads: int | None = None
) -> tuple[str | None, str | None, int | None]:
    """The scheduler, the file that names it, and the threads: one of them, as given or else as the settings say.

    A scheduler of the settings is told of, since nothing on the command line shows it.
    """
    given = {"--scheduler": scheduler, "--scheduler-file": scheduler_file, "--threads": threads}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other: give one of them")
    if chosen:
        return scheduler, scheduler_file, threads
    found = settings.scheduler_found()
    if found is None:
        return None, None, settings.value_of("threads")
    note(f"runs on the cluster of {found.value}, as {found.where} says")
    return (found.value, None, None) if found.name == "scheduler" else (None, found.value, None)


def resident(command: Command) -> Command:
    """The option --resident, as part of `where`; stands above `where_to_run`'s own options."""

    @click.option(
        "--resident",
        callback=auto_or_size,
        default=configured("resident"),
        metavar="SIZE",
        help="Memory of each process that chunks stay in from pass to pass, like 2GiB, or 0 [auto: half of what is "
        "free].",
    )
    @functools.wraps(command)
    def with_resident(*, where: Where, resident: str | int, **others: Any) -> int:
        return command(where=replace(where, resident=resident), **others)

    return with_resident


def storage_option(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any] | None:
    """`K=V`, any number of times, as a dictionary: V is a number, true, false, null or text, K may have dots."""
    found: dict[str, Any] = {}
    for value in values:
        key, equals, text = value.partition("=")
        *path, name = key.split(".")
        if not equals or not all([*path, name]):
            raise click.BadParameter("expected NAME=VALUE, like anon=true")
        within = found
        for part in path:
            within = within.setdefault(part, {})
        within[name] = {"true": True, "false": False, "null": None}.get(text.lower(), text)
        with suppress(ValueError):
            within[name] = int(text)
    return found or None


def reads_data(command: Command) -> Command:
    """The options of each command that reads data, which may take long: --storage-option, --quiet and --log."""
    return click.option(
        "--storage-option",
        "storage_options",
        multiple=True,
        callback=storage_option,
        metavar="K=V",
        help="What fsspec needs to open a URL, like anon=true or client_kwargs.endpoint_url=http://… [none].",
    )(progress(command))


def given(names: Collection[str]) -> str:
    """The first of these options that the command line gives, as it is written there; nothing if it gives none."""
    ctx = click.get_current_context()
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in names and source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
            return parameter.opts[0]
    return ""


precision = click.option(
    "--precision",
    type=click.Choice(["double", "single"]),
    default="double",
    help="Arithmetic within a chunk: float64 or float32 [double].",
)
overwrite = click.option("--overwrite", is_flag=True, help="Replace what dgd wrote there before.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
verbose = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    default=configured("verbose"),
    help="Plan, every pass, all digits and the certificate too.",
)
sort = click.option(
    "--sort",
    "order",
    type=click.Choice(["order", "size", "name"]),
    default="order",
    help="Coefficients as the columns lie, the largest first, or by name [order].",
)
