"""Passes of which most is products of matrices: classes, many targets, Hessians, wide rows.

Bare, blocks have as many rows as products want (1,024, or two for each column of a Hessian), a softmax works row by row
on 256 of them, and every thread adds each block's product to one sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dgd.losses import Logistic, Softmax, Squared
from dgd.passes.sums.hessian import Hessian

from ._kind import Array, Kind, Machine, Pass, blocks, our_pass

BLOCK_ROWS, SOFTMAX_ROWS = 1024, 256
WIDE_BYTES = 2**21
"""A block of wide rows, of which X is used twice while it is in cache."""


class Outputs:
    """XᵀR of the rows that one thread sees, R = r(XB) of them."""

    def __init__(self, coef: Array, rows: int, residual: Callable[[Array, Array], None]) -> None:
        self.coef, self.rows, self.residual = coef, rows, residual
        self.block = np.empty((rows, len(coef)), coef.dtype)
        self.raw = np.empty((rows, *coef.shape[1:]), coef.dtype)
        self.part = np.empty(coef.shape[::-1], coef.dtype)
        self.sum = np.zeros_like(self.part)

    def add(self, X: Array, y: Array) -> None:
        """One block more."""
        X, raw = converted(X, self.block), self.raw[: len(X)]
        np.dot(X, self.coef, out=raw)
        self.residual(raw, y)
        self.sum += np.dot(raw.T, X, out=self.part)


class Curvature:
    """Xᵀr and Xᵀ diag(s) X of logistic rows."""

    def __init__(self, coef: Array, rows: int) -> None:
        n, dtype = len(coef), coef.dtype
        self.coef, self.gradient, self.hessian = coef, np.zeros(n), np.zeros((n, n))
        self.block, self.scaled, self.part = (np.empty(shape, dtype) for shape in ((rows, n), (rows, n), (n, n)))

    def add(self, X: Array, y: Array) -> None:
        """One block more."""
        X, scaled = converted(X, self.block), self.scaled[: len(X)]
        p = np.dot(X, self.coef)
        np.exp(-p, out=p)
        p += 1
        np.divide(1, p, out=p)
        self.gradient += np.dot(p - y, X)
        p *= 1 - p
        np.multiply(X, np.sqrt(p, out=p)[:, None], out=scaled)
        self.hessian += np.dot(scaled.T, scaled, out=self.part)


def converted(X: Array, into: Array) -> Array:
    """X, or its copy in another dtype."""
    if X.dtype == into.dtype:
        return X
    np.copyto(into[: len(X)], X)
    return into[: len(X)]


def softmax(raw: Array, y: Array) -> None:
    """η becomes p − onehot(y)."""
    for part in blocks(slice(0, len(raw)), SOFTMAX_ROWS):
        some = raw[part]
        some -= some.max(axis=1, keepdims=True)
        np.exp(some, out=some)
        some /= some.sum(axis=1, keepdims=True)
        some[np.arange(len(some)), y[part]] -= 1


def nothing(raw: Array, y: Array) -> None:
    """η stays: the two products alone."""


def difference(raw: Array, y: Array) -> None:
    """η becomes η − y."""
    raw -= y


@dataclass(frozen=True)
class Shape:
    """Rows and columns of X and of θ, what is stored and what is computed."""

    rows: int
    n: int
    q: int
    stored: str
    dtype: str
    compiled: bool = False
    """Whether dgd has numba for it, as it does from 512 MiB on where that is installed."""

    @property
    def precision(self) -> str:
        """As dgd calls it."""
        return "double" if self.dtype == "f8" else "single"

    def X(self) -> Array:
        """Of a normal distribution."""
        return np.random.default_rng(0).standard_normal((self.rows, self.n), np.float32).astype(self.stored)

    def coef(self) -> Array:
        """Small, so that the loss is curved everywhere."""
        shape = (self.n, self.q) if self.q else (self.n,)
        return (np.random.default_rng(1).standard_normal(shape) / self.n).astype(self.dtype)


def of_classes(shape: Shape, residual: Callable[[Array, Array], None], machine: Machine) -> tuple[Pass, Pass]:
    """Softmax, beside a bare one or beside its two products."""
    X, coef = shape.X(), shape.coef()
    y = np.random.default_rng(2).integers(0, shape.q, shape.rows)
    ours = our_pass(machine, X, y, Softmax(shape.q), coef, precision=shape.precision, compiled=shape.compiled)
    return ours, partial(outputs, machine, X, y, coef, BLOCK_ROWS, residual)


def of_targets(shape: Shape, machine: Machine) -> tuple[Pass, Pass]:
    """Squared errors of many targets."""
    X, coef = shape.X(), shape.coef()
    y = np.random.default_rng(2).standard_normal((shape.rows, shape.q), np.float32).astype(shape.stored)
    ours = our_pass(machine, X, y, Squared(), coef, precision=shape.precision)
    return ours, partial(outputs, machine, X, y, coef, BLOCK_ROWS, difference)


def of_wide(shape: Shape, machine: Machine) -> tuple[Pass, Pass]:
    """Squared errors of rows that are long."""
    X, coef, y = shape.X(), shape.coef(), np.random.default_rng(2).standard_normal(shape.rows).astype(shape.stored)
    ours = our_pass(machine, X, y, Squared(), coef, precision=shape.precision)
    return ours, partial(outputs, machine, X, y, coef, max(1, WIDE_BYTES // X[:1].nbytes), difference)


def of_hessian(shape: Shape, machine: Machine) -> tuple[Pass, Pass]:
    """Gradient and Hessian of a logistic loss."""
    X, coef, y = shape.X(), shape.coef(), np.random.default_rng(2).integers(0, 2, shape.rows)
    ours = our_pass(machine, X, y, Logistic(), coef, (Hessian(),), precision=shape.precision)
    rows = max(BLOCK_ROWS, 2 * shape.n)

    def bare() -> Array:
        found = machine.each_part(
            shape.rows, rows, lambda state, part: state.add(X[part], y[part]), lambda: Curvature(coef, rows)
        )
        return np.add.reduce([each.hessian for each in found])

    return ours, bare


def outputs(
    machine: Machine, X: Array, y: Array, coef: Array, rows: int, residual: Callable[[Array, Array], None]
) -> Array:
    """A bare pass over X with one product for all outputs."""
    found = machine.each_part(
        len(X), rows, lambda state, part: state.add(X[part], y[part]), lambda: Outputs(coef, rows, residual)
    )
    return np.add.reduce([each.sum for each in found])


def _classes(asked: float, shape: Shape, residual: Callable[[Array, Array], None]) -> Kind:
    name = f"softmax {shape.rows:,} × {shape.n}, {shape.q:,} classes, {_data(shape)}"
    note = "bare: the two products alone" if residual is nothing else ""
    return Kind(name, asked, partial(of_classes, shape, residual), note)


def _targets(asked: float, shape: Shape) -> Kind:
    name = f"squared {shape.rows:,} × {shape.n}, {shape.q:,} targets, {_data(shape)}"
    return Kind(name, asked, partial(of_targets, shape))


def _wide(asked: float, shape: Shape) -> Kind:
    return Kind(f"squared {shape.rows:,} × {shape.n:,}, {_data(shape)}", asked, partial(of_wide, shape))


def _hessian(asked: float, shape: Shape) -> Kind:
    return Kind(f"hessian {shape.rows:,} × {shape.n:,}, {_data(shape)}", asked, partial(of_hessian, shape))


def _data(shape: Shape) -> str:
    return f"{shape.stored} in {shape.precision}{', compiled' * shape.compiled}"


CLASSES: tuple[tuple[float, Shape, Callable[[Array, Array], None]], ...] = (
    (1.4, Shape(200_000, 100, 10, "f4", "f4"), nothing),
    (1.4, Shape(200_000, 100, 10, "f4", "f8"), nothing),
    (1.15, Shape(40_000, 768, 100, "f4", "f4"), softmax),
    (1.15, Shape(40_000, 768, 100, "f4", "f8"), softmax),
    (1.15, Shape(20_000, 512, 1000, "f4", "f4"), softmax),
    (1.15, Shape(20_000, 512, 1000, "f4", "f8"), softmax),
)
COMPILED_CLASSES = tuple(_classes(asked, replace(shape, compiled=True), bare) for asked, shape, bare in CLASSES)
MATRIX_KINDS = (
    *(_classes(*each) for each in CLASSES),
    _targets(1.15, Shape(10_000, 512, 2000, "f4", "f4")),
    _targets(1.15, Shape(10_000, 512, 2000, "f4", "f8")),
    _hessian(1.15, Shape(100_000, 100, 0, "f8", "f8")),
    _hessian(1.15, Shape(30_000, 1000, 0, "f8", "f8")),
    _hessian(1.15, Shape(30_000, 1000, 0, "f4", "f8")),
    _hessian(1.15, Shape(30_000, 1000, 0, "f4", "f4")),
    _hessian(1.15, Shape(16_000, 2000, 0, "f8", "f8")),
    _wide(1.2, Shape(8_000, 16_384, 0, "f8", "f8")),
    _wide(1.2, Shape(16_000, 16_384, 0, "f4", "f4")),
)
