"""Which passes compiled code is worth loading for: a choice by the data and the loss, made once for a fit."""

from __future__ import annotations

import math

from dgd.data.dataset import Dataset
from dgd.losses import Loss, Softmax
from dgd.passes.sums.compiled.kinds import KINDS

FROM_BYTES = 2**29
"""Of X as it is stored. Loading numba takes half a second, which the passes over less do not save."""
COMPILER_BYTES = 256 * 2**20
"""What numba adds to a process, as measured, and LLVM while it makes the code."""


def is_worth_it(dataset: Dataset, loss: Loss) -> bool:
    """Whether passes over a dataset gain more than loading the compiler takes."""
    assert dataset.y is not None
    dense = dataset.non_zeros is None and dataset.kinds is None
    known = type(loss) is Softmax or (type(loss) in KINDS and loss.n_outputs(dataset.y.shape) is None)
    return dense and known and math.prod(dataset.shape) * dataset.dtype.itemsize >= FROM_BYTES
