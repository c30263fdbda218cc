"""Ingesting again what was interrupted: files that were read to their end are taken from what was written of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dgd.data.tables.batches import MissingCells
from dgd.data.tables.columns import Selection, Table
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.data.zarr.id_writer import GROUP
from dgd.data.zarr.interrupted import (
    FinishedFile,
    Interrupted,
    file_state,
    forget_finished,
    note_finished,
    set_aside,
)

NOTED_SECONDS = 0.5
"""Finished files are written down so often at most: there may be thousands of small ones."""


@dataclass(frozen=True)
class Restart:
    """What the ingest before has written, and what its arrays are."""

    found: Interrupted
    selection: Selection

    @classmethod
    def of(
        cls, out: Path, redo: str | None, selection: Selection, chunk_rows: int, tables: Sequence[Table]
    ) -> Self | None:
        """None where the same command was not interrupted there, or had not finished a file."""
        if redo is None or len(tables) < 2:
            return None
        states = [file_state(table.path) for table in tables]
        found = set_aside(out, redo, list(_arrays(selection)), chunk_rows, states)
        return None if found is None else cls(found, selection)

    @property
    def files(self) -> int:
        """The files that are not read again."""
        return len(self.found.files)

    def append_to(self, writer: DatasetWriter, missing: MissingCells) -> tuple[int, int]:
        """Append their rows; returns their number and that of those that were left out."""
        last, arrays = self.found.files[-1], _arrays(self.selection)
        for block in self.found.blocks(list(arrays)):
            ids = {arrays[name]: values for name, values in block.items() if name.startswith(f"{GROUP}/")}
            given: dict[str, Any] = {name: block.get(name) for name in ("y", "weight", "offset")}
            writer.append(block["X"], **given, ids=ids)
        missing.counts.update(last.missing)
        return last.rows, last.rows_left_out

    def remove(self) -> None:
        """The new dataset is complete."""
        self.found.remove()


def _arrays(selection: Selection) -> dict[str, str]:
    """The arrays of a dataset, with their columns."""
    named = {"y": selection.target, "weight": selection.weight, "offset": selection.offset}
    found = {"X": "", **{name: column for name, column in named.items() if column is not None}}
    return {**found, **{f"{GROUP}/{k}": name for k, name in enumerate(selection.ids)}}


@dataclass
class Noted:
    """The files that are finished, written down beside the dataset under way."""

    writer: DatasetWriter
    tables: Sequence[Table]
    files: list[FinishedFile] = field(default_factory=list)
    written_at: float = 0.0

    @classmethod
    def of(cls, writer: DatasetWriter, tables: Sequence[Table], before: Restart | None) -> Self:
        """With those of the ingest before."""
        return cls(writer, tables, [] if before is None else list(before.found.files))

    def finished(self, rows: int, rows_left_out: int, missing: dict[str, int]) -> None:
        """The next file is; counts are of all up to it."""
        if len(self.tables) < 2 or not os.path.isdir(self.writer.path):
            return
        path = self.tables[len(self.files)].path
        self.files.append(FinishedFile(*file_state(path), rows, rows_left_out, missing))
        if time.monotonic() - self.written_at > NOTED_SECONDS:
            self.writer.keep()
            note_finished(Path(self.writer.path), self.files)
            self.written_at = time.monotonic()

    def forget(self) -> None:
        """All are."""
        if os.path.isdir(self.writer.path):
            forget_finished(Path(self.writer.path))
