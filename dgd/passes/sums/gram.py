"""Centred products of columns and targets: all that a squared loss ever asks of the rows.

    Σw        x̄ = Σ w x / Σw        Σ w (x − x̄)(x − x̄)ᵀ        Σ w (x − x̄)(y − ȳ)ᵀ        Σ w (y − ȳ)²

Each chunk sums differences from a centre of its own, near its mean, so that no mean, however large, costs a digit;
chunks are merged by Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance. Of y only the squares
are summed, not the products of targets with each other: memory is n² + nq numbers for q targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.passes.sums.moments import Moments

PIECE = 2**14
"""Numbers of a piece of a matrix that stays in a core's cache while it is changed twice."""
LEAST_PRECISE = 1e-8
"""Rounding of a whole, as a part of the least curvature of what is left of it, up to which rows may be subtracted."""


@dataclass(frozen=True, slots=True)
class Gram:
    """Σw, means and centred products of some rows."""

    rows: int
    """Those that were summed, whatever their weight."""
    weight: float
    about: Vector
    """What was subtracted from the columns, (n,): a provisional centre in few binary digits."""
    mean: Vector
    """Of what was left of them."""
    products: Matrix
    """Σ w (x − x̄)(x − x̄)ᵀ, (n, n), symmetric to the bit."""
    level: Vector
    """What was subtracted from the targets, (q,)."""
    target_mean: Vector
    """Of what was left of them."""
    cross: Matrix
    """Σ w (x − x̄)(y − ȳ)ᵀ, (n, q)."""
    squares: Vector
    """Σ w (y − ȳ)², (q,)."""
    counted: int
    """The rows of a weight above 0."""
    log_weight: float
    """Σ log w over them: the likelihood of rows of different variances has it."""

    def __add__(self, other: Self) -> Self:
        return replace(self, products=self.products.copy(), cross=self.cross.copy()).absorb(other)

    def absorb(self, other: Self) -> Self:
        """The same sum in the memory of this one, which is not used again: fresh pages cost as much as the addition."""
        weight = self.weight + other.weight
        if not (self.weight and other.weight):
            return replace(self if self.weight else other, rows=self.rows + other.rows)
        share = self.weight * (other.weight / weight)
        step = other.mean + (other.about - self.about) - self.mean
        target_step = other.target_mean + (other.level - self.level) - self.target_mean
        with np.errstate(over="ignore", invalid="ignore"):
            root = step * np.sqrt(share)
            return type(self)(
                rows=self.rows + other.rows,
                weight=weight,
                about=self.about,
                mean=self.mean + step * (other.weight / weight),
                products=added(self.products, other.products, root, root),
                level=self.level,
                target_mean=self.target_mean + target_step * (other.weight / weight),
                cross=added(self.cross, other.cross, step * share, target_step),
                squares=self.squares + other.squares + share * target_step * target_step,
                counted=self.counted + other.counted,
                log_weight=self.log_weight + other.log_weight,
            )

    @property
    def moments(self) -> Moments:
        """Of the columns, less `about`."""
        return Moments(self.weight, self.mean, np.diag(self.products).copy())

    @property
    def target_moments(self) -> Moments:
        """Of the targets, less `level`."""
        return Moments(self.weight, self.target_mean, self.squares)

    def without(self, other: Self) -> Self:
        """The sums less those of some of the rows. Raises ConfigurationError where too few digits are left."""
        weight = self.weight - other.weight
        if not (weight > 0 and other.rows < self.rows):
            raise ConfigurationError("nothing is left of a summary without these rows; they must be some of its own")
        mean = self.mean - (other.mean + (other.about - self.about) - self.mean) * (other.weight / weight)
        level = other.target_mean + (other.level - self.level)
        target_mean = self.target_mean - (level - self.target_mean) * (other.weight / weight)
        step, target_step = other.mean + (other.about - self.about) - mean, level - target_mean
        share = weight * (other.weight / self.weight)
        root = step * np.sqrt(share)
        rest = replace(
            self,
            rows=self.rows - other.rows,
            weight=weight,
            mean=mean,
            products=added(self.products - other.products, None, root, -root),
            target_mean=target_mean,
            cross=self.cross - other.cross - np.outer(step * share, target_step),
            squares=self.squares - other.squares - share * target_step * target_step,
            counted=self.counted - other.counted,
            log_weight=self.log_weight - other.log_weight,
        )
        rest._check_digits(self)
        return rest

    def _check_digits(self, whole: Self) -> None:
        """Refuse what a subtraction has left where rounding of the whole is seen in it."""
        before, after = np.diag(whole.products), np.diag(self.products)
        used = before > 0
        size = np.sqrt(np.maximum(after[used], 0.0))
        lost = np.inf
        if (after[used] > 0).all() and (self.squares >= 0).all():
            S = self.products[np.ix_(used, used)] / size / size[:, None]
            least = float(np.linalg.eigvalsh(S)[0]) if len(S) else 1.0
            grown = float((before[used] / after[used]).max(initial=1.0))
            lost = grown / least * float(np.finfo(np.float64).eps) if least > 0 else np.inf
        if not lost <= LEAST_PRECISE:
            raise ConfigurationError(
                "too few digits are left of the products without these rows: what remains is small, or its columns "
                "are nearly dependent; summarise the rows that remain"
            )

    def moved_to(self, about: Vector | None, level: float | Vector) -> Self:
        """The same sums, where that had been subtracted from columns and targets."""
        about = np.zeros_like(self.about) if about is None else about
        target = np.broadcast_to(np.asarray(level, dtype=np.float64), self.level.shape)
        return replace(
            self,
            about=about,
            mean=self.mean + (self.about - about),
            level=target,
            target_mean=self.target_mean + (self.level - target),
        )

    def select(self, features: Any = slice(None), targets: Any = slice(None)) -> Self:
        """Those of some columns and some targets, each a slice or a list of numbers."""
        return replace(
            self,
            about=self.about[features],
            mean=self.mean[features],
            products=np.ascontiguousarray(self.products[features][:, features]),
            level=self.level[targets],
            target_mean=self.target_mean[targets],
            cross=np.ascontiguousarray(self.cross[features][:, targets]),
            squares=self.squares[targets],
        )


def added(into: Matrix, other: Matrix | None, left: Vector, right: Vector) -> Matrix:
    """The first, to which another matrix and the outer product left rightᵀ are added in its own memory.

    By rows that stay in a core's cache. Symmetric to the bit where the matrices are and right is left or −left.
    """
    some = bool(left.any() and right.any())
    if other is None and not some:
        return into
    step = max(1, PIECE // max(1, into.shape[1]))
    for start in range(0, len(into), step):
        rows = into[start : start + step]
        if other is not None:
            rows += other[start : start + step]
        if some:
            rows += np.multiply(left[start : start + step, None], right)
    return into
