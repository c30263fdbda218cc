"""The fits of a path: θ for each strength of a penalty."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Integers, Vector
from dgd.fitting.many.spaced import spaced
from dgd.models.model import Model
from dgd.penalties import Penalty


@dataclass(frozen=True, eq=False)
class Path:
    """θ for each penalty of a path, the strongest first, and the mean loss there without the penalty."""

    penalties: tuple[Penalty, ...]
    strengths: Vector
    """λ, (L,)."""
    thetas: Vector = field(repr=False)
    """(L, n + 1), or (L, n + 1, q) with q outputs; without an intercept n in the place of n + 1."""
    losses: Vector
    """(L,); of the squared loss the mean squared error."""
    converged: Vector
    """Whether each fit ended as it should, (L,)."""
    models: tuple[Model, ...] = field(repr=False)
    passes: int = 0
    bytes_read: int = 0
    seconds: float = 0.0

    @property
    def coefs(self) -> Vector:
        """The coefficients, (L, n), or (L, q, n) with q outputs or classes."""
        return np.stack([model.coef for model in self.models])

    @property
    def intercepts(self) -> Vector:
        """(L,), or (L, q); 0 where none was fitted."""
        return np.stack([np.asarray(model.intercept) for model in self.models])

    @property
    def nonzero(self) -> Integers:
        """Coefficients that are not 0, (L,)."""
        return np.array([np.count_nonzero(model.coef) for model in self.models], dtype=np.int64)

    def table(self) -> str:
        """A line for each strength, or for some evenly spaced ones: coefficients that are not 0, and the mean loss."""
        lines = [f"{'strength':>14}{'nonzero':>10}{'mean loss':>18}"]
        shown = spaced(len(self.penalties))
        for k in shown:
            mark = "" if self.converged[k] else "  not converged"
            lines.append(f"{self.strengths[k]:>14.6g}{self.nonzero[k]:>10}{self.losses[k]:>18.10g}{mark}")
        if len(shown) < len(self.penalties):
            lines.append(f"… {len(shown)} of {len(self.penalties)} strengths")
        return "\n".join(lines)

    def __str__(self) -> str:
        passes = f"{self.passes} pass{'es' * (self.passes != 1)}"
        return f"{len(self.penalties)} fits in {passes}, {self.seconds:.3f} s\n{self.table()}"

    def as_json(self) -> dict[str, Any]:
        """Everything as plain numbers."""
        return {
            "strengths": self.strengths.tolist(),
            "penalties": [repr(penalty) for penalty in self.penalties],
            "nonzero": self.nonzero.tolist(),
            "losses": self.losses.tolist(),
            "converged": self.converged.tolist(),
            "intercepts": self.intercepts.tolist(),
            "coefs": self.coefs.tolist(),
            "passes": self.passes,
            "bytes_read": self.bytes_read,
            "seconds": self.seconds,
        }
