"""How near columns are to depending on each other: variance inflation factors and condition indices.

    VIF_j = (H⁻¹)_jj · (H_jj − H_0j²/H_00)       1 for a column that no other one predicts
    η_k = σ_1/σ_k                                of the columns with the intercept's, each of length 1
    π_kj = (v_kj/σ_k)² / Σ_l (v_lj/σ_l)²         the part of coefficient j's variance that direction k has

H = Σ w·l″·xxᵀ. A condition index above 30 with parts above ½ for two columns or more tells them to be near each other.
Belsley, Kuh and Welsch (1980), Regression Diagnostics, chapter 3; Fox and Monette (1992) for losses other than squared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors.words import visible

LARGE_INDEX = 30.0
LARGE_PART = 0.5
SHOWN = 6


@dataclass(frozen=True, eq=False)
class Condition:
    """Condition indices, ascending, and of each the parts of the coefficients' variances, (directions, p)."""

    indices: Vector
    parts: Matrix
    names: tuple[str, ...]

    def involved(self, direction: int = -1) -> tuple[str, ...]:
        """The columns of which a direction has more than half of the variance; by default that of the largest index."""
        return tuple(name for name, part in zip(self.names, self.parts[direction], strict=True) if part > LARGE_PART)

    def warning(self) -> str:
        """The largest index and its columns, in a sentence; nothing where it is not above 30 or has but one column."""
        index, columns = float(self.indices[-1]), self.involved()
        if index <= LARGE_INDEX or len(columns) < 2:
            return ""
        more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
        return f"condition index {index:,.0f}: near each other are {', '.join(map(visible, columns[:SHOWN]))}{more}"

    def as_json(self) -> dict[str, Any]:
        """As lists."""
        return {"indices": self.indices.tolist(), "parts": self.parts.tolist(), "names": list(self.names)}


def inflation(H: Matrix, inverse_root: Matrix, *, intercept: bool) -> Vector:
    """The factor of each column; H with the intercept's row first, H⁻¹ = A Aᵀ."""
    first = int(intercept)
    own = np.diag(H)[first:].copy()
    if intercept:
        own -= H[0, 1:] ** 2 / H[0, 0]
    found: Vector = own * np.einsum("ij,ij->i", inverse_root, inverse_root)[first:]
    return found


def condition_of(root: Matrix, names: tuple[str, ...]) -> Condition:
    """root: R with RᵀR = H of the columns as they are, the intercept's among them."""
    length = np.linalg.norm(root, axis=0)
    _, sigma, rotation = np.linalg.svd(root / np.where(length > 0, length, 1.0))
    sigma = np.maximum(sigma, np.finfo(np.float64).eps * sigma[0])
    phi = (rotation / sigma[:, None]) ** 2
    return Condition(sigma[0] / sigma, phi / phi.sum(axis=0), names)
