"""Blocks of rows whose sums compiled code has made.

It reads numbers of 1, 2 and 4 bytes and float64 as they are stored, once they are in C order and native byte order;
others are converted block by block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.losses import Loss, Softmax
from dgd.passes.sums.blocks import Block, Blocks, Summed, as_block
from dgd.passes.sums.columns import Columns
from dgd.passes.sums.compiled.compiler import called, compiled, compiler
from dgd.passes.sums.compiled.kinds import KINDS

FEW_CLASSES, LEAST_COLUMNS, MOST_BYTES = 16, 32, 2**20
"""Classes up to which, columns from which on and coefficients up to which the loop multiplies them: with others BLAS is
quicker."""
READ_AS_STORED = {np.dtype(name) for name in ("f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Sums that parts take of a block."""

    gradient: bool = False
    gram: bool = False
    """Products of columns, where columns are few."""
    moments: bool = False
    """Σ wx and Σ wx²."""
    targets: bool = False
    """Σ wy, Σ wy² and Σ r²."""
    alone: bool = False
    """Whether nothing else is wanted: raw predictions and derivatives are then left out."""

    @property
    def is_simple(self) -> bool:
        """Whether that is all, or less than, loss and gradient."""
        return self.alone and not (self.gram or self.moments or self.targets)


def summed_blocks(blocks: Blocks, loss: Loss, wanted: Wanted) -> Iterable[Block]:
    """The blocks, with what a loop makes of them where there is one and this process has a compiler for it."""
    if blocks.y is None or not compiler():
        return blocks
    if blocks.coef.ndim == 1 and type(loss) in KINDS and isinstance(blocks.X, np.ndarray):
        return _summed(blocks, loss, wanted)
    if type(loss) is not Softmax:
        return blocks
    few = wanted.is_simple and _are_few(blocks)
    return _summed_classes(blocks, loss, wanted) if few else _with_classes(blocks, loss)


def _summed(blocks: Blocks, loss: Loss, wanted: Wanted) -> Iterator[Block]:
    code, coef, dtype, buffers = compiled("kernel"), blocks.coef, blocks.dtype, blocks.buffers
    n, none = len(coef), coef[:0]
    p = n + 1 if wanted.gram and n <= code.NARROW else 0
    alone = wanted.alone and (p > 0 or not wanted.gram)
    y, weight, offset = (_to_read(none if each is None else each) for each in (blocks.y, blocks.weight, blocks.offset))
    problem = KINDS[type(loss)], float(getattr(loss, "delta", 0.0)), _to_read(coef), dtype.type(blocks.intercept)
    memory = buffers.take("memory of the loop", (code.numbers_needed(n),), dtype)
    bits = memory[: code.MOST_ROWS].view(f"i{dtype.itemsize}")
    parts = blocks.parts(compiled=p > 0 or not blocks.hessian)
    of_rows = buffers.take("of rows", (0 if alone else 3 * max(part.stop - part.start for part in parts),), dtype)
    shapes: tuple[Any, ...] = (n + 1) * wanted.gradient, (p, p), (2, n * wanted.moments), 3 * wanted.targets
    for part in parts:
        X = _to_read(_readable(blocks.X[part], blocks))
        of_block = of_rows[: 0 if alone else 3 * len(X)].reshape(3, -1)
        sums = tuple(np.zeros(shape) for shape in shapes)
        of_part = X, y[part], weight[part], offset[part]
        value = called("kernel", "sum_rows", *problem, *of_part, of_block, *sums, memory, bits)
        block = blocks.block(part, cast(Columns, WhenAsked(blocks, part)), of_block[0])
        if not alone:
            block.leave("derivative", loss, of_block[1])
            block.leave("second", loss, of_block[2])
        block.leave("sums", loss, Summed(float(value), *(each if each.size else None for each in sums)))
        yield block


def _are_few(blocks: Blocks) -> bool:
    """Whether the loop multiplies dense rows with the coefficients of each class in less time than BLAS."""
    n, classes = blocks.coef.shape
    some = classes <= FEW_CLASSES and n >= LEAST_COLUMNS and blocks.coef.nbytes <= MOST_BYTES
    return some and isinstance(blocks.X, np.ndarray) and blocks.offset is None


def _summed_classes(blocks: Blocks, loss: Loss, wanted: Wanted) -> Iterator[Block]:
    """Each block with the sums over its rows, and nothing else."""
    code, dtype, buffers, (n, classes) = compiled("few_classes"), blocks.dtype, blocks.buffers, blocks.coef.shape
    coef, intercept = _to_read(blocks.coef.T), _to_read(np.broadcast_to(blocks.intercept, classes))
    assert blocks.y is not None
    y, weight = _to_read(blocks.y), _to_read(intercept[:0] if blocks.weight is None else blocks.weight)
    numbers, exponentials = code.numbers_needed(classes, n)
    memory = buffers.take("memory of the loop", (numbers,), dtype)
    power = buffers.take("powers", (exponentials,), dtype)
    bits = power.view(f"i{dtype.itemsize}")
    for part in blocks.parts(compiled=True):
        X, sums = _to_read(_readable(blocks.X[part], blocks)), np.zeros((classes * wanted.gradient, n + 1))
        value = called(
            "few_classes", "sum_few_classes", coef, intercept, X, y[part], weight[part], sums, memory, power, bits
        )
        block = blocks.block(part, cast(Columns, WhenAsked(blocks, part)), memory[:0].reshape(0, classes))
        block.leave("sums", loss, Summed(float(value), sums.T if wanted.gradient else None))
        yield block


def _with_classes(blocks: Blocks, loss: Loss) -> Iterator[Block]:
    """Each block with value and derivatives of its rows, and their sums."""
    code, dtype, classes, buffers = compiled("classes"), blocks.dtype, blocks.coef.shape[1], blocks.buffers
    by_row = classes >= code.BY_ROW
    tile, exponentials = code.numbers_needed(classes)
    memory, power = buffers.take("memory of the loop", (tile,), dtype), buffers.take("powers", (exponentials,), dtype)
    bits = power.view(f"i{dtype.itemsize}")
    for block in blocks:
        shape = block.raw.shape if by_row else block.raw.shape[::-1]
        derivative, sums = buffers.take("derivative", shape, dtype), np.zeros(classes)
        y, weight = _to_read(block.y), _to_read(block.raw[:0, 0] if block.weight is None else block.weight)
        value = called("classes", "softmax_rows", block.raw, y, weight, derivative, sums, memory, power, bits)
        block.leave("rows", loss, (float(value), derivative if by_row else derivative.T, sums))
        yield block


class WhenAsked:
    """The columns of a block, converted when somebody asks for more than their shape."""

    def __init__(self, blocks: Blocks, part: slice) -> None:
        self.shape, self.dtype = (part.stop - part.start, len(blocks.coef)), blocks.dtype
        self._make: Any = lambda: blocks.columns(part)
        self._found: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._found is None:
            self._found = self._make()
        return getattr(self._found, name)


def _readable(X: Any, blocks: Blocks) -> Array:
    """Rows as the loop reads them: a dtype and its code decide bits, and not how the rows lie."""
    native = X.dtype.newbyteorder("=")
    if native == np.float16 and blocks.centre is None:
        return _single(as_block(X, native, blocks.buffers), blocks.buffers)
    if native not in READ_AS_STORED or blocks.centre is not None:
        return as_block(X, blocks.dtype, blocks.buffers, blocks.centre)
    return as_block(X, native, blocks.buffers)


def _single(halves: Array, buffers: Buffers) -> Array:
    """float16 as float32."""
    found = buffers.take("single", halves.shape, np.float32)
    numbers = found.reshape(-1)
    called("halves", "to_single", _to_read(halves.reshape(-1).view(np.int16)), numbers.view(np.int32), numbers)
    return found


def _to_read(array: Array) -> Array:
    """In C order, and a view that cannot be written to: numba makes other code for arrays that can."""
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        array = np.require(array, requirements=["C", "ALIGNED"])
    found = array.view()
    found.setflags(write=False)
    return found
