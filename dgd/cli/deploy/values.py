"""The values that are filled into the files: of the options, and of the plan of the dataset."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click

from dgd._version import __version__
from dgd.data.reading import is_url
from dgd.errors import ConfigurationError, DgdError
from dgd.errors.words import counted

MEBI = 2**20
STEP, LEAST = 256 * MEBI, 1024 * MEBI
BESIDE = 1024 * MEBI
"""Beside a worker's limit: its nanny, and on one machine the scheduler and the fit."""
NANNY = 256 * MEBI
MOUNTED = "/data"
"""Of the claim with the data, in the pods of Kubernetes."""
MARGIN = 1.5
"""Dask pauses a worker at 80 % of its limit."""
UNPLANNED = "each worker gets 4 GiB; `dgd plan`, where the data are, says what it needs"
SET_BY_THE_FILES = {"scheduler", "scheduler_file", "threads", "out", "overwrite", "checkpoint"}
"""Options of `dgd fit` that the files give themselves."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; `data` and `memory` may be None."""

    data: str | None
    workers: int
    threads: int
    memory: int | None
    image: str | None
    fit_options: tuple[str, ...]


@dataclass(frozen=True)
class Filled:
    """The values by name, and what is said of them."""

    by_name: dict[str, str]
    remarks: list[str]


def checked_place(kind: str, data: str | None) -> None:
    """Raise ConfigurationError where the pods of Kubernetes would not see a path."""
    if kind != "kubernetes" or data is None or is_url(data) or PurePosixPath(data).is_relative_to(MOUNTED):
        return
    raise ConfigurationError(
        f"the pods see the claim dgd-data below {MOUNTED}, got {data}; give the path there, "
        f"`--data {MOUNTED}/{PurePosixPath(data).name}`, or a URL"
    )


def values(wishes: Wishes) -> Filled:
    """What takes the place of the defaults in the files."""
    data = wishes.data if wishes.data is None or is_url(wishes.data) else os.path.abspath(wishes.data)
    arguments = _for_plan(data or "train.zarr", wishes.fit_options)
    memory, remarks = wishes.memory, []
    if memory is None and data is not None:
        if is_url(data) or os.path.exists(data):
            memory, remark = _planned(arguments, wishes.threads)
        else:
            remark = f"{data} is not seen from here: {UNPLANNED}"
        remarks.append(remark)
    by_name = {
        "workers": str(wishes.workers),
        "threads": str(wishes.threads),
        **_image(wishes.image or f"dgd:{__version__}"),
        "fit_options": shlex.join(wishes.fit_options),
        **_places(data),
        **_sizes(memory or 4096 * MEBI, wishes.threads),
    }
    return Filled(by_name, remarks)


def _places(data: str | None) -> dict[str, str]:
    """The dataset and the folder of the programs."""
    found = {"bin": str(Path(sys.executable).parent)}
    if data is None:
        return found
    return {**found, "data": data, **({} if is_url(data) else {"data_folder": str(Path(data).parent)})}


def _image(image: str) -> dict[str, str]:
    """The image, and its two parts for kustomize; the name of a registry may have a port."""
    name, _, tag = image.rpartition(":")
    if not name or "/" in tag:
        name, tag = image, "latest"
    return {"image": image, "image_name": name, "image_tag": tag}


def _sizes(memory: int, threads: int) -> dict[str, str]:
    """The memory of a worker as Dask, Kubernetes, Slurm and PBS write it, in MiB."""
    limit = -(-memory // MEBI)
    job = limit + BESIDE // MEBI
    return {
        "memory": f"{limit}MiB",
        "mebibytes": str(limit),
        "memory_bytes": str(limit * MEBI),
        "container": str(limit + NANNY // MEBI),
        "job": str(job),
        "job_per_thread": str(-(-job // threads)),
    }


def _for_plan(data: str, fit_options: Sequence[str]) -> list[str]:
    """The options of a fit that `dgd plan` has too; all of them are checked as `dgd fit` would."""
    from dgd.cli.fit import fit
    from dgd.cli.plan import plan

    with fit.make_context("dgd fit", [data, *fit_options]) as context:
        parsed, _, order = fit.make_parser(context).parse_args([*fit_options, data])
    known = {parameter.name for parameter in plan.params}
    found = [data]
    for parameter in {id(each): each for each in order if isinstance(each, click.Option)}.values():
        if parameter.name in SET_BY_THE_FILES:
            raise ConfigurationError(f"{parameter.opts[0]} is given by the files themselves; leave it out after --")
        if parameter.name in known:
            found += _as_given(parameter, parsed[parameter.name or ""])
    return found


def _as_given(option: click.Option, value: Any) -> Iterator[str]:
    """An option on a command line again."""
    if option.is_flag:
        yield option.opts[0] if value else option.secondary_opts[0]
        return
    for each in value if option.multiple else [value]:
        yield f"{option.opts[-1]}={each}"


def _planned(arguments: list[str], threads: int) -> tuple[int | None, str]:
    """The memory of a worker by the plan, and a line about it; None where a URL cannot be reached from here."""
    from dgd.cli.plan import plan
    from dgd.passes.cluster.resources import IDLE_BYTES, WORKER_BYTES

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            plan.main([*arguments, "--threads", str(threads), "--json"], "dgd plan", standalone_mode=False)
    except (DgdError, OSError) as error:
        if not is_url(arguments[0]):
            raise
        return None, f"{error}: {UNPLANNED}"
    found = json.loads(printed.getvalue())
    peak = found["memory_bytes"] - found["base_bytes"] - found["resident_bytes"] + IDLE_BYTES + WORKER_BYTES
    memory = max(LEAST, -(-int(MARGIN * peak) // STEP) * STEP)
    return memory, (
        f"{found['rows']:,} rows × {found['features']} features: a worker of {counted(threads, 'thread')} needs "
        f"{peak / MEBI:.0f} MiB, and gets {memory // MEBI} MiB; with more, chunks stay in memory from pass to pass"
    )
