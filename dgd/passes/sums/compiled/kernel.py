"""What a pass sums of rows, in one loop that numba compiles: X is read from memory once, without Python's lock.

    η = Xb + b₀ + offset        Σ w·value,  [1 X]ᵀr with r = w·derivative,  [1 X]ᵀ diag(w·second) [1 X],  Σ wx and Σ wx²

Rows go through in tiles that stay in a core's first cache. The gradient and the products of some rows are added up in
the dtype of the arithmetic, and these in float64. What is summed in which order depends on the shape, the dtypes and
the processor.
"""

from __future__ import annotations

import numpy as np

from dgd.passes.sums.compiled.losses import each_row
from dgd.passes.sums.compiled.machine_code import called_from_python, exact, in_any_order

TILE_BYTES, LEAST_ROWS, MOST_ROWS = 2**14, 4, 128
"""Of the rows of a tile, four of which are multiplied together."""
TILE_ROWS = 6
"""Numbers that are made of each of its rows."""
ADDED_ROWS, MULTIPLIED_ROWS = 128, 512
"""Rows whose gradient, and whose products of columns, are summed in the dtype of the arithmetic."""
NARROW, TOGETHER = 32, 4
"""Columns up to which products of columns are summed; and how many of them are multiplied together."""


@called_from_python
def sum_rows(  # type: ignore[no-untyped-def]
    kind, parameter, coef, intercept, X, y, weight, offset, of_rows, gradient, gram, moments, targets, memory, bits
):
    """Σ w·value of the rows of X; what else is summed is added to the arrays that are not empty.

    kind, parameter: the loss, and δ of Huber's. coef, (n,), y, weight and offset are of the arithmetic's dtype; the
    last two may be empty. of_rows, (3, rows): becomes η, r and the second derivative, if it is not empty. gradient: Σ r
    and Xᵀr, (n + 1,); gram: [1 X]ᵀ diag(w·second) [1 X], (n + 1, n + 1), for few columns; moments: Σ wx and Σ wx²,
    (2, n); targets: Σ wy, Σ wy² and Σ r²; in float64. memory: as many numbers as `numbers_needed` says; bits: its first
    `MOST_ROWS` as whole numbers.
    """
    rows, n = X.shape
    wide, narrow = _padded(n), len(gram) > 0
    tile, rest = memory[: TILE_ROWS * MOST_ROWS].reshape(TILE_ROWS, MOST_ROWS), memory[TILE_ROWS * MOST_ROWS :]
    power, value, eta, derivative, second, small = tile[0], tile[1], tile[2], tile[3], tile[4], tile[5]
    sums, rest = rest[:n], rest[n:]
    size = wide * MOST_ROWS if narrow else 0
    columns, scaled = rest[:size].reshape(-1, MOST_ROWS), rest[size : size + 2 * MOST_ROWS].reshape(-1, MOST_ROWS)
    products = rest[size + 2 * MOST_ROWS : size + 2 * MOST_ROWS + (wide * wide if narrow else 0)]
    columns[:] = 0
    columns[n : n + 1] = 1
    step = min(MOST_ROWS, max(LEAST_ROWS, TILE_BYTES // (coef.itemsize * max(1, n)) // 4 * 4))
    loss = intercept_sum = 0.0
    first = first_product = 0
    for start in range(0, rows, step):
        count = min(step, rows - start)
        if start == first:
            sums[:] = 0
        if start == first_product:
            products[:] = 0
        predictions(X, start, count, coef, intercept, eta)
        if len(offset):
            for i in range(count):
                eta[i] += offset[start + i]
        each_row(kind, parameter, eta, y[start : start + count], derivative, second, value, small, power, bits)
        if len(weight):
            for i in range(count):
                derivative[i] *= weight[start + i]
                value[i] *= weight[start + i]
        loss += _total(value, count)
        intercept_sum += _total(derivative, count)
        if of_rows.shape[1]:
            for i in range(count):
                of_rows[0, start + i] = eta[i]
                of_rows[1, start + i] = derivative[i]
                of_rows[2, start + i] = second[i]
        if len(gradient):
            add_rows(X, start, count, derivative, sums)
        if narrow:
            _transpose(X, start, count, columns)
            for i in range(count):
                small[i] = second[i] * weight[start + i] if len(weight) else second[i]
            _add_products(columns, small, scaled, count, products.reshape(wide, wide))
        if moments.shape[1]:
            _add_moments(X, start, count, weight, moments)
        if len(targets):
            _add_targets(y[start : start + count], derivative, weight[start : start + count], targets)
        if len(gradient) and start + step >= min(rows, first + ADDED_ROWS):
            for k in range(n):
                gradient[1 + k] += sums[k]
            first = start + step
        if narrow and start + step >= min(rows, first_product + MULTIPLIED_ROWS):
            _add_gram(products.reshape(wide, wide), n, gram)
            first_product = start + step
    if len(gradient):
        gradient[0] += intercept_sum
    return loss


@exact
def _padded(n):  # type: ignore[no-untyped-def]
    """Columns and one of ones, and columns of zeros until they are a multiple."""
    return (n + TOGETHER) // TOGETHER * TOGETHER


def numbers_needed(n: int) -> int:
    """Of the arithmetic's dtype, as memory for n columns."""
    wide: int = _padded.py_func(n)
    return TILE_ROWS * MOST_ROWS + n + (wide * (MOST_ROWS + wide) + 2 * MOST_ROWS) * (n <= NARROW)


@exact
def _transpose(X, start, count, columns):  # type: ignore[no-untyped-def]
    """The columns of the rows, four rows together."""
    n, whole = X.shape[1], count // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, d = X[start + i], X[start + i + 1], X[start + i + 2], X[start + i + 3]
        for k in range(n):
            columns[k, i] = a[k]
            columns[k, i + 1] = b[k]
            columns[k, i + 2] = c[k]
            columns[k, i + 3] = d[k]
    for i in range(whole, count):
        for k in range(n):
            columns[k, i] = X[start + i, k]


@in_any_order
def _add_products(columns, s, scaled, count, products):  # type: ignore[no-untyped-def]
    """Xᵀ diag(s) X, two columns times four: the lower triangle, and what fills its blocks."""
    zero = columns.dtype.type(0)
    u, v = scaled[0], scaled[1]
    for j in range(0, len(columns), 2):
        left, right = columns[j], columns[j + 1]
        for i in range(count):
            u[i] = left[i] * s[i]
            v[i] = right[i] * s[i]
        for k in range(0, j + 2, TOGETHER):
            a, b, c, d = columns[k], columns[k + 1], columns[k + 2], columns[k + 3]
            ua = ub = uc = ud = va = vb = vc = vd = zero
            for i in range(count):
                of_u, of_v = u[i], v[i]
                ua += of_u * a[i]
                ub += of_u * b[i]
                uc += of_u * c[i]
                ud += of_u * d[i]
                va += of_v * a[i]
                vb += of_v * b[i]
                vc += of_v * c[i]
                vd += of_v * d[i]
            products[j, k] += ua
            products[j, k + 1] += ub
            products[j, k + 2] += uc
            products[j, k + 3] += ud
            products[j + 1, k] += va
            products[j + 1, k + 1] += vb
            products[j + 1, k + 2] += vc
            products[j + 1, k + 3] += vd


@exact
def _add_gram(products, n, gram):  # type: ignore[no-untyped-def]
    """The products with both triangles, and the ones, which are their last column, first."""
    for j in range(n + 1):
        to = j + 1 if j < n else 0
        for k in range(j + 1):
            other = k + 1 if k < n else 0
            gram[to, other] += products[j, k]
            if k < j:
                gram[other, to] += products[j, k]


@in_any_order
def _add_moments(X, start, count, weight, moments):  # type: ignore[no-untyped-def]
    """Σ wx and Σ wx² of the rows, in float64, four together."""
    n, whole = X.shape[1], count // 4 * 4
    first, second = moments[0], moments[1]
    u = v = w = t = 1.0
    for i in range(start, start + whole, 4):
        if len(weight):
            u, v = np.float64(weight[i]), np.float64(weight[i + 1])
            w, t = np.float64(weight[i + 2]), np.float64(weight[i + 3])
        a, b, c, d = X[i], X[i + 1], X[i + 2], X[i + 3]
        for k in range(n):
            of_a, of_b, of_c, of_d = np.float64(a[k]), np.float64(b[k]), np.float64(c[k]), np.float64(d[k])
            first[k] += (u * of_a + v * of_b) + (w * of_c + t * of_d)
            second[k] += (u * (of_a * of_a) + v * (of_b * of_b)) + (w * (of_c * of_c) + t * (of_d * of_d))
    for i in range(start + whole, start + count):
        if len(weight):
            u = np.float64(weight[i])
        for k in range(n):
            x = np.float64(X[i, k])
            first[k] += u * x
            second[k] += u * (x * x)


@in_any_order
def _add_targets(y, derivative, weight, targets):  # type: ignore[no-untyped-def]
    total = squares = of_derivatives = 0.0
    for i in range(len(y)):
        w = np.float64(weight[i]) if len(weight) else 1.0
        number, slope = np.float64(y[i]), np.float64(derivative[i])
        total += w * number
        squares += w * (number * number)
        of_derivatives += slope * slope
    targets[0] += total
    targets[1] += squares
    targets[2] += of_derivatives


@in_any_order
def _total(numbers, count):  # type: ignore[no-untyped-def]
    """In float64."""
    total = 0.0
    for i in range(count):
        total += numbers[i]
    return total


@in_any_order
def predictions(X, start, count, coef, intercept, eta):  # type: ignore[no-untyped-def]
    """η of each row, four together."""
    kind = coef.dtype.type
    n, whole = len(coef), count // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, d = X[start + i], X[start + i + 1], X[start + i + 2], X[start + i + 3]
        of_a = of_b = of_c = of_d = kind(0)
        for k in range(n):
            x = coef[k]
            of_a += kind(a[k]) * x
            of_b += kind(b[k]) * x
            of_c += kind(c[k]) * x
            of_d += kind(d[k]) * x
        eta[i] = of_a + intercept
        eta[i + 1] = of_b + intercept
        eta[i + 2] = of_c + intercept
        eta[i + 3] = of_d + intercept
    for i in range(whole, count):
        a = X[start + i]
        of_a = kind(0)
        for k in range(n):
            of_a += kind(a[k]) * coef[k]
        eta[i] = of_a + intercept


@in_any_order
def add_rows(X, start, count, residual, sums):  # type: ignore[no-untyped-def]
    """Xᵀr of the rows, four together."""
    kind = sums.dtype.type
    n, whole = len(sums), count // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, d = X[start + i], X[start + i + 1], X[start + i + 2], X[start + i + 3]
        of_a, of_b, of_c, of_d = residual[i], residual[i + 1], residual[i + 2], residual[i + 3]
        for k in range(n):
            sums[k] += (kind(a[k]) * of_a + kind(b[k]) * of_b) + (kind(c[k]) * of_c + kind(d[k]) * of_d)
    for i in range(whole, count):
        a, of_a = X[start + i], residual[i]
        for k in range(n):
            sums[k] += kind(a[k]) * of_a
