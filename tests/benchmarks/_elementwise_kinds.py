"""Passes of which much is sweeps over raw predictions, and conversions of what is stored.

Bare, a block has about 512 KiB: converted, if it is stored otherwise; the raw prediction becomes the derivative in its
own memory, by the fewest sweeps there are; no loss is made. float16 is converted as NumPy does it. The line of the
conversion alone has NumPy's own beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dgd.losses import Huber, Logistic, Loss, Poisson, Squared
from dgd.passes.sums.conversion import convert

from ._kind import Array, Kind, Machine, Pass, blocks, our_pass
from ._matrix_kinds import Outputs

BLOCK_BYTES, PART_BYTES = 2**19, 2**22
CONVERTED_AT_ONCE = 2**18
INTEGERS = 100
"""Of int8, from minus so many."""


def logistic(raw: Array, y: Array) -> None:
    """η becomes σ(η) − y."""
    np.negative(raw, out=raw)
    np.exp(raw, out=raw)
    raw += 1
    np.reciprocal(raw, out=raw)
    raw -= y


def poisson(raw: Array, y: Array) -> None:
    """η becomes e^η − y."""
    np.exp(raw, out=raw)
    raw -= y


def squared(raw: Array, y: Array) -> None:
    """η becomes η − y."""
    raw -= y


def huber(raw: Array, y: Array) -> None:
    """η becomes η − y, clipped."""
    raw -= y
    np.clip(raw, -1.35, 1.35, out=raw)


LOSSES: dict[str, tuple[Loss, Callable[[Array, Array], None]]] = {
    "logistic": (Logistic(), logistic),
    "poisson": (Poisson(), poisson),
    "squared": (Squared(), squared),
    "huber": (Huber(), huber),
}


@dataclass(frozen=True)
class Case:
    """A loss, rows and columns of X, what is stored and what is computed."""

    loss: str
    rows: int
    n: int
    stored: str
    dtype: str
    compiled: bool = False
    """Whether dgd sums it by numba, as it does from 512 MiB on where that is installed."""

    def data(self) -> tuple[Array, Array]:
        """X in its dtype, and y in that of the arithmetic."""
        rng = np.random.default_rng(0)
        if self.stored == "i1":
            X = rng.integers(-INTEGERS, INTEGERS, (self.rows, self.n), np.int8)
        else:
            X = rng.standard_normal((self.rows, self.n), np.float32).astype(self.stored)
        y = X[:, 0] > 0 if self.loss == "logistic" else np.abs(X[:, 0])
        return X, y.astype(self.dtype)

    def __str__(self) -> str:
        precision = "double" if self.dtype == "f8" else "single"
        return f"{self.loss} {self.rows:,} × {self.n:,}, {self.stored} in {precision}{', compiled' * self.compiled}"


def of_loss(case: Case, machine: Machine) -> tuple[Pass, Pass]:
    """Loss and gradient, beside the gradient alone."""
    X, y = case.data()
    loss, residual = LOSSES[case.loss]
    coef = np.full(case.n, 0.02 / INTEGERS if case.stored == "i1" else 0.02, case.dtype)
    precision = "double" if case.dtype == "f8" else "single"
    rows = max(1, BLOCK_BYTES // coef.nbytes)
    part_rows = max(1, PART_BYTES // coef.nbytes)

    def add(state: Outputs, part: slice) -> None:
        for some in blocks(part, rows):
            state.add(X[some], y[some])

    def bare() -> Array:
        found = machine.each_part(len(X), part_rows, add, lambda: Outputs(coef, rows, residual))
        return np.add.reduce([each.sum for each in found])

    return our_pass(machine, X, y, loss, coef, precision=precision, compiled=case.compiled), bare


def of_conversion(numbers: int, machine: Machine) -> tuple[Pass, Pass]:
    """float16 to float32 on one thread, in memory that is used again, beside NumPy's own."""
    X = np.random.default_rng(0).standard_normal(numbers, np.float32).astype(np.float16)
    out = np.empty(CONVERTED_AT_ONCE, np.float32)

    def convert_all(into: Callable[[Array, Array], None]) -> None:
        for some in blocks(slice(0, len(X)), CONVERTED_AT_ONCE):
            into(X[some], out[: len(X[some])])

    return partial(convert_all, convert), partial(convert_all, lambda half, single: np.copyto(single, half))


CASES = (
    (1.25, Case("squared", 1_000_000, 100, "f8", "f8")),
    (1.25, Case("squared", 1_000_000, 100, "f4", "f4")),
    (1.25, Case("logistic", 1_000_000, 100, "f8", "f8")),
    (1.25, Case("logistic", 1_000_000, 100, "f4", "f4")),
    (1.3, Case("logistic", 1_000_000, 100, "f4", "f8")),
    (1.25, Case("poisson", 1_000_000, 100, "f8", "f8")),
    (1.25, Case("poisson", 1_000_000, 100, "f4", "f4")),
    (1.25, Case("huber", 1_000_000, 100, "f8", "f8")),
    (1.4, Case("logistic", 4_000_000, 15, "f4", "f4")),
    (1.4, Case("logistic", 4_000_000, 15, "f4", "f8")),
    (1.25, Case("squared", 1_000_000, 100, "i1", "f4")),
    (1.25, Case("squared", 1_000_000, 100, "i1", "f8")),
    (1.0, Case("squared", 1_000_000, 100, "f2", "f4")),
)
WIDE = (1.2, Case("squared", 8_000, 16_384, "f8", "f8")), (1.2, Case("squared", 16_000, 16_384, "f4", "f4"))
"""As they are measured among those of matrices, where numba does not sum them."""

ELEMENTWISE_KINDS = (
    *(Kind(str(case), asked, partial(of_loss, case)) for asked, case in CASES),
    Kind("float16 to float32, 100,000,000 numbers", 0.25, partial(of_conversion, 100_000_000), "bare: NumPy's own"),
)
COMPILED_KINDS = tuple(
    Kind(str(case), asked, partial(of_loss, case))
    for asked, case in ((asked, replace(case, compiled=True)) for asked, case in (*CASES, *WIDE))
)
