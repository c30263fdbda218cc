"""A question: what a pass is to sum at one θ. A fit asks it and is told the answer, by whoever makes the pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from dgd._typing import Vector
from dgd.data.sampled_rows import Sampling
from dgd.fitting.known import Known
from dgd.passes.sums.gram_sum import GramSum
from dgd.passes.sums.r_factor import RFactorSum
from dgd.passes.sums.row_sums import RowSums


@dataclass(frozen=True, eq=False)
class Question:
    """The sums that a pass is to make, and what their answer is read with."""

    sums: RowSums | GramSum | RFactorSum
    theta: Vector
    """Where, for columns less the centre that is known so far."""
    point: Vector | None
    """The same in the solver's coordinates; None where this pass finds them."""
    known: Known
    hessian: bool
    """Whether the evaluation is to bring ∇²f, summed by this pass or known."""

    def copying(self, sampling: Sampling | None) -> Self:
        """With a sample of the rows copied aside."""
        assert isinstance(self.sums, RowSums)
        return replace(self, sums=replace(self.sums, sampling=sampling))
