"""How well a fit describes its rows: R², likelihood, deviance, information criteria; a number for each output.

    squared   ℓ = −m/2 (log 2π + log(RSS/m) + 1) + ½ Σ log w    φ = RSS/(m − p)    deviance = RSS
    others    ℓ = Σ w (log_base − value)                         φ = 1              deviance = 2 Σ w (value − saturated)

m is the number of rows of a weight above 0, or Σ w where weights are frequencies (and Σ log w is then left out).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Vector


@dataclass(frozen=True, eq=False)
class FitStatistics:
    """Each vector has a number for each output; classes have one together. None: it has no meaning, or is not known."""

    rows: float
    parameters: int
    """p, of one output; of K classes, K − 1 times those of one."""
    intercept: bool
    dispersion: Vector
    loss: Vector | None = None
    r2: Vector | None = None
    adjusted_r2: Vector | None = None
    log_likelihood: Vector | None = None
    deviance: Vector | None = None
    null_deviance: Vector | None = None

    @property
    def df_residual(self) -> float:
        """m − p."""
        return self.rows - self.parameters

    @property
    def aic(self) -> Vector | None:
        """−2ℓ + 2p."""
        return None if self.log_likelihood is None else 2.0 * self.parameters - 2 * self.log_likelihood

    @property
    def bic(self) -> Vector | None:
        """−2ℓ + p log m."""
        return None if self.log_likelihood is None else self.parameters * np.log(self.rows) - 2 * self.log_likelihood


def normal_log_likelihood(squares: Vector, rows: float, log_weight: float) -> Vector:
    """ℓ at the maximum over the variance too."""
    with np.errstate(divide="ignore"):
        return np.asarray(-rows / 2 * (np.log(2 * np.pi) + np.log(squares / rows) + 1) + log_weight / 2)


def plain(values: Any, *, single: bool) -> Any:
    """A float where there is one number, else the array; None as it is."""
    return float(values[0]) if single and values is not None else values
