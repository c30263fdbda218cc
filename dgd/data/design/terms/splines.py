"""Splines: piecewise polynomials that join smoothly at knots.

B-splines by the recursion of Cox and de Boor (The NURBS Book, algorithm A2.2); natural ones are the B-splines whose
second derivative is 0 at both boundaries, as in R's `ns`. Beyond the boundaries the last piece goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.design.columns import Frame
from dgd.data.design.expressions import Expression
from dgd.data.design.terms.base import Piece, Term, checked_knots
from dgd.errors import ConfigurationError, DataError
from dgd.errors.checks import checked_flag, checked_integer
from dgd.errors.words import shown


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value."""

    least: float
    greatest: float

    def __add__(self, other: Self) -> Self:
        return type(self)(min(self.least, other.least), max(self.greatest, other.greatest))


@dataclass(frozen=True)
class Spline(Term):
    """A smooth curve of a number, by B-splines, named `bs(a)[1]`, `bs(a)[2]`, …

    knots: where pieces join, inside the boundaries; or segments: so many pieces of equal length. degree (3): of the
    pieces. natural (False): straight beyond the boundaries, `ns(a)[1]`, …
    boundaries: where it begins and ends; by default the least and the greatest value, which one pass finds.
    Of the B-splines, which sum up to 1, the first is left out.
    """

    of: str
    knots: tuple[float, ...] | None = None
    segments: int | None = None
    degree: int = 3
    natural: bool = False
    boundaries: tuple[float, float] | None = None
    expression: Expression = field(init=False, repr=False, compare=False)
    kind: ClassVar[str] = "spline"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", Expression(self.of))
        if checked_integer("Spline(degree", self.degree, least=1) > 10:
            raise ConfigurationError(f"`Spline(degree={self.degree})`: at most 10")
        if checked_flag("Spline(natural", self.natural) and self.degree != 3:
            raise ConfigurationError("`Spline(natural=True)` is of degree 3")
        if (self.knots is None) == (self.segments is None):
            raise ConfigurationError(
                f"{self.label}: give knots=[…], the places where pieces join, or segments=, a number of equal pieces "
                f"(knots at quantiles are not known from one pass)"
            )
        if self.knots is not None:
            object.__setattr__(self, "knots", checked_knots("Spline(knots", self.knots))
        elif checked_integer("Spline(segments", self.segments, least=1) > 1000:
            raise ConfigurationError(f"`Spline(segments={self.segments})`: at most 1,000")
        if self.boundaries is not None:
            found = checked_knots("Spline(boundaries", self.boundaries)
            inside = self.knots or ()
            if len(found) != 2 or any(not found[0] < each < found[1] for each in inside):
                raise ConfigurationError(
                    f"{self.label}: the knots must lie between two boundaries, got {shown(list(inside))} and "
                    f"{shown(list(found))}"
                )
            object.__setattr__(self, "boundaries", found)

    @property
    def label(self) -> str:
        return f"{'ns' if self.natural else 'bs'}({self.expression.label})"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.expression.columns

    @property
    def is_known(self) -> bool:
        return self.boundaries is not None

    def facts(self, frame: Frame) -> Range | None:
        if self.is_known:
            return None
        values = self.expression(frame)
        values = values[np.isfinite(values)]
        return Range(float(values.min(initial=math.inf)), float(values.max(initial=-math.inf)))

    def learned(self, facts: Range | None) -> Self:
        if facts is None:
            return self
        inside = self.knots or ()
        if not facts.least < facts.greatest or any(not facts.least < each < facts.greatest for each in inside):
            raise DataError(
                f"{self.label}: the values lie from {facts.least:g} to {facts.greatest:g}, and the knots "
                f"{shown(list(inside))} must lie between; give other knots, or `boundaries=`",
                array=self.label,
            )
        return replace(self, boundaries=(facts.least, facts.greatest))

    @property
    def width(self) -> int:
        """Its number of columns."""
        inside = len(self.knots) if self.knots is not None else (self.segments or 1) - 1
        return inside + 1 if self.natural else inside + self.degree

    def names(self, *, full: bool) -> tuple[str, ...]:
        return tuple(f"{self.label}[{k}]" for k in range(1, self.width + 1))

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        assert self.boundaries is not None
        low, high = self.boundaries
        inside = self.knots
        if inside is None:
            assert self.segments is not None
            inside = tuple(np.linspace(low, high, self.segments + 1)[1:-1].tolist())
        knots = np.array([low] * (self.degree + 1) + list(inside) + [high] * (self.degree + 1))
        values = self.expression(frame)
        if not self.natural:
            return [b_splines(values, knots, self.degree)[:, 1:]]
        return [_natural(values, knots, low, high)]


def b_splines(values: Vector, knots: Vector, degree: int) -> Matrix:
    """The B-splines of a degree at some values, (rows, len(knots) − degree − 1); NaN where a value is."""
    n = len(knots) - degree - 1
    span = np.clip(np.searchsorted(knots, values, side="right") - 1, degree, n - 1)
    found = np.zeros((len(values), degree + 1))
    found[:, 0] = np.where(np.isnan(values), np.nan, 1.0)
    for k in range(1, degree + 1):
        saved = np.zeros(len(values))
        for r in range(k):
            right, left = knots[span + r + 1] - values, values - knots[span + r + 1 - k]
            part = found[:, r] / (right + left)
            found[:, r] = saved + right * part
            saved = left * part
        found[:, k] = saved
    out = np.zeros((len(values), n))
    np.put_along_axis(out, span[:, None] - degree + np.arange(degree + 1), found, axis=1)
    return out


def _natural(values: Vector, knots: Vector, low: float, high: float) -> Matrix:
    """The cubic B-splines without the first, combined so that their second derivatives vanish at the boundaries."""
    bends = np.array([_second_derivatives(low, knots), _second_derivatives(high, knots)])[:, 1:]
    q = np.linalg.qr(bends.T, mode="complete")[0][:, 2:]
    found = b_splines(np.clip(values, low, high), knots, 3)[:, 1:] @ q
    for end, outside in ((low, values < low), (high, values > high)):
        if outside.any():
            slope = _slopes(end, knots)[1:] @ q
            found[outside] += (values[outside] - end)[:, None] * slope
    return np.asarray(found)


def _slopes(at: float, knots: Vector) -> Vector:
    """The derivative of each cubic B-spline: of a lower degree, 3 (Bⱼ / (tⱼ₊₃ − tⱼ) − Bⱼ₊₁ / (tⱼ₊₄ − tⱼ₊₁))."""
    return _derivative(b_splines(np.array([at]), knots[1:-1], 2)[0], knots, 3)


def _second_derivatives(at: float, knots: Vector) -> Vector:
    first = _derivative(b_splines(np.array([at]), knots[2:-2], 1)[0], knots[1:-1], 2)
    return _derivative(first, knots, 3)


def _derivative(lower: Vector, knots: Vector, degree: int) -> Vector:
    """Of the B-splines of a degree on these knots, from the values of those one degree lower (on knots[1:-1])."""
    padded = np.concatenate(([0.0], lower, [0.0]))
    gaps = knots[degree:] - knots[:-degree]
    scaled = np.divide(degree * padded, gaps, out=np.zeros(len(padded)), where=gaps > 0)
    found: Vector = scaled[:-1] - scaled[1:]
    return found
