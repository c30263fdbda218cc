"""What a fit returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dgd.model import Model
from dgd.plan import Plan
from dgd.solvers import Status, Vector


@dataclass(frozen=True, slots=True)
class Record:
    """One pass: what it found at the point it evaluated, and the step that followed."""

    iteration: int
    """The pass's number, from 1."""
    loss: float
    """f at the point that was evaluated: record k + 1 holds the loss of θₖ when no trial was rejected."""
    grad_norm: float
    """‖∇f‖ there, in the solver's coordinates (standardised, if they are)."""
    learning_rate: float
    """η of the step that followed; 0 if none did."""
    seconds: float
    """Time of this pass."""
    rows_per_second: float
    bytes_read: int
    """Stored bytes read by this pass."""
    accepted: bool
    """False for a rejected trial, a probe, or a restated gradient."""


@dataclass(frozen=True, eq=False)
class Result:
    """A finished fit: parameters, why it ended, and what each pass found.

    `theta` is the raw vector, intercept first when there is one. `loss` is the last loss known on the way to it: after
    `max_iter` steps of a given learning rate that is one step before `theta`, whose own would cost another pass.
    """

    theta: Vector
    status: Status
    history: list[Record]
    loss: float
    model: Model
    plan: Plan = field(repr=False)
    advice: str = ""

    @property
    def coef_(self) -> Vector:
        """The coefficients, shape (n,)."""
        return self.model.coef

    @property
    def intercept_(self) -> float:
        """The intercept; 0.0 where none was fitted."""
        return self.model.intercept

    @property
    def n_iter_(self) -> int:
        """The passes over the data that were made."""
        return len(self.history)

    @property
    def converged(self) -> bool:
        """Whether the gradient norm fell to `tol`."""
        return self.status is Status.CONVERGED

    @property
    def seconds(self) -> float:
        """Time of all passes."""
        return sum(record.seconds for record in self.history)

    @property
    def message(self) -> str:
        """Why the fit ended, in a sentence, with what the solver learnt."""
        return self.status.value + (f" ({self.advice})" if self.advice else "")

    def summary(self) -> str:
        """The fit in a few lines."""
        last = self.history[-1]
        rejected = sum(not record.accepted for record in self.history[1:-1])
        lines = [
            f"status        {self.message}",
            f"passes        {self.n_iter_}" + (f", {rejected} of them without a step" if rejected else ""),
            f"seconds       {self.seconds:.3f}",
            f"loss          {self.loss:.12g}",
            f"grad_norm     {last.grad_norm:.3e}",
        ]
        names = self.model.feature_names or tuple(f"x{j}" for j in range(len(self.coef_)))
        width = max(12, *(len(name) for name in names)) if len(names) <= 20 else 12
        lines.append(f"{'intercept':<{width}}  {self.intercept_:.12g}")
        lines += [f"{name:<{width}}  {b:.12g}" for name, b in list(zip(names, self.coef_, strict=True))[:20]]
        if len(names) > 20:
            lines.append(f"… and {len(names) - 20} more coefficients")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Everything but the model's provenance, as plain numbers; a number that is not finite is None."""
        return {
            "status": self.status.name.lower(),
            "message": self.message,
            "n_iter": self.n_iter_,
            "seconds": self.seconds,
            "loss": finite_or_none(self.loss),
            "theta": [float(t) for t in self.theta],
            "intercept": self.intercept_,
            "coef": [float(b) for b in self.coef_],
            "feature_names": list(self.model.feature_names) if self.model.feature_names else None,
            "history": [
                {key: finite_or_none(value) for key, value in asdict(record).items()} for record in self.history
            ],
        }


def finite_or_none(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
