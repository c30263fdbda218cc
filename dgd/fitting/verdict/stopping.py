"""When a fit stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dgd.fitting.record import Record

MAX_ITER = 1000
TOL = 1e-12

Callback = Callable[[Record], object]
"""Called after every pass with its record, θ included; returning True asks the fit to stop there."""


@dataclass(frozen=True)
class Stopping:
    """When to stop: at ‖∇F(θ)‖ ≤ tol·‖∇F(null model)‖, after `max_iter` passes, or after `max_seconds`.

    patience: with validation rows, stop when their loss has not fallen by more than `min_delta` for so many passes.
    refines: whether to go on below `tol` for as long as further steps would change digits of θ.
    """

    max_iter: int = MAX_ITER
    tol: float = TOL
    max_seconds: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    refines: bool = True

    def threshold(self, null_norm: float, rounding: float) -> float:
        """The gradient norm to reach: none below what rounding makes, unless `tol` is 0."""
        return max(self.tol * null_norm, rounding) if self.tol > 0 else 0.0
