"""The parts of rows of X: neighbouring columns of numbers are one array, each category has its codes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.design.coding import Product
from dgd.data.design.terms.base import Piece
from dgd.data.design.terms.categories import small
from dgd.data.design.terms.interaction import is_coded
from dgd.data.kinds import Kind, Kinds
from dgd.data.mixed import Coded


def kinds_of(products: Iterable[Product]) -> Kinds:
    """What kinds of columns products make, before any is made."""
    found: list[Kind] = []
    for factors in products:
        widths = [(is_coded(factor), len(factor.names(full=full))) for factor, full in factors]
        numbers = math.prod(width for coded, width in widths if not coded)
        codes = math.prod(width for coded, width in widths if coded)
        if not any(coded for coded, _ in widths):
            if found and not found[-1].coded:
                numbers += found.pop().columns
            found.append(Kind(numbers, 8 * numbers))
        elif codes:
            beside = 8 if len(factors) > sum(coded for coded, _ in widths) else 0
            found += numbers * [Kind(codes, small(codes).itemsize + beside, coded=True)]
    return Kinds(tuple(found))


def merged(pieces: Iterable[Piece], buffers: Buffers) -> list[Piece]:
    """The pieces with neighbouring columns of numbers as one array."""
    found: list[Piece] = []
    numbers: list[Array] = []
    for piece in [*pieces, None]:
        if isinstance(piece, np.ndarray):
            numbers.append(piece)
            continue
        if numbers:
            shape = len(numbers[0]), sum(each.shape[1] for each in numbers)
            block = buffers.take(f"numbers {len(found)}", shape, np.float64)
            found.append(np.concatenate(numbers, axis=1, out=block))
            numbers = []
        if isinstance(piece, Coded):
            found.append(piece)
    return found
