"""Penalties of one kind and many strengths: from one under which every coefficient is 0 down to next to none.

    λ · (ρ |b| + ½ (1 − ρ) b²)        ρ = 1 for "l1", 0 for "l2", or a number between them

With ρ > 0 the largest λ is the least at which no coefficient enters, max |∂f/∂bⱼ| / ρ at the best constant, and the
smallest 10⁻³ of it (10⁻⁴ with more rows than columns): Friedman, Hastie and Tibshirani (2010), Regularization paths for
generalized linear models via coordinate descent. For "l2" λ goes from 10² to 10⁻⁴ times the loss's mean curvature along
a column. All on a scale of equal ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_integer
from dgd.errors.words import shown
from dgd.penalties import L1, L2, ElasticNet, Penalty

RIDGE = (1e2, 1e-4)
LEAST, LEAST_WIDE = 1e-4, 1e-3
ROUNDING = 1e-12
"""The part by which the largest strength is above the least that is needed, so that rounding lets no coefficient in."""
LAMBDAS, SUMMARY_LAMBDAS = 20, 100
WORDS = {"l1": 1.0, "l2": 0.0}


@dataclass(frozen=True)
class Grid:
    """Strengths of one kind of penalty; `ratio` is ρ."""

    ratio: float
    count: int = 1

    def of_size(self, count: Any, *, by_summary: bool) -> Grid:
        """So many strengths; without a number as many as cost little."""
        if count is None:
            return replace(self, count=SUMMARY_LAMBDAS if by_summary else LAMBDAS)
        return replace(self, count=checked_integer("n_lambdas", count, least=1))

    def strengths(self, gradient: Vector, curvature: float, rows: int) -> Vector:
        """λ, the largest first. gradient: that of the mean loss at the best constant; curvature: along a column."""
        if self.ratio == 0:
            top = RIDGE[0] * curvature
            least = RIDGE[1] / RIDGE[0]
        else:
            top = float(np.abs(gradient).max(initial=0.0)) / self.ratio * (1 + ROUNDING)
            least = LEAST if rows > len(gradient) else LEAST_WIDE
        top = top if top > 0 and np.isfinite(top) else 1.0
        return top * least ** (np.arange(self.count) / max(1, self.count - 1))

    def penalties(self, strengths: Vector) -> list[Penalty]:
        """A penalty for each λ."""
        return [self.penalty(float(strength)) for strength in strengths]

    def penalty(self, strength: float) -> Penalty:
        """The penalty of one λ."""
        if self.ratio in (0.0, 1.0):
            return L1(strength) if self.ratio else L2(strength)
        return ElasticNet(l1=self.ratio * strength, l2=(1 - self.ratio) * strength)


def given_grid(call: str, kind: Any) -> Grid | None:
    """The grid of a kind: "l1", "l2" or ρ; None for what is no kind. `call`: the argument as an error quotes it."""
    if not isinstance(kind, (str, int, float)) or isinstance(kind, bool):
        return None
    if isinstance(kind, str) and kind in WORDS:
        return Grid(WORDS[kind])
    if not isinstance(kind, str) and 0 <= kind <= 1:
        return Grid(float(kind))
    raise ConfigurationError(f"`{call}=...)` must be 'l1', 'l2' or the part of l1, from 0 to 1, got {shown(kind)}")


def strength_of(penalty: Penalty, n_features: int) -> float:
    """How strong a penalty is beside others of its kind: the mean of its l1 and l2 over the columns."""
    b = np.zeros(n_features)
    kinks = penalty.kinks(b)
    l1 = np.zeros(n_features) if kinks is None else kinks[0]
    return float((l1.sum() + penalty.curvature(b).sum()) / max(1, n_features))


def checked_penalties(call: str, penalties: Any, n_features: int) -> list[Penalty]:
    """A list of penalties for these columns."""
    if isinstance(penalties, Sequence) and not isinstance(penalties, str) and len(penalties):
        found: list[Penalty] = [each for each in penalties if hasattr(each, "prox") and not isinstance(each, type)]
        if len(found) == len(penalties):
            for each in found:
                each.check(n_features)
            return found
    argument = "penalty" if call == "path" else "penalties"
    raise ConfigurationError(
        f"`{call}({argument}=...)` must be a list of dgd.penalties, such as [L2(0.1), L2(1.0)], or 'l1', 'l2' or the "
        f"part of l1, got {shown(penalties)}"
    )
