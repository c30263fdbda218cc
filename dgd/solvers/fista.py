"""FISTA: Nesterov's accelerated gradient with a prox, by the name it has with penalties.

    xₖ₊₁ = prox(yₖ − η ∇f(yₖ), η)

Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm for linear inverse problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dgd.solvers.nesterov import Nesterov


@dataclass(frozen=True, slots=True)
class Fista(Nesterov):
    """The same method as `Nesterov`."""

    name: ClassVar[str] = "fista"
