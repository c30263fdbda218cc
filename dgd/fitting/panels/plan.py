"""What a fit of many targets will cost: panels, reads of X and y, memory. It refuses what cannot fit.

memory of a process = base + X + threads × (reading + products + a tile being written + targets of a panel × sums)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from dgd.data.dataset import Dataset
from dgd.data.targets.opening import Targets
from dgd.data.targets.tiles import Tiles
from dgd.data.zarr.tile_writer import COPIES
from dgd.errors import ConfigurationError, PlanError
from dgd.errors.words import counted, size
from dgd.fitting.panels.missing_cells import pair_count
from dgd.fitting.panels.panel_sums import LEVEL_ROWS, PAIR_CELLS, PRODUCT_CELLS, STRIP
from dgd.fitting.panels.row_groups import LEAST_ROWS, RowGroups
from dgd.passes.executor import Resources
from dgd.passes.plan import Need, Plan
from dgd.passes.products_need import products_need

HALF = 0.5
"""The part of the room that X may stay in, where nobody says how much."""
SENT = 64 * 2**20
"""Most bytes of X that are sent to workers; a larger one they read themselves."""
WIDE = 256 * 2**20
"""A thread's panel takes no more where nothing is saved by a wider one."""


@dataclass(frozen=True)
class PanelPlan:
    """The cost of a fit of many targets, in bytes and reads. `print` shows it."""

    rows: int
    features: int
    targets: int
    panels: int
    panel_targets: int
    """Of a panel at most."""
    panel_tiles: int
    """Chunks that a panel may write of each array."""
    kind: str
    processes: int
    threads: int
    x_resident: bool
    """Whether X is read once and stays in memory, as orthonormal columns."""
    x_bytes: int
    """What it takes in a process then."""
    x_reads: int
    """How often X is read."""
    y_reads: int
    """How often each stored chunk of y is read at most."""
    y_bytes: int
    """Stored bytes of y."""
    thread_bytes: int
    """What a thread takes, its panel's sums included."""
    base_bytes: int
    memory_bytes: int
    """Peak memory of one process."""
    memory_limit: int | None

    @property
    def fits(self) -> bool:
        """Whether a process can hold its part."""
        return self.memory_limit is None or self.memory_bytes <= self.memory_limit

    def check(self) -> None:
        """Raise PlanError, with both numbers and what to change, if a process cannot hold its part."""
        if self.memory_limit is None or self.fits:
            return
        room = self.memory_limit - self.base_bytes - self.x_bytes
        if room >= self.thread_bytes:
            hint = f"use {room // self.thread_bytes} of {self.threads} threads, or raise the limit"
        else:
            hint = "rewrite y in smaller chunks, or raise the limit"
        raise PlanError(
            f"the fit needs {size(self.memory_bytes)} in each process and {size(self.memory_limit)} is allowed: "
            f"{self.threads} threads × {size(self.thread_bytes)} (panels of {counted(self.panel_targets, 'target')}) + "
            f"{size(self.base_bytes + self.x_bytes)}; {hint}",
            needed=self.memory_bytes,
            available=self.memory_limit,
        )

    def __str__(self) -> str:
        held = f"read once, and stays in memory: {size(self.x_bytes)}"
        times = "each stored chunk once" if self.y_reads == 1 else f"each stored chunk up to {self.y_reads} times"
        if self.y_reads > 1:
            times += ": more memory, or y in chunks of fewer targets, saves that"
        rows = [
            ("data", f"{self.rows:,} rows × {self.features:,} features, {counted(self.targets, 'target')}"),
            ("panels", f"{self.panels:,} of at most {counted(self.panel_targets, 'target')}"),
            ("X", held if self.x_resident else f"read {self.x_reads:,} times, twice for all and once for each panel"),
            ("y", f"about {size(self.y_bytes)}, {times}"),
            ("processes", f"{self.processes} ({self.kind}), {counted(self.threads, 'thread')} each at most"),
            (
                "memory",
                f"{size(self.memory_bytes)} a process = {self.threads} × {size(self.thread_bytes)} + "
                f"{size(self.x_bytes)} + {size(self.base_bytes)}",
            ),
            ("memory limit", "none" if self.memory_limit is None else f"{size(self.memory_limit)} a process"),
        ]
        return "\n".join(f"{name:<14}{text}" for name, text in rows)

    def as_json(self) -> dict[str, Any]:
        """Every figure."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """What is to be fitted, as far as it costs something."""

    dataset: Dataset
    targets: Targets
    tiles: Tiles
    groups: RowGroups
    folds: int = 1
    strengths: int = 1
    drop: bool = False

    @property
    def x_bytes(self) -> int:
        """Of the orthonormal columns of all rows, and their folds."""
        rows, n = self.dataset.shape
        return 8 * rows * (n + 1 + (self.folds > 1))

    @property
    def shared_bytes(self) -> int:
        """Of what each target is solved with, whether X stays or not."""
        n = self.dataset.shape[1]
        return 8 * n * n + (16 * self.folds * (n + 1) * (n + 1) if self.folds > 1 else 0)

    def target_bytes(self) -> int:
        """Of a target in a panel: its sums, and rows that are gathered."""
        n, rows = self.dataset.shape[1], self.groups
        sums = 8 * self.folds * (n + 2) * rows.standing
        return sums + rows.gathered * self.targets.rows.dtype.itemsize + 8 * self.drop * pair_count(n) + 32

    def fixed_bytes(self, *, x_resident: bool) -> int:
        """Of a thread, whatever the panel."""
        n, tiles = self.dataset.shape[1], self.tiles
        block = self.targets.at(tuple(0 for _ in tiles.sizes), tiles.block(tuple(0 for _ in tiles.sizes))).footprint
        rows = PRODUCT_CELLS // min(tiles.cells, STRIP)
        products = 8 * (3 * PRODUCT_CELLS + 3 * (n + 2) * STRIP)
        # Rows of a piece in one order, and those that its levels are taken from.
        products += tiles.cells * (rows * self.targets.rows.dtype.itemsize + 4 * 8 * LEVEL_ROWS)
        if self.drop:
            products += 3 * 8 * max(PAIR_CELLS, LEAST_ROWS * pair_count(n)) + 10 * tiles.cells * rows
        # Coefficients as they are solved, in the tile's order, and while they are written.
        tile = 8 * tiles.cells * ((2 + COPIES) * n + 3 * n + 4 * self.strengths + 16)
        found = block.encoded + block.decoded + products + tile
        if not x_resident:
            X = self.dataset.footprint
            found += X.encoded + X.decoded + 8 * self.dataset.chunk_rows * (4 * n + 4)
        return found


def design_need(job: Job) -> Need:
    """What reading X takes: its R factor, and the products of a basis."""
    rows, n = job.dataset.chunk_rows, job.dataset.shape[1]
    need = products_need(n, 1, rows, "double", factors=True)
    return replace(
        need,
        block_bytes=max(need.block_bytes, 8 * rows * (4 * n + 4)),
        hessian_bytes=max(need.hessian_bytes, 8 * job.folds * (n + 1) * (n + 1)),
    )


def make_plan(job: Job, resources: Resources, first: Plan, *, resident: str | int, panel: int | None) -> PanelPlan:
    """Panels as wide as memory allows and reads ask for.

    first: the plan of reading X. resident: bytes of X a process, or "auto".
    """
    limit, threads = resources.memory_limit, resources.threads
    # X as it is read stands beside it for a moment, or each task of a worker has one.
    copies = 2 if resources.shares_memory else threads + 1
    x_bytes, sent = copies * job.x_bytes, 0 if resources.shares_memory else job.targets.rows.footprint.held
    if sent > SENT:
        raise ConfigurationError(
            f"y is {size(sent)} in this process's memory, and at most {size(SENT)} are sent to workers; write it to a "
            f"Zarr store that they can read, or fit with `threads=`"
        )
    base = resources.base_bytes + copies * (sent + job.shared_bytes)
    room = None if limit is None else limit - base
    narrow = threads * (job.fixed_bytes(x_resident=True) + job.tiles.cells * job.target_bytes())
    if isinstance(resident, str):
        x_resident = room is None or x_bytes <= min(HALF * room, room - narrow)
    else:
        x_resident = x_bytes <= resident
    x_resident = x_resident and (resources.shares_memory or job.x_bytes <= SENT)
    fixed, each = job.fixed_bytes(x_resident=x_resident), job.target_bytes()
    shared = job.tiles.sharing * job.tiles.cells
    if panel is None:
        # A wider panel saves reads: of X where it does not stay, of stored chunks that several tiles share.
        wanted = shared if x_resident else max(shared, -(-job.tiles.count // (threads * resources.processes)))
        most = WIDE // each
        if room is not None:
            most = max(0, (room - (x_bytes if x_resident else 0)) // threads - fixed) // each
        panel = min(wanted, most)
    width = max(1, panel // job.tiles.cells)
    panels = job.tiles.panels(width)
    tiles = max(len(part) for part in panels)
    targets = min(tiles * job.tiles.cells, job.tiles.count)
    thread_bytes = fixed + targets * each
    held = x_bytes if x_resident else 0
    return PanelPlan(
        rows=job.dataset.shape[0],
        features=job.dataset.shape[1],
        targets=job.tiles.count,
        panels=len(panels),
        panel_targets=targets,
        panel_tiles=width,
        kind=resources.kind,
        processes=resources.processes,
        threads=min(threads, len(panels)),
        x_resident=x_resident,
        x_bytes=held,
        x_reads=1 if x_resident else 2 + len(panels),
        y_reads=-(-job.tiles.sharing // tiles),
        y_bytes=job.targets.rows.footprint.per_pass,
        thread_bytes=thread_bytes,
        base_bytes=base,
        memory_bytes=max(base + held + min(threads, len(panels)) * thread_bytes, first.memory_bytes + held),
        memory_limit=limit,
    )
