"""What a fit will cost, read before it is paid for: bytes per pass, tasks, memory. It refuses what cannot fit.

memory of a process = threads × (encoded + decoded + workspace) + partials + base + resident

encoded    the stored bytes of the chunks being read or fetched workspace  micro-blocks in the arithmetic's dtype
decoded    its decoded form, with y and weights                 partials   sums of n + 1 numbers held at once
base       what the process holds before it reads anything
resident   decoded chunks that stay from one pass to the next
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.data.resident_chunks import chunk_bytes
from dgd.errors import PlanError
from dgd.errors.words import counted, size
from dgd.passes.executor import Resources
from dgd.passes.larger_chunks import larger_row
from dgd.passes.pace import Pace
from dgd.passes.workspace import footprint_within, row_index_bytes, workspace_bytes

DRIVER_VECTORS = 12
"""Points, gradients and coordinates that the loop and its solver hold."""
AUTO_RESIDENT = 0.5
"""The part of the room that chunks may stay in where nobody says how much."""
LEAST_RESIDENT = 0.05
"""Where less than this part of the chunks could stay, none does."""
UNEVEN = 1.5
"""How much more than its share of what stays a worker may come to hold."""
DRIVER_HESSIANS = 6
"""The reduced Hessian, its form in the solver's coordinates, and what factoring it takes."""
FEW = 2
"""So many passes are not worth keeping chunks in memory, unless a number of bytes is asked for."""


@dataclass(frozen=True)
class Need:
    """What the passes of a computation need beside reading."""

    precision: str = "double"
    outputs: int = 1
    """Columns of the target, or classes."""
    hessian_bytes: int = 0
    """Of one Hessian's sums, where they are summed."""
    block_bytes: int = 0
    """Of the blocks of a thread, where they are larger than those of a gradient."""
    bytes_per_row: int = 0
    """What a thread holds for each row of a chunk, such as predictions being written."""
    held_bytes: int = 0
    """What the process holds for the whole pass, such as predictions for every row."""
    passes: int = 1
    """How many are expected, as far as it matters: chunks stay in memory only if they are read again."""
    folds: int = 1
    """Of rows, each of which has sums of its own."""
    in_order: bool = False
    """Whether a pass goes from chunk to chunk: on a cluster it is one task, on any worker."""
    compiler: str = ""
    """What makes the code that sums, if not NumPy and BLAS do."""


@dataclass(frozen=True)
class Plan:
    """The cost of a fit, in bytes and tasks."""

    rows: int
    features: int
    chunks: int
    chunk_rows: int
    kind: str
    processes: int
    threads: int
    tasks_per_pass: int
    bytes_per_pass: int
    bytes_exact: bool
    encoded_bytes: int
    decoded_bytes: int
    workspace_bytes: int
    partial_bytes: int
    base_bytes: int
    memory_bytes: int
    """Peak memory of one process."""
    memory_limit: int | None
    resident_chunks: int = 0
    """Chunks that stay decoded in memory from pass to pass, over all processes."""
    resident_bytes: int = 0
    """What they take in one process; part of `memory_bytes`."""
    read_path: str = ""
    """Where the bytes of X come from."""
    pace: Pace | None = None
    """How fast a pass will be, if that was measured."""
    ahead: int = 0
    """Stored chunks of an array that a thread requests before it reads them; part of `encoded_bytes`."""
    larger_bytes: int = 0
    """Most that a stored chunk can have, where it is planned by those that are stored; 0 if that is in the plan."""
    non_zeros: int | None = None
    """Stored values of a sparse X; None where X is dense."""
    non_zeros_exact: bool = True
    density: float | None = None
    """Their part of all cells."""
    kinds: str = ""
    """Of an X with columns of several kinds: how many of each."""
    sample: str = ""
    """What is said of a sample of the rows that the first pass copies aside, if one is."""
    sample_bytes: int = 0
    """What it takes; part of `base_bytes`."""
    compiler: str = ""
    """What makes the code that sums, if not NumPy and BLAS do."""

    def _cells(self) -> str:
        """What there is to read, in a few words."""
        about = "" if self.non_zeros_exact else "about "
        stored = f", {about}{self.non_zeros:,} non-zeros ({self.density:.2g} of the cells)," if self.non_zeros else ""
        kinds = f" ({self.kinds})" if self.kinds else ""
        return f"{self.rows:,} rows × {self.features:,} features{kinds}{stored} in {counted(self.chunks, 'chunk')}"

    @property
    def resident_share(self) -> float:
        """The part of the chunks that only the first pass reads."""
        return self.resident_chunks / self.chunks

    @property
    def fits(self) -> bool:
        """Whether a process can hold its part."""
        return self.memory_limit is None or self.memory_bytes <= self.memory_limit

    def check(self) -> None:
        """Raise PlanError, with both numbers and what to change, if a process cannot hold its part."""
        limit = self.memory_limit
        if limit is None or self.fits:
            return
        per_thread = self.encoded_bytes + self.decoded_bytes + self.workspace_bytes
        room = limit - self.base_bytes - self.partial_bytes - self.resident_bytes
        if self.resident_bytes and room + self.resident_bytes >= self.threads * per_thread:
            hint = f"give `resident` {size(room + self.resident_bytes - self.threads * per_thread)} or less"
        elif room >= per_thread:
            hint = f"use {room // per_thread} of {self.threads} threads, or raise the limit"
        else:
            rows = max(0, int(self.chunk_rows * room / per_thread))
            smaller = f"rewrite X in chunks of at most {rows:,} rows, or " if rows else ""
            hint = f"{smaller}raise the limit"
        raise PlanError(
            f"the fit needs {size(self.memory_bytes)} in each process and {size(limit)} is allowed: "
            f"{self.threads} threads × {size(per_thread)} (chunks of {self.chunk_rows:,} × {self.features:,}) "
            f"+ {size(self.partial_bytes + self.base_bytes + self.resident_bytes)}; {hint}",
            needed=self.memory_bytes,
            available=limit,
        )

    def line(self) -> str:
        """The plan in one line."""
        about = "" if self.bytes_exact else "about "
        where = {"threads": "in this process", "inline": "in this process"}.get(
            self.kind, f"on {counted(self.processes, 'worker')}"
        )
        limit = "" if self.memory_limit is None else f" of {size(self.memory_limit)} allowed"
        return (
            f"{self._cells()}; a pass reads {about}{size(self.bytes_per_pass)} in "
            f"{counted(self.tasks_per_pass, 'task')} {where} ({counted(self.threads, 'thread')}); "
            f"peak memory {size(self.memory_bytes)}{limit}"
        )

    def _staying(self) -> str:
        if not self.resident_chunks:
            return "no chunk stays in memory"
        whole = self.resident_chunks == self.chunks
        share = "all chunks stay" if whole else f"{self.resident_share:.0%} of the chunks stay"
        return f"{share} in memory from the first pass on"

    def reading_line(self) -> str:
        """How the data are read, in one line: from where, by how many threads, what stays, how fast."""
        threads = counted(self.processes * self.threads, "thread")
        return f"{self.read_path}, by {threads}; {self._staying()}{self._pace()}"

    def _pace(self) -> str:
        if self.pace is None:
            return ""
        speed, seconds = self.pace.bytes_per_second / 1e9, self.pace.seconds_per_pass
        return (
            f"; expect {speed:.2g} GB/s, {seconds:.2g} s for a pass that reads all "
            f"(measured on {counted(self.pace.chunks, 'chunk')})"
        )

    def _ahead(self) -> str:
        return f", with {counted(self.ahead, 'chunk')} requested ahead" if self.ahead else ""

    def with_resident(self, resident: str | int, chunk_bytes: int, *, free_bytes: int | None = None) -> Plan:
        """The plan with chunks that stay: "auto", half of the room there is; or a number of bytes a process.

        free_bytes: what the machine has to give now, which may be less than what the process is allowed.

        On a cluster Dask decides which worker holds what, so that a process is planned for more than its share.
        """
        if chunk_bytes == 0 or resident == 0:
            return self
        if isinstance(resident, str):
            room = 0 if self.memory_limit is None else self.memory_limit - self.memory_bytes
            room = room if free_bytes is None else min(room, free_bytes)
            budget = max(0, int(AUTO_RESIDENT * room))
        else:
            budget = resident
        spread = UNEVEN if self.processes > 1 else 1.0
        count = min(self.chunks, int(budget // chunk_bytes * self.processes / spread))
        if isinstance(resident, str) and count < LEAST_RESIDENT * self.chunks:
            return self
        held = min(count, -(-int(spread * count) // self.processes)) * chunk_bytes
        return replace(self, resident_chunks=count, resident_bytes=held, memory_bytes=self.memory_bytes + held)

    def table(self) -> str:
        """The plan line by line."""
        about = "" if self.bytes_exact else "about "
        per_thread = self.encoded_bytes + self.decoded_bytes + self.workspace_bytes
        rest = " + ".join(map(size, (self.partial_bytes, self.base_bytes, self.resident_bytes)))
        rows = [
            ("data", self._cells()),
            ("bytes per pass", f"{about}{size(self.bytes_per_pass)}"),
            ("tasks per pass", f"{self.tasks_per_pass}"),
            ("processes", f"{self.processes} ({self.kind}), {counted(self.threads, 'thread')} each at most"),
            ("encoded chunk", f"{size(self.encoded_bytes)} a thread{self._ahead()}"),
            *larger_row(self.larger_bytes, self.memory_bytes, self.memory_limit),
            ("decoded chunk", f"{size(self.decoded_bytes)} a thread"),
            ("workspace", f"{size(self.workspace_bytes)} a thread"),
            ("partial sums", size(self.partial_bytes)),
            ("base", f"{size(self.base_bytes)} before anything is read"),
            *([("sample", self.sample)] if self.sample else []),
            *([("compiled by", self.compiler)] if self.compiler else []),
            ("reading", self.reading_line()),
            ("resident", f"{self.resident_chunks:,} chunks ({self.resident_share:.0%}), {size(self.resident_bytes)}"),
            ("memory", f"{size(self.memory_bytes)} a process = {self.threads} × {size(per_thread)} + {rest}"),
            ("memory in all", size(self.processes * self.memory_bytes)),
            ("memory limit", "none" if self.memory_limit is None else f"{size(self.memory_limit)} a process"),
        ]
        return "\n".join(f"{name:<16}{text}" for name, text in rows)

    def as_json(self) -> dict[str, Any]:
        """Every figure, and the memory of all processes together."""
        return {
            **asdict(self),
            "memory_total_bytes": self.processes * self.memory_bytes,
            "resident_share": self.resident_share,
        }


def make_plan(dataset: Dataset, resources: Resources, need: Need, *, resident: str | int = 0) -> Plan:
    """The cost of passes over a dataset on these resources; resident: bytes a process, or "auto"."""
    outputs, hessian_bytes = need.outputs, need.hessian_bytes
    dtype = np.dtype(np.float64 if need.precision == "double" else np.float32)
    n = dataset.shape[1]
    blocks = workspace_bytes(dataset, outputs, dtype, hessian=hessian_bytes > 0, compiled=bool(need.compiler))
    workspace = max(blocks, need.block_bytes) + need.bytes_per_row * dataset.chunk_rows
    stored = dataset.non_zeros
    depth = dataset.n_chunks.bit_length() + 1
    threads = min(resources.threads, dataset.n_chunks)
    held = threads * depth + (resources.tasks if resources.waiting_sums is None else resources.waiting_sums)
    partials = 8 * (n + 1) * outputs * need.folds * (4 * held + DRIVER_VECTORS) + hessian_bytes * (
        held + DRIVER_HESSIANS
    )
    # What lies in this process's memory is sent to workers, and stands there twice while it arrives.
    sent = 0 if resources.shares_memory else 2 * dataset.memory_bytes + row_index_bytes(dataset)
    base = resources.base_bytes + need.held_bytes + sent
    limit, rest = resources.memory_limit, threads * workspace + partials + base
    footprint = footprint_within(dataset, None if limit is None else (limit - rest) // threads)
    plan = Plan(
        rows=dataset.shape[0],
        features=n,
        chunks=dataset.n_chunks,
        chunk_rows=dataset.chunk_rows,
        kind=resources.kind,
        processes=resources.processes,
        threads=threads,
        tasks_per_pass=resources.tasks,
        bytes_per_pass=footprint.per_pass,
        bytes_exact=footprint.exact,
        encoded_bytes=footprint.encoded,
        decoded_bytes=footprint.decoded,
        workspace_bytes=workspace,
        partial_bytes=partials,
        base_bytes=base,
        memory_bytes=threads * (footprint.encoded + footprint.decoded) + rest,
        memory_limit=limit,
        read_path=footprint.path,
        ahead=footprint.ahead,
        larger_bytes=footprint.larger,
        non_zeros=None if stored is None else stored.count,
        non_zeros_exact=stored is None or stored.exact,
        density=None if stored is None else stored.density(dataset.shape),
        kinds="" if dataset.kinds is None else str(dataset.kinds),
        compiler=need.compiler,
    )
    rereads = need.passes > FEW or (need.passes > 1 and not isinstance(resident, str))
    if not rereads or (need.in_order and not resources.shares_memory):
        return plan
    return plan.with_resident(resident, chunk_bytes(dataset), free_bytes=resources.free_bytes)
