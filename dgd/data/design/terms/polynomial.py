"""Powers of a number, as they are or orthogonal over the data.

The orthogonal ones are those of R's `poly`: Σ p = 0, Σ p² = 1, Σ pⱼpₖ = 0 over the rows of the fit. They follow from
the R factor of [1, t, t², …], t = (x − c) / s: of each chunk by Householder's QR, moved to the same c and s by the
binomial theorem, stacked and factored again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.design.columns import Frame
from dgd.data.design.expressions import Expression
from dgd.data.design.terms.base import Piece, Term
from dgd.errors import ConfigurationError, DataError
from dgd.errors.checks import checked_flag, checked_integer

MOST_DEGREES = 20
DEPENDENT = 1e-12
"""A diagonal entry of R below this part of the largest is rounding: a power that follows from the lower ones."""


@dataclass(frozen=True, slots=True)
class Factor:
    """The R factor of the powers of (x − centre) / scale over some rows; of no rows centre and scale are NaN."""

    centre: float
    scale: float
    r: Matrix

    def __add__(self, other: Self) -> Self:
        if math.isnan(self.centre):
            return other
        if math.isnan(other.centre):
            return self
        moved = other.r @ _moved(self.r.shape[1], other, self)
        r: Matrix = np.asarray(np.linalg.qr(np.vstack([self.r, moved]), mode="r"))
        return type(self)(self.centre, self.scale, r)


def _moved(n: int, start: Factor, to: Factor) -> Matrix:
    """The powers of one t from those of another: u = a + b·t, so that the powers of t are ((u − a) / b)ᵏ."""
    step, ratio = (start.centre - to.centre) / to.scale, start.scale / to.scale
    found = np.zeros((n, n))
    for k in range(n):
        for j in range(k + 1):
            found[j, k] = math.comb(k, j) * ratio**j * step ** (k - j)
    return found


@dataclass(frozen=True)
class Polynomial(Term):
    """A number's powers 1 to `degree`, named `poly(a, 2)[1]`, `poly(a, 2)[2]`.

    raw (False): the powers as they are; else orthogonal ones, whose coefficients one pass over the data finds, so that
    columns do not depend on each other nearly. Both span the same.
    """

    of: str
    degree: int
    raw: bool = False
    centre: float | None = None
    scale: float | None = None
    weights: tuple[tuple[float, ...], ...] | None = None
    """Learned: column j is Σₖ weights[k][j] tᵏ."""
    expression: Expression = field(init=False, repr=False, compare=False)
    kind: ClassVar[str] = "polynomial"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", Expression(self.of))
        checked_flag("Polynomial(raw", self.raw)
        if checked_integer("Polynomial(degree", self.degree, least=1) > MOST_DEGREES:
            raise ConfigurationError(f"`Polynomial(degree={self.degree})`: at most {MOST_DEGREES}")
        if self.weights is not None:
            fits = isinstance(self.weights, tuple) and len(self.weights) == self.degree + 1
            fits = fits and all(isinstance(row, tuple) and len(row) == self.degree for row in self.weights)
            fits = fits and all(type(each) is float and math.isfinite(each) for row in self.weights for each in row)
            numbers = all(isinstance(each, float) and math.isfinite(each) for each in (self.centre, self.scale))
            if not (fits and numbers and self.scale):
                raise ConfigurationError("`Polynomial(weights=...)` are not those of a polynomial that was learned")

    @property
    def label(self) -> str:
        return f"poly({self.expression.label}, {self.degree}{', raw=True' if self.raw else ''})"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.expression.columns

    @property
    def is_known(self) -> bool:
        return self.raw or self.weights is not None

    def facts(self, frame: Frame) -> Factor | None:
        if self.is_known:
            return None
        values = self.expression(frame)
        values = values[np.isfinite(values)]
        n = self.degree + 1
        if not len(values):
            return Factor(math.nan, math.nan, np.zeros((n, n)))
        centre = float(values.mean())
        scale = float(np.abs(values - centre).max()) or 1.0
        powers = np.vander((values - centre) / scale, n, increasing=True)
        r = np.zeros((n, n))
        found = np.linalg.qr(powers, mode="r")
        r[: len(found)] = found
        return Factor(centre, scale, r)

    def learned(self, facts: Factor | None) -> Self:
        if facts is None:
            return self
        diagonal = np.abs(np.diag(facts.r))
        if math.isnan(facts.centre) or not (diagonal > DEPENDENT * diagonal.max(initial=0.0)).all():
            raise DataError(
                f"{self.label}: {self.expression.label!r} has too few different values for degree {self.degree}; "
                f"give a lower degree, or make it a category",
                array=self.label,
            )
        inverse = np.linalg.inv(facts.r)[:, 1:] * np.sign(np.diag(facts.r))[1:]
        weights = tuple(tuple(row) for row in inverse.tolist())
        return replace(self, centre=facts.centre, scale=facts.scale, weights=weights)

    def names(self, *, full: bool) -> tuple[str, ...]:
        return tuple(f"{self.label}[{k}]" for k in range(1, self.degree + 1))

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        values: Vector = self.expression(frame)
        if self.raw:
            return [np.column_stack([values**k for k in range(1, self.degree + 1)])]
        assert self.weights is not None
        assert self.centre is not None
        assert self.scale is not None
        powers = np.vander((values - self.centre) / self.scale, self.degree + 1, increasing=True)
        return [powers @ np.array(self.weights)]
