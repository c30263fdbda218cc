"""Which passes sum loss and gradient by compiled code: a choice of the data and the loss, made once for a fit."""

from __future__ import annotations

import math

from dgd.data.dataset import Dataset
from dgd.losses import Loss, Softmax
from dgd.passes.sums.compiled.compiler import compiler
from dgd.passes.sums.compiled.kinds import KINDS

FROM_BYTES = 2**29
"""Of X as it is stored. Loading numba takes half a second, which the passes over less do not save."""
COMPILER_BYTES = 192 * 2**20
"""What numba adds to a process, as measured, and LLVM while it makes the code."""


def compiles(dataset: Dataset, loss: Loss) -> bool:
    """Whether later passes over a dataset are worth it; they are where this process has a compiler."""
    assert dataset.y is not None
    dense = dataset.non_zeros is None and dataset.kinds is None
    known = type(loss) is Softmax or (type(loss) in KINDS and loss.n_outputs(dataset.y.shape) is None)
    return dense and known and math.prod(dataset.shape) * dataset.dtype.itemsize >= FROM_BYTES and compiler() != ""
