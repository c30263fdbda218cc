"""Stores that dgd did not write, so that no seal guards their metadata, and ways to edit these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from formats import Format

import dgd

V2 = Format(2, False, "zstd", "C")
V3 = Format(3, False, "zstd+crc32c", "F")
SHARDED = Format(3, True, "gzip", "F", columns="in parts")


def document(path: Path) -> Path:
    """The metadata document of X."""
    return path / "X" / (".zarray" if (path / ".zgroup").exists() else "zarr.json")


def edit(path: Path, **changes: Any) -> None:
    """Replace top-level entries of X's metadata document."""
    file = document(path)
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def sweep(path: Path) -> list[bytes]:
    """Open the store and read all of it."""
    dataset = dgd.open_dataset(path)
    return [dataset.read(k).X.tobytes() for k in range(dataset.n_chunks)]
