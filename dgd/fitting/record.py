"""What each pass found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Array, Matrix, Vector
from dgd.data.times import Times

FOR_CALLBACKS = ("theta", "passes_expected")
"""Fields of a record that the history does not keep."""


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
    read_seconds: float = 0.0
    """Of all threads together, until the bytes of stored chunks were there."""
    decode_seconds: float = 0.0
    """Of all threads, making rows of them; of Parquet and of Dask's blocks, reading as well."""
    compute_seconds: float = 0.0
    """Of all threads, in sums."""
    wait_seconds: float = 0.0
    """What is left of the threads' time: messages of a cluster, and the end of a pass."""
    theta: Vector | None = field(default=None, repr=False, compare=False)
    """θ of that point, for callbacks; the history does not keep it."""

    passes_expected: int | None = field(default=None, repr=False, compare=False)
    """Passes that the whole fit is expected to make, for callbacks; None where that cannot be told."""

    def as_json(self) -> dict[str, Any]:
        """What the history keeps; a number that is not finite is None."""
        found = {name: value for name, value in asdict(self).items() if name not in FOR_CALLBACKS}
        return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in found.items()}


COLUMNS = (
    "iteration", "loss", "grad_norm", "learning_rate", "seconds", "rows_per_second", "bytes_read", "accepted",
    "resident_share", "validation_loss",
)  # fmt: skip
SPLIT = ("read_seconds", "decode_seconds", "compute_seconds", "wait_seconds")
"""Where the threads of a pass spent their time."""


def split_of(times: Times) -> dict[str, Any]:
    """The fields of SPLIT."""
    return {name: getattr(times, name.removesuffix("_seconds")) for name in SPLIT}


def time_split(records: Sequence[Record]) -> dict[str, float]:
    """Seconds of all threads in these passes, by what they were spent on; empty where nobody measured them."""
    found = {name.removesuffix("_seconds"): sum(getattr(record, name) for record in records) for name in SPLIT}
    return found if sum(found.values()) > 0 else {}


WIDTH = len(COLUMNS) + 1 + len(SPLIT)


def table_of(records: Sequence[Record]) -> Matrix:
    """A row for each pass, a column for each of COLUMNS, whether there is a validation loss, and those of SPLIT."""
    rows = [[getattr(record, name) for name in COLUMNS] for record in records]
    split = [[getattr(record, name) for name in SPLIT] for record in records]
    return np.array(
        [
            [math.nan if value is None else value for value in row] + [row[-1] is not None, *more]
            for row, more in zip(rows, split, strict=True)
        ],
        dtype=np.float64,
    ).reshape(len(rows), WIDTH)


def records_of(table: Array) -> list[Record]:
    """The records that a table was made of, or an older dgd without SPLIT. Raises ValueError where it is none."""
    if table.ndim != 2 or table.shape[1] not in (len(COLUMNS) + 1, WIDTH) or table.dtype != np.float64:
        raise ValueError(f"an array of {table.dtype} and shape {table.shape} is no table of passes")
    if not (table[:, 0] == np.arange(1, len(table) + 1)).all():
        raise ValueError("the passes are not numbered from 1")
    found = []
    for row in table.tolist():
        values, validated = dict(zip(COLUMNS, row, strict=False)), row[len(COLUMNS)]
        values |= dict(zip(SPLIT, row[len(COLUMNS) + 1 :], strict=False))
        values["iteration"], values["bytes_read"] = int(values["iteration"]), int(values["bytes_read"])
        values["accepted"] = bool(values["accepted"])
        values["validation_loss"] = values["validation_loss"] if validated else None
        found.append(Record(**values))
    return found
