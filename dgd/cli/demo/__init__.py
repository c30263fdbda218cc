"""`dgd demo`: data bigger than the memory allowed, fitted on threads and on a cluster, and every claim checked."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

from dgd._typing import Vector
from dgd.cli import options
from dgd.cli.demo.processes import CommandFailed, local_cluster, run_measured
from dgd.cli.output import note, print_json
from dgd.cli.output import say as say_line
from dgd.cli.progress.log import QUIET, logged
from dgd.cli.progress.options import progress
from dgd.cli.signals import clean_up_on_signal
from dgd.errors import ConfigurationError
from dgd.errors.words import size

FAILED = 1
SIZE, QUICK_SIZE = 2**30, 2**29
MEMORY_LIMIT = 2**28
THREADS = WORKERS = 2
TOL = 1e-8
PLAN_TOLERANCE = 1.10
DISTANCE = 1e-6
SHOWN_PASSES = 6

Say = Callable[[str], None]


@dataclass(frozen=True)
class Peak:
    """A process's peak memory, in bytes: planned, measured, allowed."""

    name: str
    planned: int
    measured: int
    allowed: int

    @property
    def kept(self) -> bool:
        """Within 10 % of the plan, and within what is allowed."""
        return self.measured <= self.allowed and self.measured <= PLAN_TOLERANCE * self.planned


@click.command
@click.option("--size", "n_bytes", callback=options.size, metavar="SIZE", help="Of the data [1GiB].")
@click.option(
    "--memory-limit", callback=options.size, default="256MiB", metavar="SIZE", help="Memory of each process [256MiB]."
)
@click.option("--folder", metavar="DIR", help="Where the temporary files go [the system's temporary folder].")
@click.option("--quick", is_flag=True, help="With 512 MiB of data.")
@progress
@options.as_json
def demo(n_bytes: int | None, memory_limit: int, folder: str | None, quick: bool, as_json: bool) -> int:
    """Fit data several times larger than the memory allowed, on threads and on a cluster of two processes.

    Shows the loss falling, peak memory against the plan, that both give the same bits, and the distance to the exact
    least-squares solution. Takes under a minute, leaves nothing behind, and exits with code 1 if a claim fails.
    """
    n_bytes = n_bytes or (QUICK_SIZE if quick else SIZE)
    place = Path(folder or tempfile.gettempdir())
    check_room(place, n_bytes)
    say: Say = note if as_json else tell_and_log
    began = time.perf_counter()
    try:
        with clean_up_on_signal(), tempfile.TemporaryDirectory(prefix="dgd-demo-", dir=place) as temporary:
            report = run(Path(temporary), n_bytes, memory_limit, say)
    except CommandFailed as error:
        note(f"error: {error}")
        return FAILED
    report["seconds"] = time.perf_counter() - began
    say(f"\n{report['seconds']:.1f} s; the temporary files are removed and the processes stopped")
    if as_json:
        print_json(report)
    return 0 if report["passed"] else FAILED


def tell_and_log(text: str) -> None:
    """A line on stdout, and in the log."""
    say_line(text)
    logged(text)


def check_room(folder: Path, n_bytes: int) -> None:
    """Refuse a disk that cannot hold the data."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder; give another --folder")
    free = shutil.disk_usage(folder).free
    if free < 1.1 * n_bytes:
        raise ConfigurationError(
            f"the demonstration writes {size(n_bytes)} and {folder} has {size(free)} free; "
            f"give a smaller --size, or another --folder"
        )


def run(folder: Path, n_bytes: int, allowed: int, say: Say) -> dict[str, Any]:
    """The whole demonstration; what it found."""
    from dgd.cli.demo import data as demo_data
    from dgd.cli.progress.counts import rows_of_all
    from dgd.cli.progress.waiting import waiting

    rows = max(n_bytes // demo_data.ROW_BYTES, 1)
    store = str(folder / "train.zarr")
    say(f"dgd demo: {size(n_bytes)} of data, {size(allowed)} of memory allowed to each process\n")
    say(f"1. The data: {rows:,} rows × {demo_data.FEATURES} features in {store}")
    say("   y = Xθ + noise, θ known")
    began = time.perf_counter()
    with rows_of_all() as written:
        run_measured("dgd.cli.demo.data", store, str(rows), hear=lambda line: written(int(line), rows))
    say(f"   written in {time.perf_counter() - began:.1f} s")

    say(f"\n2. Gradient descent on {THREADS} threads of a fresh process")
    threads, peak = fit(store, ["--threads", str(THREADS)], allowed, say)
    peaks = [Peak("threads", threads["plan"]["memory_bytes"], peak, allowed)]

    say(f"\n3. The same on a cluster of {WORKERS} worker processes on 127.0.0.1")
    with ExitStack() as running:
        with waiting(f"starting {WORKERS} worker processes"):
            started = running.enter_context(local_cluster(folder, workers=WORKERS, memory_limit=allowed))
        cluster, _ = fit(store, ["--scheduler", started.scheduler], allowed, say)
        for number, measured in enumerate(started.peaks(), 1):
            peaks.append(Peak(f"worker {number}", cluster["plan"]["memory_bytes"], measured, allowed))

    say("\n4. The exact least-squares solution θ*, by the normal equations")
    began = time.perf_counter()
    with rows_of_all() as summed:
        exact = demo_data.exact_theta(store, lambda done: summed(done, rows))
    say(f"   one pass of its own, {time.perf_counter() - began:.1f} s")
    report = compare(threads, cluster, exact, peaks)
    tell(report, peaks, say)
    return report


def fit(store: str, where: list[str], allowed: int, say: Say) -> tuple[dict[str, Any], int]:
    """Run `dgd fit` as a person would; its JSON, and its peak memory."""
    arguments = ["fit", store, "--solver", "gd", *where, "--memory-limit", exact_size(allowed), "--tol", f"{TOL:g}"]
    arguments.append("--json")
    quiet = ["--quiet"] if QUIET.get() else []
    say(f"   $ dgd {' '.join(arguments)}")
    output, peak = run_measured("dgd", *arguments, *quiet)
    result: dict[str, Any] = json.loads(output)
    history = result["history"]
    first = history[0]["grad_norm"]
    say("   pass          loss    gradient")
    for record in history[: SHOWN_PASSES - 1] + history[SHOWN_PASSES - 1 :][-1:]:
        if record is history[-1] and len(history) > SHOWN_PASSES:
            say("    ...")
        rejected = "" if record["accepted"] else "  a trial, rejected"
        say(f"   {record['iteration']:>4}  {record['loss']:12.8f}  {record['grad_norm'] / first:10.1e}{rejected}")
    # The first pass is left out: it starts threads and fills caches.
    speeds = [record["bytes_read"] / record["seconds"] for record in history[1:] or history]
    say(
        f"   {result['status']} after {result['n_iter']} passes in {result['seconds']:.1f} s, "
        f"{np.median(speeds) / 1e9:.1f} GB/s"
    )
    return result, peak


def exact_size(n_bytes: int) -> str:
    """A size as the command line takes it."""
    return f"{n_bytes // 2**20}MiB" if n_bytes % 2**20 == 0 else f"{n_bytes}B"


def compare(
    threads: dict[str, Any],
    cluster: dict[str, Any],
    exact: Vector,
    peaks: list[Peak],
) -> dict[str, Any]:
    """Every figure, and every claim with whether it holds."""
    data_bytes, allowed = threads["plan"]["bytes_per_pass"], peaks[0].allowed
    theta = np.array(threads["theta"])
    distance = float(np.abs(theta - exact).max())
    losses = [record["loss"] for record in threads["history"] if record["accepted"]]
    same = theta.tobytes() == np.array(cluster["theta"]).tobytes()
    claims = {
        f"the data are {data_bytes / allowed:.1f} times as large as the memory allowed": data_bytes >= 2 * allowed,
        f"the loss fell from {losses[0]:.6g} to {losses[-1]:.6g}": falling(losses),
        "both fits converged": threads["status"] == cluster["status"] == "converged",
        "peak memory stayed within the plan + 10 % and within what is allowed": all(peak.kept for peak in peaks),
        f"threads and cluster give the same bits: {'yes' if same else 'no'}": same,
        f"max |θ − θ*| = {distance:.1e}, at most {DISTANCE:.0e}": distance <= DISTANCE,
    }
    return {
        "passed": all(claims.values()),
        "claims": claims,
        "data_bytes": data_bytes,
        "peaks": [asdict(peak) for peak in peaks],
        "same_bits": same,
        "max_distance": distance,
        "losses": losses,
        "passes": {"threads": threads["n_iter"], "cluster": cluster["n_iter"]},
    }


def falling(losses: list[float]) -> bool:
    """Whether the loss went down, and never up by more than rounding."""
    return losses[-1] < losses[0] and all(after <= before * (1 + 1e-12) for before, after in pairwise(losses))


def tell(report: dict[str, Any], peaks: list[Peak], say: Say) -> None:
    """The table of memory, and the claims."""
    say("\n5. Peak memory   planned   measured   allowed")
    for peak in peaks:
        say(f"   {peak.name:<10}  {size(peak.planned):>9}  {size(peak.measured):>9} {size(peak.allowed):>9}")
    say("")
    for claim, holds in report["claims"].items():
        say(f"   {'ok    ' if holds else 'FAILED'}  {claim}")
