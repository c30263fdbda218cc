"""What an interrupted ingest has written, for the one that takes its place: rows of files that were read to their end.

The folder is set aside while the new one is written, and removed when that is done. The file `dgd.reached` in it lists
the files that were finished, with the rows up to the end of each; it is gone from a complete dataset.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dgd._typing import Array
from dgd.data.zarr.commit_marker import redo_of_unfinished
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.folders import REACHED, put_file
from dgd.data.zarr.outputs import ROOT
from dgd.data.zarr.owner import locked_folder


@dataclass(frozen=True)
class FinishedFile:
    """A file of which all rows were appended, as it was then; counts are of all files up to its end."""

    path: str
    size: int
    changed: int
    rows: int
    rows_left_out: int
    missing: dict[str, int] = field(default_factory=dict)


def file_state(path: str) -> tuple[str, int, int]:
    """What tells whether a file is still the same."""
    status = os.stat(path)
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


def note_finished(folder: Path, files: Sequence[FinishedFile]) -> None:
    """Write down which files are finished."""
    put_file(folder / REACHED, [json.dumps([asdict(each) for each in files]).encode()])


def forget_finished(folder: Path) -> None:
    """The dataset is about to be complete."""
    (folder / REACHED).unlink(missing_ok=True)


@dataclass(frozen=True)
class Interrupted:
    """An unfinished dataset that was set aside, and the finished files whose rows are whole in it."""

    folder: Path
    files: tuple[FinishedFile, ...]
    chunk_rows: int

    def blocks(self, names: Sequence[str]) -> Iterator[dict[str, Array]]:
        """The rows of these files, by the names of the arrays, a chunk at a time."""
        arrays = {name: self._opened(name) for name in names}
        for start in range(0, self.files[-1].rows, self.chunk_rows):
            stop = min(start + self.chunk_rows, self.files[-1].rows)
            found = {name: np.asarray(array[start:stop]) for name, array in arrays.items()}
            yield {name: each.astype(object) if each.dtype.kind == "T" else each for name, each in found.items()}

    def _opened(self, name: str) -> Any:
        """The array as long as its whole chunks are; its document still says the length of one."""
        place = self.folder / name / ROOT
        document = json.loads(place.read_bytes())
        rows = -(-self.files[-1].rows // self.chunk_rows) * self.chunk_rows
        put_file(place, [json.dumps({**document, "shape": [rows, *document["shape"][1:]]}).encode()])
        return zarr.open_array(self.folder / name, mode="r")

    def remove(self) -> None:
        """Its rows are in the new dataset."""
        shutil.rmtree(self.folder, ignore_errors=True)


def set_aside(
    out: Path, redo: str, names: Sequence[str], chunk_rows: int, states: Sequence[tuple[str, int, int]]
) -> Interrupted | None:
    """The dataset at `out` that the same command began, set aside; None where no file is finished in it, or it is not.

    names: of its arrays. states: of the files to be read. Raises OutputInUseError while its writer is at work.
    """
    aside = sorted(out.parent.glob(f".{out.name}.{'[0-9a-f]' * 32}.old")) if out.parent.is_dir() else []
    there = [path for path in (out, *aside) if path.is_dir() and redo_of_unfinished(path) == redo]
    best: tuple[int, Path, tuple[FinishedFile, ...]] | None = None
    for path in there:
        os.close(locked_folder(path))
        files = _finished(path, names, chunk_rows, states)
        if files and (best is None or len(files) > best[0]):
            best = len(files), path, files
    if best is None:
        return None
    _, path, files = best
    for other in there:
        if other not in (path, out):
            shutil.rmtree(other, ignore_errors=True)
    if path == out:
        path = out.with_name(f".{out.name}.{uuid.uuid4().hex}.old")
        os.rename(out, path)
    return Interrupted(path, files, chunk_rows)


def _finished(
    folder: Path, names: Sequence[str], chunk_rows: int, states: Sequence[tuple[str, int, int]]
) -> tuple[FinishedFile, ...]:
    """The first files that are the same, and whose rows lie in whole chunks of every array."""
    try:
        noted = [FinishedFile(**each) for each in json.loads((folder / REACHED).read_bytes())]
    except (OSError, ValueError, TypeError):
        return ()
    same = 0
    while (
        same < min(len(noted), len(states))
        and (noted[same].path, noted[same].size, noted[same].changed) == states[same]
    ):
        same += 1
    rows = chunk_rows * min((_whole_chunks(folder / name, chunk_rows) for name in names), default=0)
    while same and noted[same - 1].rows > rows:
        same -= 1
    return tuple(noted[:same])


def _whole_chunks(array: Path, chunk_rows: int) -> int:
    """The first chunks of an array that are there and are what was written, by their crc32c."""
    try:
        shape = json.loads((array / ROOT).read_bytes())["chunk_grid"]["configuration"]["chunk_shape"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    if shape[0] != chunk_rows:
        return 0
    count = 0
    while True:
        try:
            content = np.fromfile(array.joinpath("c", str(count), *("0" for _ in shape[1:])), np.uint8)
        except OSError:
            return count
        if len(content) < 4 or crc32c(content[:-4]).to_bytes(4, "little") != content[-4:].tobytes():
            return count
        count += 1
