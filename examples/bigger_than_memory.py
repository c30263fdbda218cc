"""Fit four times more data than this process may hold, and measure that it never held more than planned.

    python examples/bigger_than_memory.py

A dataset of 640 MiB is written chunk by chunk to the temporary folder ($TMPDIR), fitted under a cap of 160 MiB, and
removed. Two numbers are compared at the end: the memory that the plan announced before anything was read, and the
most that this process ever held, from its first line to its last.
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dgd
from dgd.errors import PlanError

MIB = 2**20
CAP = 160 * MIB
FEATURES = 32
CHUNK_ROWS = 8 * MIB // (FEATURES * 4)  # float32: a chunk of X is 8 MiB
CHUNKS = 4 * CAP // (8 * MIB)
THREADS = 2  # each holds a chunk: under a cap, threads are paid for in memory

INTERCEPT = 3.0
COEF = np.linspace(-1, 1, FEATURES, dtype=np.float32)
NOISE = 0.5


def claim(text: str, holds: bool) -> None:
    """Print a statement that holds; stop at one that does not."""
    if not holds:  # raised by hand: `python -O` drops assert statements
        raise AssertionError(f"this is not true: {text}")
    print(f"   ✓ {text}")


def mib(n_bytes: float) -> str:
    return f"{n_bytes / MIB:.1f} MiB"


def peak_memory() -> int:
    """The most bytes that this process has held at once, since it began.

    Linux tells in VmHWM. The portable `ru_maxrss` will not do there: it starts from what the parent process held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def rows(k: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Block k of the data, y = 3 + Xb + noise. Its own seed makes it the same whoever asks, in whatever order."""
    rng = np.random.default_rng([42, k])
    X = rng.standard_normal((CHUNK_ROWS, FEATURES), dtype=np.float32)
    noise = rng.standard_normal(CHUNK_ROWS, dtype=np.float32)
    return X, np.float32(INTERCEPT) + X @ COEF + np.float32(NOISE) * noise


def write(path: Path) -> None:
    print(f"1  Write {CHUNKS} blocks, one at a time: never more than one of them exists in memory")
    with dgd.DatasetWriter(path, chunk_rows=CHUNK_ROWS) as writer:
        for k in range(CHUNKS):
            writer.append(*rows(k))
    print(f"   {writer.rows:,} rows; peak memory until here {mib(peak_memory())}")


def plan(path: Path) -> None:
    print("\n2  Plan: what a fit will take, from the metadata alone")
    # memory_limit= is what one process may hold. The plan is held against it, and a fit makes the same check first.
    planned = dgd.plan(path, threads=THREADS, execution=dgd.Execution(memory_limit=CAP))
    planned.check()
    print("   " + planned.table().replace("\n", "\n   "))
    claim(f"the data are {planned.bytes_per_pass / CAP:.1f} × the cap", planned.bytes_per_pass >= 4 * CAP)
    try:
        dgd.plan(path, threads=THREADS, execution=dgd.Execution(memory_limit=CAP // 4)).check()
    except PlanError as error:
        print(f"   A quarter of the cap would be refused before a byte is read:\n   {error}")
    else:
        raise AssertionError("a plan that cannot fit was not refused")


def fit(path: Path) -> dgd.Result:
    print("\n3  Fit: every pass reads all the data, chunk after chunk into the same memory")
    result = dgd.fit(path, learning_rate="exact", threads=THREADS, execution=dgd.Execution(memory_limit=CAP))
    print(f"   {result.message}")
    print(f"   {result.n_iter_} passes in {result.seconds:.1f} s, {mib(result.history[-1].bytes_read)} read by each")
    # The truth is known, so the answer can be judged: an estimate strays by about NOISE/√m.
    truth = np.array([INTERCEPT, *COEF])
    stray = np.abs(result.theta - truth).max() * np.sqrt(CHUNKS * CHUNK_ROWS) / NOISE
    claim(f"θ is within {stray:.1f} standard errors of the truth", bool(result.converged and stray < 5))
    return result


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dgd-bigger-") as folder:
        path = Path(folder) / "train.zarr"
        write(path)
        plan(path)
        result = fit(path)
    planned, measured = result.plan.memory_bytes, peak_memory()
    print("\n4  Memory, planned and measured")
    print(f"   planned   {mib(planned)}\n   measured  {mib(measured)}, {measured / planned:.0%} of it")
    print(f"   cap       {mib(CAP)}")
    claim("measured ≤ planned + 10 %", measured <= 1.1 * planned)
    claim("measured ≤ cap", measured <= CAP)


if __name__ == "__main__":
    main()
