"""What a fit will cost, read before it is paid for: bytes per pass, tasks, memory. It refuses what cannot fit.

memory of a process = threads × (encoded + decoded + workspace) + partials + base

encoded    the stored bytes of the largest chunk being read     workspace  micro-blocks in the arithmetic's dtype
decoded    its decoded form, with y and weights                 partials   sums of n + 1 numbers held at once
base       what the process holds before it reads anything
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dgd.dataset import Dataset
from dgd.errors import PlanError
from dgd.executor import Resources
from dgd.kernels import block_rows

DRIVER_VECTORS = 12
"""Points, gradients and coordinates that the loop and its solver hold."""
DRIVER_HESSIANS = 6
"""The reduced Hessian, its form in the solver's coordinates, and what factoring it takes."""
BLOCKS = 3
"""Micro-blocks alive at once: the converted one, its centred copy in the first pass, and row vectors."""


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

    def check(self) -> None:
        """Raise PlanError, with both numbers and what to change, if a process cannot hold its part."""
        limit = self.memory_limit
        if limit is None or self.memory_bytes <= limit:
            return
        per_thread = self.encoded_bytes + self.decoded_bytes + self.workspace_bytes
        room = limit - self.base_bytes - self.partial_bytes
        if room >= per_thread:
            way_out = f"use {room // per_thread} of {self.threads} threads, or raise the limit"
        else:
            rows = max(0, int(self.chunk_rows * room / per_thread))
            smaller = f"rewrite X in chunks of at most {rows:,} rows, or " if rows else ""
            way_out = f"{smaller}raise the limit"
        raise PlanError(
            f"the fit needs {size(self.memory_bytes)} in each process and {size(limit)} is allowed: "
            f"{self.threads} threads × {size(per_thread)} (chunks of {self.chunk_rows:,} × {self.features:,}) "
            f"+ {size(self.partial_bytes + self.base_bytes)}; {way_out}",
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
            f"{self.rows:,} rows × {self.features:,} features in {counted(self.chunks, 'chunk')}; "
            f"a pass reads {about}{size(self.bytes_per_pass)} in {counted(self.tasks_per_pass, 'task')} {where} "
            f"({counted(self.threads, 'thread')}); peak memory {size(self.memory_bytes)}{limit}"
        )

    def table(self) -> str:
        """The plan line by line."""
        about = "" if self.bytes_exact else "about "
        per_thread = self.encoded_bytes + self.decoded_bytes + self.workspace_bytes
        rows = [
            ("data", f"{self.rows:,} rows × {self.features:,} features in {counted(self.chunks, 'chunk')}"),
            ("bytes per pass", f"{about}{size(self.bytes_per_pass)}"),
            ("tasks per pass", f"{self.tasks_per_pass}"),
            ("processes", f"{self.processes} ({self.kind}), {counted(self.threads, 'thread')} each at most"),
            ("encoded chunk", f"{size(self.encoded_bytes)} a thread"),
            ("decoded chunk", f"{size(self.decoded_bytes)} a thread"),
            ("workspace", f"{size(self.workspace_bytes)} a thread"),
            ("partial sums", size(self.partial_bytes)),
            ("base", f"{size(self.base_bytes)} before anything is read"),
            (
                "memory",
                f"{size(self.memory_bytes)} a process = {self.threads} × {size(per_thread)} + "
                f"{size(self.partial_bytes)} + {size(self.base_bytes)}",
            ),
            ("memory in all", size(self.processes * self.memory_bytes)),
            ("memory limit", "none" if self.memory_limit is None else f"{size(self.memory_limit)} a process"),
        ]
        return "\n".join(f"{name:<16}{text}" for name, text in rows)

    def as_json(self) -> dict[str, Any]:
        """Every figure, and the memory of all processes together."""
        return {**asdict(self), "memory_total_bytes": self.processes * self.memory_bytes}


def make_plan(
    dataset: Dataset,
    resources: Resources,
    *,
    precision: str = "double",
    outputs: int = 1,
    hessian_bytes: int = 0,
    bytes_per_row: int = 0,
    held_bytes: int = 0,
) -> Plan:
    """The cost of a pass over a dataset on these resources.

    outputs: columns of the target, or classes; hessian_bytes: of one Hessian's sums, where they are summed;
    bytes_per_row: what a thread holds for each row of a chunk besides reading it, such as predictions being written;
    held_bytes: what the process holds for the whole pass, such as predictions for every row.
    """
    dtype = np.dtype(np.float64 if precision == "double" else np.float32)
    n = dataset.shape[1]
    footprint = dataset.footprint
    rows = min(block_rows(n, dtype, outputs=outputs), dataset.chunk_rows)
    blocks = BLOCKS + 2 * (hessian_bytes > 0)
    workspace = blocks * 8 * rows * (n + 4 * outputs) + bytes_per_row * dataset.chunk_rows
    depth = dataset.n_chunks.bit_length() + 1
    threads = min(resources.threads, dataset.n_chunks)
    held = threads * depth + resources.tasks
    partials = 8 * (n + 1) * outputs * (4 * held + DRIVER_VECTORS) + hessian_bytes * (held + DRIVER_HESSIANS)
    per_thread = footprint.encoded + footprint.decoded + workspace
    # What lies in this process's memory is sent to workers, and stands there twice while it arrives.
    sent = 2 * dataset.memory_bytes if resources.kind == "cluster" else 0
    base = resources.base_bytes + held_bytes + sent
    return Plan(
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
        memory_bytes=threads * per_thread + partials + base,
        memory_limit=resources.memory_limit,
    )


def size(n_bytes: float) -> str:
    """A number of bytes as a person reads it, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 100 else f"{n_bytes:.3g} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.3g} TiB" if n_bytes < 1000 else f"{n_bytes:,.0f} TiB"


def counted(number: int, noun: str) -> str:
    """`1 chunk`, `2 chunks`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
