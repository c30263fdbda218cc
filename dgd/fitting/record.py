"""What each pass found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dgd._typing import Vector


@dataclass(frozen=True, slots=True)
class Record:
    """One pass: what it found at the point it evaluated, and the step that followed."""

    iteration: int
    """The pass's number, from 1."""
    loss: float
    """F at the point that was evaluated: record k + 1 holds the objective at θₖ when no trial was rejected."""
    grad_norm: float
    """‖∇F‖ there, or with l1 or bounds that of the least subgradient; in the solver's (standardised) coordinates."""
    learning_rate: float
    """η of the step that followed; 0 if none did."""
    seconds: float
    """Time of this pass."""
    rows_per_second: float
    bytes_read: int
    """Stored bytes read by this pass."""
    accepted: bool
    """False for a rejected trial, a probe, or a restated gradient."""
    resident_share: float = 0.0
    """The part of the chunks that this pass found in memory."""
    validation_loss: float | None = None
    """The objective on the validation rows at that point; None without such rows."""
    theta: Vector | None = field(default=None, repr=False, compare=False)
    """θ of that point, for callbacks; the history does not keep it."""

    def as_json(self) -> dict[str, Any]:
        """All but θ; a number that is not finite is None."""
        found = {name: value for name, value in asdict(self).items() if name != "theta"}
        return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in found.items()}
