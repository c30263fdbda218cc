"""What passes find out about a problem: a value that goes from one pass to the next."""

from __future__ import annotations

from dataclasses import dataclass

from dgd._typing import Matrix, Vector
from dgd.data.centre import Centre
from dgd.data.sampled_rows import SampledRows
from dgd.data.times import NO_TIMES, Times
from dgd.data.transforms.missing import LeftOut
from dgd.fitting.coordinates import Coordinates
from dgd.passes.sums.moments import TargetSums
from dgd.passes.sums.row_sums import Sums
from dgd.solvers.base import Evaluation


@dataclass(frozen=True)
class Known:
    """What the passes so far have found out about a problem."""

    coordinates: Coordinates
    """The solver's: the user's own, or standardised by the first pass."""
    passes: int = 0
    targets: TargetSums | None = None
    hessian: Matrix | None = None
    """That of a quadratic loss, which is summed only once; else the last one."""
    factor: Matrix | None = None
    """R with RᵀR that Hessian, the intercept's row first, where columns were factored and not multiplied."""
    centre: Centre | None = None
    """What is subtracted from columns and targets before they are summed."""
    size: Vector | None = None
    """The root mean square of each column, less its centre."""
    yardstick: Coordinates | None = None
    """Those in which gradients are measured, where the solver's are others: the standardised ones."""
    null_norm: float = 0.0
    """The norm of the gradient at the best constant prediction (with l1 or bounds of the least subgradient), measured
    so, without the entry of the constant itself: what there is to explain, wherever a fit starts.
    """
    noise: Vector | None = None
    """What rounding makes of the sums of a gradient, by each coefficient in the user's units; None if not known."""
    products_rounding: float = 0.0
    """What rounding makes of an entry of the Hessian in standardised columns, where that is of centred products."""
    rounding: float = 0.0
    """A gradient's norm that may be rounding alone."""
    left_out: LeftOut | None = None
    """Rows with a missing cell, which count for nothing."""
    chunks_filled: int = 0
    """Stored chunks that are not there and were taken as their fill value."""


@dataclass(frozen=True)
class Validated:
    """The objective on the validation rows, None without such rows, and what it cost to read them once more."""

    loss: float | None = None
    bytes_read: int = 0
    times: Times = NO_TIMES


@dataclass(frozen=True)
class Pass:
    """One evaluation, what is known after it, and what it cost."""

    evaluation: Evaluation
    known: Known
    bytes_read: int = 0
    resident: int = 0
    """Chunks that were in memory."""
    validation_sum: Sums | None = None
    """Of the rows held out, where the pass read them at the same point."""
    sample: SampledRows | None = None
    """The rows that the pass copied aside."""
    times: Times = NO_TIMES
    """Where the threads of the pass spent their time."""
