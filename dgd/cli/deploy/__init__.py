"""`dgd deploy list | init`: the files that run a fit on Slurm, Kubernetes, SSH hosts and so on."""

from __future__ import annotations

from pathlib import Path

import click

from dgd.cli import options
from dgd.cli.output import note, print_json, say


@click.group
def deploy() -> None:
    """Files that run a fit on Slurm, Kubernetes, SSH hosts, …: list them, or copy a folder of them.

    \b
    dgd deploy list
    dgd deploy init slurm run/ --data /data/train.zarr --workers 8 --threads 4
    """


@deploy.command("list")
@options.as_json
def list_kinds(as_json: bool) -> int:
    """Say what there are files for."""
    from dgd.cli.deploy.kinds import kinds

    found = kinds()
    if as_json:
        print_json({kind.name: {"what": kind.what, "files": kind.files} for kind in found})
        return 0
    width = max(len(kind.name) for kind in found) + 2
    say("\n".join(f"{kind.name:<{width}}{kind.what}" for kind in found))
    say("\n`dgd deploy init KIND DIR --data PATH` copies the files of one, filled in.")
    return 0


@deploy.command
@click.argument("kind")
@click.argument("folder", metavar="DIR")
@click.option("--data", metavar="PATH", help="The dataset, as the workers find it: a path or URL [/data/train.zarr].")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Workers [4].")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of each worker [2].")
@click.option(
    "--memory",
    callback=options.size,
    metavar="SIZE",
    help="Memory of each worker, like 4GiB [1.5 × the plan of the data, where they are seen from here, else 4GiB].",
)
@click.option("--image", metavar="NAME", help="The container image with dgd in it [dgd:VERSION].")
@click.argument("fit_options", nargs=-1, metavar="[-- FIT_OPTIONS]", type=click.UNPROCESSED)
@options.as_json
def init(
    kind: str,
    folder: str,
    data: str | None,
    workers: int | None,
    threads: int | None,
    memory: int | None,
    image: str | None,
    fit_options: tuple[str, ...],
    as_json: bool,
) -> int:
    """Copy the files for KIND to the new folder DIR, filled in, and say what to do next.

    What follows `--` are options of `dgd fit`, checked here.

    \b
    dgd deploy init slurm run/ --data /data/train.zarr -- --loss logistic --l2 0.1
    """
    from dgd.cli.deploy.copying import copy_filled, files_with
    from dgd.cli.deploy.kinds import DATA, kind_named
    from dgd.cli.deploy.values import Wishes, checked_place, values

    chosen = kind_named(kind)
    checked_place(chosen.name, data)
    wishes = Wishes(data, workers or 4, threads or 2, memory, image, fit_options)
    filled = values(wishes)
    written = copy_filled(chosen, Path(folder), filled.by_name)
    if data is None and (files := files_with(chosen, "data")):
        note(f"no --data: {DATA} is in {' and '.join(files)}, and has to be changed there")
    for remark in filled.remarks:
        note(remark)
    if as_json:
        print_json({"kind": chosen.name, "folder": folder, "files": written, "values": filled.by_name})
        return 0
    say(f"wrote {', '.join(written)} to {folder}\n\n{chosen.next_steps(folder, filled.by_name)}")
    return 0


__all__ = ["deploy"]
