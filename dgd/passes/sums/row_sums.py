"""The sums of a pass: parts, each a function of a block, summed over the blocks of a chunk.

    RowSums(loss, intercept, coef, (LossAndGradient(), ColumnMoments()))(chunk, buffers)
        → Sums(weight=Σw, parts=(…, …))

One read of X serves all parts. A new sum is one more part; nothing else changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from dgd._typing import Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.losses import Loss
from dgd.passes.sums.bad_rows import check_finite, check_targets
from dgd.passes.sums.blocks import Block, Blocks


class Part(Protocol):
    """One sum over rows."""

    def __call__(self, block: Block, loss: Loss) -> Any:
        """The sum over a block's rows: anything that can be added."""
        ...

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

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.weight + other.weight, tuple(a + b for a, b in zip(self.parts, other.parts, strict=True))
        )


@dataclass(frozen=True)
class RowSums:
    """The sum of a chunk at one θ.

    intercept: b₀, a number or one for each output; coef: b, (n,) or (n, q).
    """

    loss: Loss
    intercept: float | Vector
    coef: Vector
    parts: tuple[Part, ...]
    precision: str = "double"

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Sums:
        dtype = np.dtype(np.float64 if self.precision == "double" else np.float32)
        totals: list[Any] = []
        with np.errstate(over="ignore", invalid="ignore"):
            blocks = Blocks(chunk, self.coef, self.intercept, buffers, encode=self.loss.encode, dtype=dtype)
            for block in blocks:
                sums = [part(block, self.loss) for part in self.parts]
                totals = [a + b for a, b in zip(totals, sums, strict=True)] if totals else sums
            totals = [part.of_chunk(total) for part, total in zip(self.parts, totals, strict=True)]
            weight = blocks.weight_sum
        finite = all(part.finite(total) for part, total in zip(self.parts, totals, strict=True))
        if not (finite and math.isfinite(weight)):
            check_finite(chunk)
            check_targets(chunk, self.loss)
        return Sums(weight, tuple(totals))
