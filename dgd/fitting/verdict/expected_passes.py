"""How many passes a fit is expected to make, told by how the gradient norm has fallen so far.

With gₖ the least gradient norm of the first k passes (of a hundred at most, the last), T the one that ends the fit and
rₖ = log(gₖ₋₁/gₖ):

    Newton       r doubles with each whole step (quadratic convergence), stays as it is after a shortened one
    otherwise    r stays what it was in the mean of the last passes (linear convergence)

and the passes to come are the fewest whose falls add up to log(gₖ/T). Nothing is said where the last passes do not fall
alike, nor of mini-batches, whose noise has no rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

from dgd.fitting.record import Record
from dgd.fitting.verdict.stopping import Stopping
from dgd.solvers.base import Solver
from dgd.solvers.newton import Newton

LEAST = 6
"""Falls that a linear rate is taken from at least."""
ALIKE = 2.0
"""The rate of the older half of the last passes is at most so many times that of the newer one, or the reverse."""
LATEST = 100
"""Passes that are looked at, so that what is expected costs the same after each pass, however many there were."""
MOST = 10_000


def expected_passes(
    solver: Solver, history: Sequence[Record], threshold: float, stopping: Stopping, *, ends: bool
) -> int | None:
    """The passes of the whole fit, the last of `history` included; None where it cannot be told.

    ends: whether that one was the last. No less than are made and, unless it was, one more; never above `max_iter`.
    """
    made = len(history)
    if ends:
        return made
    further = None if solver.is_stochastic or threshold <= 0 else _further(solver, history, threshold)
    return None if further is None else min(made + further, max(stopping.max_iter, made + 1))


def _further(solver: Solver, history: Sequence[Record], threshold: float) -> int | None:
    norms = (record.grad_norm for record in history[-LATEST:])
    least = list(accumulate((norm for norm in norms if math.isfinite(norm) and norm > 0), min))
    if not least:
        return None
    rest = math.log(least[-1] / threshold)
    if rest <= 0:
        return 1
    falls = [math.log(before / after) for before, after in pairwise(least)]
    if isinstance(solver, Newton):
        return _quadratic(rest, falls, history)
    return _linear(rest, falls)


def _quadratic(rest: float, falls: Sequence[float], history: Sequence[Record]) -> int | None:
    if not falls or falls[-1] <= 0:
        return None
    fall, passes = falls[-1], 0
    growth = 2.0 if history[-1].learning_rate == 1.0 else 1.0
    while rest > 0 and passes < MOST:
        fall *= growth
        rest -= fall
        passes += 1
    return passes if passes < MOST else None


def _linear(rest: float, falls: Sequence[float]) -> int | None:
    last = falls[-max(LEAST, len(falls) // 2) :]
    if len(last) < LEAST:
        return None
    half = len(last) // 2
    older, newer = sum(last[:half]) / half, sum(last[half:]) / (len(last) - half)
    if not (newer > 0 and older > 0 and 1 / ALIKE <= older / newer <= ALIKE):
        return None
    passes = math.ceil(rest / (sum(last) / len(last)))
    return passes if passes < MOST else None
