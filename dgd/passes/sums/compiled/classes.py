"""Loss and derivatives of a softmax's rows, from raw predictions that BLAS has made, as `dgd.losses` has them."""

from __future__ import annotations

import math

import numpy as np

from dgd.passes.sums.compiled.exponential import exp
from dgd.passes.sums.compiled.machine_code import called_from_python, exact, in_any_order

GROUP = 16
"""Rows whose logarithm is one: ∏ (1 + a) is kept as what it has above 1, to three roundings for each factor."""
BY_ROW = 32
"""So many classes lie side by side; of fewer the rows do."""
TILE_NUMBERS, LEAST_ROWS, MOST_ROWS = 2**12, 8, 64
"""Raw predictions that are dealt with together."""
OF_ROW = 4
"""Numbers that are made of each row."""


@called_from_python
def softmax_rows(raw, y, weight, derivative, of_classes, memory, power, bits):  # type: ignore[no-untyped-def]
    """Σ w·value; w (p − onehot(y)) becomes `derivative`, and is added to `of_classes`, (K,) in float64.

    y: the index of each row's class; weight: may be empty. derivative: (rows, K), of fewer classes than `BY_ROW` its
    transpose. memory, power: as many numbers as `numbers_needed` says; bits: those of `power` as integers.
    """
    rows, classes = raw.shape
    step, by_row = _rows_of_tile(classes), classes >= BY_ROW
    of_row, tile = memory[: OF_ROW * MOST_ROWS].reshape(OF_ROW, MOST_ROWS), memory[OF_ROW * MOST_ROWS :]
    factor = of_row[0]
    loss = 0.0
    for start in range(0, rows, step):
        count = min(step, rows - start)
        some, of_y, of_weight = raw[start : start + count], y[start : start + count], weight[start : start + count]
        if by_row:
            numbers = derivative[start : start + count].reshape(-1)
            _less_greatest_by_row(some, numbers.reshape(count, classes), power)
        else:
            numbers = tile[: classes * count]
            _transpose(some, numbers.reshape(classes, count))
            less_greatest(numbers.reshape(classes, count), factor)
        loss += softmax_tile(numbers, count, by_row, of_y, of_weight, of_row, power, bits)
        if by_row:
            for i in range(count):
                _scale_and_add(derivative[start + i], factor[i], of_classes)
        else:
            for k in range(classes):
                into = derivative[k, start : start + count]
                of_classes[k] += scaled(numbers[k * count : (k + 1) * count], factor, into)
    return loss


@exact
def softmax_tile(numbers, count, by_row, y, weight, of_row, power, bits):  # type: ignore[no-untyped-def]
    """Σ w·value of some rows, from predictions less the greatest of each row, in one dimension.

    They become what a row's factor, in of_row[0], makes w (p − onehot(y)).
    """
    kind, one, zero = numbers.dtype.type, numbers.dtype.type(1), numbers.dtype.type(0)
    factor, below, of_own, others = of_row[0], of_row[1], of_row[2], of_row[3]
    classes = len(numbers) // count
    for i in range(count):
        below[i] = numbers[_place(i, y[i], count, classes, by_row)]
    exp(numbers, count * classes, power, bits)
    for i in range(count):
        at = _place(i, y[i], count, classes, by_row)
        known = 0 <= y[i] < classes and y[i] == int(y[i])
        of_own[i] = numbers[at] if known else kind(np.nan)
        numbers[at] = zero
    if by_row:
        for i in range(count):
            others[i] = _sum(numbers[i * classes : (i + 1) * classes])
    else:
        _sum_rows(numbers.reshape(classes, count), others)
    loss = product = 0.0
    for i in range(count):
        above, w = np.float64(others[i] + (of_own[i] - one)), one
        if len(weight):
            w = weight[i]
            loss += w * (math.log1p(above) - below[i])
        else:
            loss -= below[i]
            product += above * (1 + product)
            if i % GROUP == GROUP - 1:
                loss += math.log1p(product)
                product = 0.0
        factor[i] = w / (others[i] + of_own[i])
        numbers[_place(i, y[i], count, classes, by_row)] = -others[i]
    return loss + math.log1p(product)


def numbers_needed(classes: int) -> tuple[int, int]:
    """Of the arithmetic's dtype, as memory for so many classes: of tile and rows, and of exponentials."""
    tile = classes * _rows_of_tile.py_func(classes)
    return OF_ROW * MOST_ROWS + tile * (classes < BY_ROW), tile


@exact
def _rows_of_tile(classes):  # type: ignore[no-untyped-def]
    return max(LEAST_ROWS, min(MOST_ROWS, TILE_NUMBERS // classes))


@exact
def _place(i, y, rows, classes, by_row):  # type: ignore[no-untyped-def]
    """Where a row's class is; that of the first class for what is none."""
    k = int(y) if 0 <= y < classes else 0
    return i * classes + k if by_row else k * rows + i


@exact
def _less_greatest_by_row(raw, out, memory):  # type: ignore[no-untyped-def]
    """Each row less its greatest number, which is found by halves."""
    classes = raw.shape[1]
    for i in range(len(raw)):
        row, into = raw[i], out[i]
        length = (classes + 1) // 2
        for k in range(length):
            other = row[classes - length + k]
            memory[k] = row[k] if row[k] > other else other
        while length > 1:
            half = (length + 1) // 2
            rest = memory[length - half : length]
            for k in range(half):
                memory[k] = memory[k] if memory[k] > rest[k] else rest[k]
            length = half
        greatest = memory[0]
        for k in range(classes):
            into[k] = row[k] - greatest


@exact
def _transpose(raw, out):  # type: ignore[no-untyped-def]
    for k in range(len(out)):
        into = out[k]
        for i in range(len(raw)):
            into[i] = raw[i, k]


@exact
def less_greatest(raw, greatest):  # type: ignore[no-untyped-def]
    """Raw predictions, a class in each row, less the greatest of each column."""
    classes, rows = raw.shape
    for k in range(classes):
        of_class = raw[k]
        for i in range(rows):
            greatest[i] = of_class[i] if k == 0 or of_class[i] > greatest[i] else greatest[i]
    for k in range(classes):
        of_class = raw[k]
        for i in range(rows):
            of_class[i] -= greatest[i]


@in_any_order
def _sum(numbers):  # type: ignore[no-untyped-def]
    total = numbers.dtype.type(0)
    for k in range(len(numbers)):
        total += numbers[k]
    return total


@exact
def _sum_rows(rows, total):  # type: ignore[no-untyped-def]
    """Of all rows."""
    count = rows.shape[1]
    for i in range(count):
        total[i] = 0
    for k in range(len(rows)):
        row = rows[k]
        for i in range(count):
            total[i] += row[i]


@exact
def _scale_and_add(row, factor, total):  # type: ignore[no-untyped-def]
    for k in range(len(row)):
        row[k] *= factor
        total[k] += row[k]


@in_any_order
def scaled(row, factors, out):  # type: ignore[no-untyped-def]
    """Numbers times factors, and their sum in float64."""
    total = 0.0
    for i in range(len(out)):
        out[i] = row[i] * factors[i]
        total += out[i]
    return total
