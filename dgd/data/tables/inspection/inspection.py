"""What `dgd.inspect` returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dgd.errors.words import counted, visible


@dataclass(frozen=True)
class InspectedColumn:
    """A column: what its cells hold, how many are missing, and what is to be said of it."""

    name: str
    holds: str
    """"numbers", "booleans", "dates", "text", "nothing", or several of them."""
    missing: int
    values: str
    """Extremes, or levels."""
    levels: int | None
    """Different texts; None if it has none, or more than are told apart."""
    infinite: int
    note: str
    """Why it is left out by the command, "" if it is not."""


@dataclass(frozen=True)
class Inspection:
    """What `dgd.inspect` has found."""

    files: tuple[str, ...]
    rows: int
    columns: tuple[InspectedColumn, ...]
    read_as: dict[str, str]
    """How CSV files that are not as usual were read."""
    rows_with_missing: int | None
    """Rows with a missing cell in a column that the command uses; None if that was not counted."""
    obstacles: tuple[str, ...]
    command: str | None
    """What ingests the files; None where something has to be mended first."""
    fit: str | None = None
    """What fits them as they are, text as categories or classes; None without a target, or where it is not possible."""

    def as_json(self) -> dict[str, Any]:
        """Everything, in the types JSON has."""
        return {**asdict(self), "columns": [asdict(column) for column in self.columns]}

    def __str__(self) -> str:
        """Everything, as a person reads it."""
        lines = [visible(", ".join(self.files[:3]) + (f" and {len(self.files) - 3:,} more" * (len(self.files) > 3)))]
        lines[0] += f": {counted(self.rows, 'row')} × {counted(len(self.columns), 'column')}"
        lines += [visible(f"{path}: {how}") for path, how in self.read_as.items()]
        rows = [("column", "holds", "missing", "values", ""), *(_row(column) for column in self.columns)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]
        lines += ["", *(visible(f"- {text}") for text in self.obstacles)] if self.obstacles else []
        lines += ["", "ingest it with", f"  {visible(self.command)}"] if self.command is not None else []
        lines += ["", "or fit it as it is with", f"  {visible(self.fit)}"] if self.fit is not None else []
        return "\n".join(lines)


def _row(column: InspectedColumn) -> tuple[str, ...]:
    missing = f"{column.missing:,}" if column.missing else "–"
    return tuple(map(visible, (column.name or "''", column.holds, missing, column.values, column.note)))
