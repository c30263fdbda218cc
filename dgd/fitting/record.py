"""What each pass found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Array, Matrix, Vector


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


COLUMNS = (
    "iteration", "loss", "grad_norm", "learning_rate", "seconds", "rows_per_second", "bytes_read", "accepted",
    "resident_share", "validation_loss",
)  # fmt: skip


def table_of(records: Sequence[Record]) -> Matrix:
    """A row for each pass, a column for each of COLUMNS, and whether there is a validation loss."""
    rows = [[getattr(record, name) for name in COLUMNS] for record in records]
    return np.array(
        [[math.nan if value is None else value for value in row] + [row[-1] is not None] for row in rows],
        dtype=np.float64,
    ).reshape(len(rows), len(COLUMNS) + 1)


def records_of(table: Array) -> list[Record]:
    """The records that a table was made of. Raises ValueError where it is none."""
    if table.ndim != 2 or table.shape[1] != len(COLUMNS) + 1 or table.dtype != np.float64:
        raise ValueError(f"an array of {table.dtype} and shape {table.shape} is no table of passes")
    if not (table[:, 0] == np.arange(1, len(table) + 1)).all():
        raise ValueError("the passes are not numbered from 1")
    found = []
    for *numbers, validated in table.tolist():
        values = dict(zip(COLUMNS, numbers, strict=True))
        values["iteration"], values["bytes_read"] = int(values["iteration"]), int(values["bytes_read"])
        values["accepted"] = bool(values["accepted"])
        values["validation_loss"] = values["validation_loss"] if validated else None
        found.append(Record(**values))
    return found
