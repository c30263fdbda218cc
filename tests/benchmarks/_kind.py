"""A kind of pass: a pass of dgd, and a loop written by hand of the same arithmetic on the same data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import dgd
from dgd.losses import Loss
from dgd.passes.sums.compiled import use
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.row_sums import Part, RowSums
from dgd.passes.threads import ThreadExecutor

from ._bare import THREADS

Array = NDArray[Any]
Pass = Callable[[], Any]


@dataclass(frozen=True)
class Machine:
    """What passes run on: dgd's threads, and as many for the bare loops."""

    executor: ThreadExecutor
    pool: ThreadPoolExecutor

    def each_part(self, rows: int, step: int, add: Callable[[Any, slice], None], start: Callable[[], Any]) -> list[Any]:
        """What each thread has after its parts: all take the next from one iterator until there is none."""
        parts = iter(range(0, rows, step))

        def work() -> Any:
            state = start()
            for first in parts:
                add(state, slice(first, min(first + step, rows)))
            return state

        return [future.result() for future in [self.pool.submit(work) for _ in range(THREADS)]]


@dataclass(frozen=True)
class Kind:
    """A line of the table."""

    case: str
    asked: float
    """The ratio, ours / bare."""
    make: Callable[[Machine], tuple[Pass, Pass]]
    """Ours and the bare one; makes the data."""
    note: str = ""


def our_pass(
    machine: Machine,
    X: Any,
    y: Any,
    loss: Loss,
    coef: Array,
    parts: Sequence[Part] = (),
    *,
    precision: str = "double",
    compiled: bool = False,
) -> Pass:
    """A pass of dgd that sums loss and gradient, and further parts, at coef: (n,) or (n, q)."""
    intercept = np.zeros(coef.shape[1:]) if coef.ndim == 2 else 0.0
    sums = RowSums(loss, intercept, coef.astype(np.float64), (LossAndGradient(), *parts), precision, compiled=compiled)
    return partial(machine.executor.sweep, dgd.open_dataset(X, y), sums)


@contextmanager
def compiled_or_not(compiled: bool) -> Iterator[None]:
    """Whether dgd's passes are summed by numba, whatever the size of the data."""
    with mock.patch.object(use, "FROM_BYTES", 1 if compiled else sys.maxsize):
        yield


def blocks(part: slice, step: int) -> Iterator[slice]:
    """A part, so many rows at a time."""
    for first in range(part.start, part.stop, step):
        yield slice(first, min(first + step, part.stop))
