"""Every kind of pass beside a bare loop of two threads: the same arithmetic on the same data, in memory.

Bare: blocks in cache, conversion included, the gradient (and the Hessian) alone; no loss, no check of any value, one
sum a thread. A bare pass follows each pass of dgd. `ratio` is the median over pairs of processor seconds of all
threads, ours / bare; `by the clock` the same of wall seconds, which another program on the machine can spoil.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from dgd.passes.threads import ThreadExecutor

from ._bare import THREADS
from ._elementwise_kinds import COMPILED_KINDS, ELEMENTWISE_KINDS
from ._kind import Kind, Machine, Pass
from ._matrix_kinds import COMPILED_CLASSES, MATRIX_KINDS

KINDS: tuple[Kind, ...] = (*MATRIX_KINDS, *ELEMENTWISE_KINDS, *COMPILED_CLASSES, *COMPILED_KINDS)
PAIRS, DROPPED = 9, 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"that count; {DROPPED} more is dropped")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="cases with one of these words in them")


def measure(*, pairs: int = PAIRS, only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The table."""
    chosen = [kind for kind in KINDS if not only or any(word in kind.case for word in only)]
    with (
        closing(ThreadExecutor(THREADS)) as executor,
        ThreadPoolExecutor(THREADS) as pool,
        threadpool_limits(1, "blas"),
    ):
        return list(_rows(Machine(executor, pool), chosen, pairs))


def _rows(machine: Machine, chosen: Sequence[Kind], pairs: int) -> Iterator[dict[str, Any]]:
    for kind in chosen:
        print(f"kinds: {kind.case}", file=sys.stderr, flush=True)
        yield _row(kind, machine, pairs)


def _row(kind: Kind, machine: Machine, pairs: int) -> dict[str, Any]:
    ours, bare = kind.make(machine)
    found = np.array([(_timed(ours), _timed(bare)) for _ in range(DROPPED + pairs)])[DROPPED:]
    ratio, by_clock = np.median(found[:, 0] / found[:, 1], axis=0)
    return {
        "case": kind.case,
        "dgd s": round(float(np.median(found[:, 0, 1])), 3),
        "bare s": round(float(np.median(found[:, 1, 1])), 3),
        "ratio": round(float(ratio), 2),
        "by the clock": round(float(by_clock), 2),
        "asked": kind.asked,
        "ok": bool(ratio <= kind.asked),
        "note": kind.note,
    }


def _timed(call: Pass) -> tuple[float, float]:
    """Seconds of the processor, of all threads, and by the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - clock
