"""What a fit of many targets has written, and what it took."""

from __future__ import annotations

from dataclasses import dataclass, field

from dgd.errors.words import counted, size
from dgd.fitting.panels.plan import PanelPlan


@dataclass(frozen=True)
class FittedTargets:
    """Where coefficients were written, and what is to be known of them. `print` shows it."""

    out: str
    targets: int
    targets_without: int
    """Targets that have no coefficients (NaN): without a value, or with too few rows of their own."""
    targets_partial: int
    """Targets that lack some of the rows and were fitted from the others."""
    rows: int
    rows_left_out: int
    """Rows with a missing cell in X or in the weights."""
    rank: int
    """Independent columns of X; with fewer than there are, coefficients are those of least norm."""
    digits: float
    """Of the coefficients, that rounding leaves, by the condition of X."""
    bytes_read: int
    """Stored bytes."""
    tiles_found: int
    """Parts that an interrupted call had written, which were not fitted again."""
    plan: PanelPlan = field(repr=False)

    def __str__(self) -> str:
        rows = [
            ("written", f"{counted(self.targets, 'target')} to {self.out}"),
            ("rows", f"{self.rows:,}" + (f", {self.rows_left_out:,} left out" if self.rows_left_out else "")),
            ("read", size(self.bytes_read)),
        ]
        if self.targets_without:
            rows.append(("without", f"{counted(self.targets_without, 'target')} without coefficients (NaN)"))
        if self.targets_partial:
            rows.append(("partial", f"{counted(self.targets_partial, 'target')} from some of the rows"))
        if self.rank < self.plan.features:
            rows.append(("rank", f"{self.rank} of {self.plan.features} columns: the coefficients of least norm"))
        if self.digits < DIGITS:
            rows.append(("digits", f"{self.digits:.0f} are sure: columns of X nearly depend on each other"))
        if self.tiles_found:
            rows.append(("found", f"{counted(self.tiles_found, 'part')} of an interrupted call"))
        return "\n".join(f"{name:<10}{text}" for name, text in rows)


DIGITS = 8.0
"""With fewer, it is said."""
