"""The sums of a pass: parts, each a function of a block, summed over the blocks of a chunk.

    RowSums(loss, intercept, coef, (LossAndGradient(), ColumnMoments()))(chunk, buffers)
        → Sums(weight=Σw, parts=(…, …))

One read of X serves all parts. A new sum is one more part; nothing else changes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from operator import add
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from dgd._typing import Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled
from dgd.data.dataset import Chunk
from dgd.data.sampled_rows import SampledRows, Sampling
from dgd.losses import Loss
from dgd.passes.sums.bad_rows import check_finite, check_targets
from dgd.passes.sums.blocks import Block, Blocks
from dgd.passes.sums.compiled.rows import Wanted, summed_blocks
from dgd.passes.tree import absorbed


class OfColumns(ABC):
    """A sum in which the columns stand."""

    __slots__ = ()

    @abstractmethod
    def moved(self, step: Vector) -> Self:
        """The sum with `step` added to the columns."""


class Part(Protocol):
    """One sum over rows."""

    hessian: ClassVar[bool] = False
    """Whether it is as large as a Hessian, for which blocks have more rows."""

    second: ClassVar[bool] = False
    """Whether it takes the loss's second derivatives."""

    moments: ClassVar[bool] = False
    """Whether it takes those of the columns."""

    gradient: ClassVar[bool] = False
    """Whether it takes the loss's gradient."""

    @property
    def targets(self) -> bool:
        """Whether it takes the moments of the targets, or Σ r²."""
        return False

    @property
    def of_sums(self) -> bool:
        """Whether it does without raw prediction and derivatives, where sums were made with them."""
        return False

    def __call__(self, block: Block, loss: Loss) -> Any:
        """The sum over a block's rows: anything that can be added."""
        ...

    def more(self, total: Any, block: Block, loss: Loss) -> Any:
        """The sum over the rows of `total` and of a block more; `total` is not used again."""
        return total + self(block, loss)

    def of_chunk(self, total: Any) -> Any:
        """The sum over a chunk, in float64, from that of its blocks."""
        return total

    def finite(self, total: Any) -> bool:
        """Whether the sum over a chunk is finite; if not, the bad row is looked for."""
        return True


@dataclass(frozen=True, slots=True)
class Sums:
    """Σw of some rows, and the sum of each part in the order of the parts."""

    weight: float
    parts: tuple[Any, ...]
    about: Vector | None = None
    """What was subtracted from the columns, where each chunk found that for itself; None for 0."""
    sample: SampledRows | None = None
    """The rows that were copied aside."""

    def __add__(self, other: Self) -> Self:
        return self._with(other, add)

    def absorb(self, other: Self) -> Self:
        """The same sums in the memory of these, which are not used again."""
        return self._with(other, absorbed)

    def _with(self, other: Self, add_parts: Callable[[Any, Any], Any]) -> Self:
        with np.errstate(over="ignore", invalid="ignore"):
            if self.about is not None or other.about is not None:
                other = other.moved_to(self.about)
            parts = tuple(add_parts(a, b) for a, b in zip(self.parts, other.parts, strict=True))
        sample = other.sample if self.sample is None else self.sample
        if self.sample is not None and other.sample is not None:
            sample = self.sample + other.sample
        return type(self)(self.weight + other.weight, parts, self.about, sample)

    def moved_to(self, about: Vector | None) -> Self:
        """The sums if that had been subtracted from the columns: of x − c, from those of x − a, with a − c."""
        step = np.subtract(0.0 if self.about is None else self.about, 0.0 if about is None else about)
        if not step.any():
            return replace(self, about=about)
        parts = tuple(part.moved(step) if isinstance(part, OfColumns) else part for part in self.parts)
        return replace(self, parts=parts, about=about)


@dataclass(frozen=True)
class RowSums:
    """The sum of a chunk at one θ.

    intercept: b₀, a number or one for each output; coef: b, (n,) or (n, q); centre: what is subtracted from columns and
    targets, if anything is.
    """

    loss: Loss
    intercept: float | Vector
    coef: Vector
    parts: tuple[Part, ...]
    precision: str = "double"
    centre: Centre | None = None
    own: bool = False
    """Whether each chunk finds the centre of its columns for itself; θ is then that of X as it is."""
    sampling: Sampling | None = None
    """Which rows are copied aside, if any are."""
    compiled: bool = False
    """Whether compiled code makes what parts take of it, in a process that has a compiler."""

    over_rows: ClassVar[bool] = True
    """A large chunk may be summed in parts."""

    @cached_property
    def hessian(self) -> bool:
        """Whether a sum as large as a Hessian is among them."""
        return any(part.hessian for part in self.parts)

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Sums:
        dtype = np.dtype(np.float64 if self.precision == "double" else np.float32)
        totals: list[Any] = []
        centre, intercept = self.centre, self.intercept
        with np.errstate(over="ignore", invalid="ignore"):
            if self.own and (columns := sampled(chunk.X)) is not None:
                centre = Centre(columns, 0.0 if centre is None else centre.level)
                intercept = intercept + columns @ self.coef
            blocks = Blocks(
                chunk,
                self.coef,
                intercept,
                buffers,
                encode=self.loss.encode,
                dtype=dtype,
                centre=centre,
                hessian=self.hessian,
                second=any(part.second for part in self.parts) and not self.loss.quadratic,
            )
            for block in self._summed(blocks) if self.compiled else blocks:
                if totals:
                    parts = zip(self.parts, totals, strict=True)
                    totals = [part.more(total, block, self.loss) for part, total in parts]
                else:
                    totals = [part(block, self.loss) for part in self.parts]
            totals = [part.of_chunk(total) for part, total in zip(self.parts, totals, strict=True)]
            weight = blocks.weight_sum
        finite = all(part.finite(total) for part, total in zip(self.parts, totals, strict=True))
        if not (finite and math.isfinite(weight)):
            check_finite(chunk)
            check_targets(chunk, self.loss)
        sample = None if self.sampling is None else SampledRows((self.sampling.of(chunk),))
        return Sums(weight, tuple(totals), centre.columns if self.own and centre is not None else None, sample)

    def _summed(self, blocks: Blocks) -> Iterable[Block]:
        wanted = Wanted(
            gradient=any(part.gradient for part in self.parts),
            gram=any(part.hessian and part.second for part in self.parts),
            moments=any(part.moments for part in self.parts),
            targets=any(part.targets for part in self.parts),
            alone=all(part.of_sums for part in self.parts),
        )
        return summed_blocks(blocks, self.loss, wanted)
