"""Run as a program: writes a dataset, and is killed by SIGKILL, from outside or by itself at a chosen step."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

import dgd
from dgd.data.zarr import array_writer as columns
from dgd.data.zarr import folders
from dgd.data.zarr import outputs as writer

REDO = "python make_data.py --all"


def die(*arguments: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(path: Path, step: str) -> None:
    if step == "overwriting":
        with dgd.DatasetWriter(path, chunk_rows=100) as old:
            old.append(np.ones((500, 3)), np.ones(500))
        remove = folders.shutil.rmtree
        folders.shutil.rmtree = lambda *arguments: (remove(*arguments), die())  # type: ignore[assignment]
    elif step == "truncating":
        columns.Column.finish = die  # type: ignore[method-assign]
    elif step == "syncing":
        writer.sync_tree = die  # type: ignore[assignment]
    elif step == "beginning":
        Path.replace = die  # type: ignore[assignment,method-assign]
    elif step == "marking":
        replace = Path.replace
        Path.replace = lambda *paths: die() if paths[0].name.startswith(".") else replace(*paths)  # type: ignore
    began = dgd.DatasetWriter(path, chunk_rows=100, redo=REDO, overwrite=step == "overwriting")
    blocks = 100_000 if step == "appending" else 5
    for number in range(blocks):
        began.append(np.full((130, 3), float(number)), np.full(130, float(number)))
        print(began.rows, flush=True)
    began.commit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
