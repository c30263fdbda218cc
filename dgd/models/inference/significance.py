"""The outcome of a test, and of a contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Vector


@dataclass(frozen=True, eq=False)
class SignificanceTest:
    """A statistic, its degrees of freedom, and the probability of one as large under the hypothesis.

    With several outputs `statistic` and `p_value` are arrays, a number for each.
    """

    kind: str
    statistic: Any
    df: int
    df_denominator: float | None
    """Those of F's denominator; None for χ²."""
    p_value: Any
    hypothesis: str

    def __str__(self) -> str:
        degrees = f"{self.df}" if self.df_denominator is None else f"{self.df}, {self.df_denominator:g}"
        pairs = zip(np.atleast_1d(self.statistic), np.atleast_1d(self.p_value), strict=True)
        found = "; ".join(f"{value:.6g}, p = {p:.4g}" for value, p in pairs)
        return f"{self.kind}({degrees}) = {found}   H₀: {self.hypothesis}"


@dataclass(frozen=True, eq=False)
class Contrast:
    """Linear combinations of coefficients, one an entry: (r,), or (r, q) with q outputs."""

    estimate: Vector
    standard_error: Vector
    t_value: Vector
    p_value: Vector
    lower: Vector
    upper: Vector
    hypothesis: str

    def __str__(self) -> str:
        columns = [np.ravel(each) for each in (self.estimate, self.standard_error, self.t_value, self.p_value)]
        ends = zip(np.ravel(self.lower), np.ravel(self.upper), strict=True)
        rows = [
            f"{estimate:.6g} ± {error:.4g}, t = {t:.4g}, p = {p:.4g}, [{low:.6g}, {high:.6g}]"
            for (estimate, error, t, p), (low, high) in zip(zip(*columns, strict=True), ends, strict=True)
        ]
        return "\n".join([self.hypothesis, *rows])
