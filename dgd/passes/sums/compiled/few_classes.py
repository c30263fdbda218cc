"""Loss and gradient of a softmax of few classes in one loop: X is read from memory once, as for one output.

    η = XB + b₀        Σ w·value,  [1 X]ᵀR with R = w (p − onehot(y))

Products with so few columns leave a matrix product of BLAS's at a fifth of the processor's speed. Here two classes of
four rows go through together, and those left over one by one as in `kernel`. As there, rows are added up in the
dtype of the arithmetic, and these in float64.
"""

from __future__ import annotations

from dgd.passes.sums.compiled.classes import OF_ROW, less_greatest, scaled, softmax_tile
from dgd.passes.sums.compiled.kernel import add_rows, predictions
from dgd.passes.sums.compiled.machine_code import called_from_python, exact, in_any_order

MOST_ROWS, TILE_BYTES = 64, 2**15
"""Rows of a tile, and their bytes if four rows have less."""
ADDED_ROWS = 128
"""Rows whose gradient is summed in the dtype of the arithmetic."""


@called_from_python
def sum_few_classes(coef, intercept, X, y, weight, gradient, memory, power, bits):  # type: ignore[no-untyped-def]
    """Σ w·value of the rows of X; Σ R and XᵀR, (K, n + 1) in float64, are added to `gradient` if it is not empty.

    coef: (K, n), intercept: (K,); y: the index of each row's class; weight: may be empty. memory, power: as many
    numbers as `numbers_needed` says; bits: those of `power` as integers.
    """
    rows, (classes, n) = len(X), coef.shape
    of_row, rest = memory[: OF_ROW * MOST_ROWS].reshape(OF_ROW, MOST_ROWS), memory[OF_ROW * MOST_ROWS :]
    sums, tile = rest[: classes * n].reshape(classes, n), rest[classes * n :]
    step = min(MOST_ROWS, max(4, TILE_BYTES // (coef.itemsize * max(1, n)) // 4 * 4))
    loss = 0.0
    first = 0
    for start in range(0, rows, step):
        count = min(step, rows - start)
        if start == first:
            sums[:] = 0
        numbers = tile[: classes * count]
        of_class = numbers.reshape(classes, count)
        _products(X, start, coef, intercept, of_class)
        less_greatest(of_class, of_row[0])
        of_y, of_weight = y[start : start + count], weight[start : start + count]
        loss += softmax_tile(numbers, count, False, of_y, of_weight, of_row, power, bits)
        if not len(gradient):
            continue
        for q in range(classes):
            gradient[q, 0] += scaled(of_class[q], of_row[0], of_class[q])
        _add_rows(X, start, of_class, sums)
        if start + step >= min(rows, first + ADDED_ROWS):
            _add_sums(sums, gradient)
            first = start + step
    return loss


def numbers_needed(classes: int, n: int) -> tuple[int, int]:
    """Of the arithmetic's dtype, as memory for so many classes and columns, and of exponentials."""
    return OF_ROW * MOST_ROWS + classes * (n + MOST_ROWS), classes * MOST_ROWS


@exact
def _add_sums(sums, gradient):  # type: ignore[no-untyped-def]
    for q in range(len(sums)):
        for k in range(sums.shape[1]):
            gradient[q, 1 + k] += sums[q, k]


@in_any_order
def _products(X, start, coef, intercept, raw):  # type: ignore[no-untyped-def]
    """η of each class and row, (K, rows)."""
    kind = coef.dtype.type
    (classes, n), count = coef.shape, raw.shape[1]
    whole, even = count // 4 * 4, classes // 2 * 2
    for i in range(0, whole, 4):
        a, b, c, d = X[start + i], X[start + i + 1], X[start + i + 2], X[start + i + 3]
        for q in range(0, even, 2):
            u, v = coef[q], coef[q + 1]
            ua = ub = uc = ud = va = vb = vc = vd = kind(0)
            for k in range(n):
                x, z = u[k], v[k]
                of_a, of_b, of_c, of_d = kind(a[k]), kind(b[k]), kind(c[k]), kind(d[k])
                ua += of_a * x
                ub += of_b * x
                uc += of_c * x
                ud += of_d * x
                va += of_a * z
                vb += of_b * z
                vc += of_c * z
                vd += of_d * z
            _set_four(raw[q], i, ua, ub, uc, ud, intercept[q])
            _set_four(raw[q + 1], i, va, vb, vc, vd, intercept[q + 1])
    for q in range(even):
        predictions(X, start + whole, count - whole, coef[q], intercept[q], raw[q, whole:])
    for q in range(even, classes):
        predictions(X, start, count, coef[q], intercept[q], raw[q])


@exact
def _set_four(row, i, a, b, c, d, intercept):  # type: ignore[no-untyped-def]
    row[i] = a + intercept
    row[i + 1] = b + intercept
    row[i + 2] = c + intercept
    row[i + 3] = d + intercept


@in_any_order
def _add_rows(X, start, residual, sums):  # type: ignore[no-untyped-def]
    """RᵀX of the rows, (K, n), is added to `sums`."""
    kind = sums.dtype.type
    (classes, n), count = sums.shape, residual.shape[1]
    whole, even = count // 4 * 4, classes // 2 * 2
    for i in range(0, whole, 4):
        a, b, c, d = X[start + i], X[start + i + 1], X[start + i + 2], X[start + i + 3]
        for q in range(0, even, 2):
            u, v, of_u, of_v = sums[q], sums[q + 1], residual[q], residual[q + 1]
            ua, ub, uc, ud = of_u[i], of_u[i + 1], of_u[i + 2], of_u[i + 3]
            va, vb, vc, vd = of_v[i], of_v[i + 1], of_v[i + 2], of_v[i + 3]
            for k in range(n):
                of_a, of_b, of_c, of_d = kind(a[k]), kind(b[k]), kind(c[k]), kind(d[k])
                u[k] += (of_a * ua + of_b * ub) + (of_c * uc + of_d * ud)
                v[k] += (of_a * va + of_b * vb) + (of_c * vc + of_d * vd)
    for q in range(even):
        add_rows(X, start + whole, count - whole, residual[q, whole:], sums[q])
    for q in range(even, classes):
        add_rows(X, start, count, residual[q], sums[q])
