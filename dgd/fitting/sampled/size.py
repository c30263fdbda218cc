"""Whether a fit copies a sample of the rows aside in its first pass, and of how many rows.

F at the minimum over s rows is above the least by about p/2s, whatever the condition of the columns. Newton's steps on
the sample, made between two passes, cost as much as about five passes with a Hessian over s rows. That must be a small
part of the passes that are saved:

    p ≤ 64          one pass with a Hessian of six    a 16th of the rows
    p ≤ 300         all Hessians but one              an 8th, up to 500; where that is needed for 100, a 5th
    p ≤ 1000        three gradients of ten            a 32nd, up to 100

and no more than `ROOM`. Small data are read from memory sooner than a sample is fitted. Where the rows of a rare class
would be too few the sample's minimum would say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd.data.dataset import Dataset
from dgd.data.sampled_rows import Sampling
from dgd.errors.words import size
from dgd.fitting.null_model import NullModel
from dgd.fitting.problem import Method
from dgd.solvers import Newton, QuasiNewton, Solver

LEAST_NUMBERS = 2**22
"""Rows times parameters below which a pass takes no longer than a few steps on the driver."""
ROOM = 2**26
"""Bytes of the sample, at most, beyond those of the rows that are needed."""
INFORMATION = 8.0
"""Rows of the rarer class, or counts, that the sample must have for each parameter."""
NEWTON_AGAIN = 64
"""Parameters up to which every pass from the sampled start sums a Hessian, as before."""
NEWTON, QUASI_NEWTON = 300, 1000
"""Those up to which a sample has enough rows for each of them."""


@dataclass(frozen=True, slots=True)
class SampleSize:
    """A sample that a fit will take."""

    sampling: Sampling
    rows: int
    nbytes: int
    then: Solver | None
    """The method that goes on from its minimum; None: the one that was chosen."""
    first_hessian: bool = False
    """Whether the first pass sums a Hessian all the same: a fit that turns back from the sample has lost nothing."""
    metric: int = 0
    """The rows of the matrix that is made of it, in the place of a start; 0 for a start."""

    def is_enough(self, method: Method, null: NullModel | None, dataset: Dataset) -> bool:
        """Whether its rows are expected to tell enough of each parameter, by the information Σh at the best constant.

        Of a class that is rare, as of counts that are nearly all 0, a row tells little.
        """
        loss, wanted = method.loss, INFORMATION * method.n_parameters
        if self.metric or null is None or not loss.is_likelihood or dataset.offset is not None:
            return True
        raw = np.atleast_1d(np.asarray(null.constant, np.float64))
        if loss.shift_is_free:
            shares = loss.response(raw[None, :])[0]
            return bool(self.rows * (shares * (1 - shares)).min() * len(raw) >= wanted)
        information = loss.second_derivative(raw, loss.response(raw)) * loss.gradient_scale
        return bool(self.rows * information.min() >= wanted)

    def __str__(self) -> str:
        return (
            f"a sample of {self.rows:,} rows, one of every {self.sampling.every}, {size(self.nbytes)}, is copied aside "
            f"in the first pass{', for a metric' if self.metric else ', unless a class is too rare'}"
        )


def sample_size(method: Method, dataset: Dataset) -> SampleSize | None:
    """The sample of a fit from the best constant; None where none would pay, or its minimum says nothing."""
    loss, rows, p = method.loss, dataset.shape[0], method.n_parameters
    if method.by_the_book or not isinstance(method.solver, (Newton, QuasiNewton)):
        return None
    if loss.quadratic or loss.curvature_vanishes or not loss.convex or p > QUASI_NEWTON:
        return None
    if rows * p < LEAST_NUMBERS:
        return None
    wanted, least = _rows_wanted(rows, p, dataset.row_bytes)
    if wanted < least * p:
        return None
    sampling = Sampling(max(2, -(-rows // wanted)))
    count = sampling.count(rows)
    turns = method.choice.automatic and p > NEWTON_AGAIN and method.penalty.is_smooth
    then = QuasiNewton() if turns and isinstance(method.solver, Newton) else None
    each_pass = then is None and isinstance(method.solver, Newton)
    return SampleSize(sampling, count, count * dataset.row_bytes, then, first_hessian=each_pass)


def _rows_wanted(rows: int, p: int, row_bytes: int) -> tuple[int, int]:
    """The rows of the sample, and those that it must have for each parameter."""
    if p > NEWTON:
        return min(rows // 32, 100 * p, max(2 * ROOM // row_bytes, 20 * p)), 20
    if p > NEWTON_AGAIN:
        wanted = max(min(rows // 8, max(500 * p, rows // 256)), min(rows // 5, 100 * p))
        return min(wanted, max(ROOM // row_bytes, 50 * p)), 50
    return min(rows // 16, max(ROOM // row_bytes, 100 * p)), 100
