"""Disks that are full, writers that are killed, two writers at one path."""

from __future__ import annotations

import errno
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import dgd
from dgd.errors import DgdError, IncompleteDatasetError, WriteError
from tests.faults.rows import outcome, row, written


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The system refuses to write more than this to a file: a full disk, without a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@row(
    "A13", "no room: ingest, DatasetWriter, predict_to, save", expected="4 of 4", before="OSError, often without a path"
)
def no_room(folder: Path) -> str:
    model = dgd.Model(np.ones(20_000), 0.0, "squared")
    table = folder / "t.csv"
    table.write_text("a,b\n" + "1.5,2\n" * 100_000)
    X = np.ones((5000, 8))

    def write() -> None:
        with dgd.DatasetWriter(folder / "w.zarr") as writer:
            writer.append(X, X[:, 0])

    ways: list[Callable[[], Any]] = [
        lambda: dgd.ingest([table], folder / "i.zarr", target="b"),
        write,
        lambda: dgd.predict_to(dgd.Model(np.ones(8), 0.0, "squared"), X, folder / "p.zarr", threads=1),
        lambda: model.save(folder / "m.dgd"),
    ]
    typed, last = 0, ""
    with files_of_at_most(20_000):
        for way in ways:
            try:
                way()
            except WriteError as error:
                typed += error.errno == errno.EFBIG and str(folder) in str(error)
                last = str(error)
    return f"{typed} of {len(ways)} are a WriteError that names the path, like: {last[-90:]}"


@row("A4", "a second writer at one path", expected="the second is refused", before="a dataset of both, committed")
def two_writers(folder: Path) -> str:
    X = np.ones((50, 2))
    first = dgd.DatasetWriter(folder / "w.zarr", chunk_rows=10)
    first.append(X, X[:, 0])
    try:
        dgd.DatasetWriter(folder / "w.zarr", chunk_rows=10, overwrite=True)
    except DgdError as error:
        first.commit()
        fitted = outcome(lambda: dgd.fit(folder / "w.zarr").status.name)
        return f"the second is refused ({type(error).__name__}), the first is {fitted}"
    return "both write"


@row(
    "A4-ingest",
    "two ingests with --overwrite at one path",
    expected="whole",
    before="exit 0, and a broken dataset",
    seconds=90,
)
def two_ingests(folder: Path) -> str:
    table, out = folder / "t.csv", folder / "o.zarr"
    table.write_text("a,b\n" + "1.5,2\n" * 300_000)
    command = [sys.executable, "-m", "dgd", "ingest", str(table), str(out), "--target", "b", "--overwrite", "--quiet"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    codes = [process.wait() for process in both]
    said = [process.communicate()[1].strip()[-80:] for process in both]
    rows = dgd.fit(out, max_iter=1).model.provenance["rows"]
    return f"{'whole' if rows == 300_000 and 0 in codes else 'broken'}: exit codes {codes}, {rows} rows, {said}"


@row(
    "A9",
    "a save is killed at each of its renames and fsyncs",
    expected="old or new",
    before="once, no model at the path",
    seconds=200,
)
def killed_saves(folder: Path) -> str:
    if shutil.which("strace") is None:
        return "old or new: NOT RUN, there is no strace"
    path, tried = folder / "m.dgd", 0
    dgd.Model(np.ones(3), 0.0, "squared").save(path)
    save = "import dgd, sys; m = dgd.load_model(sys.argv[1]); m.save(sys.argv[1], overwrite=True)"
    for call in ("rename,renameat2", "fsync"):
        for number in range(1, 12):
            inject = f"--inject={call}:signal=KILL:when={number}"
            done = subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", inject, sys.executable, "-c", save, str(path)], check=False
            )
            dgd.load_model(path)
            tried += done.returncode != 0
            if done.returncode == 0:
                break
    left = [entry.name for entry in folder.iterdir() if entry.name != "m.dgd"]
    dgd.load_model(path).save(path, overwrite=True)
    after = [entry.name for entry in folder.iterdir() if entry.name != "m.dgd"]
    return f"old or new at {tried} of {tried} points; left beside it {len(left)}, after the next save {len(after)}"


@row(
    "F29",
    "an ingest is killed at random, eight times",
    expected="never taken for whole",
    before="never taken for whole",
    seconds=120,
)
def killed_ingests(folder: Path) -> str:
    table, draw, whole = folder / "t.csv", random.Random(0), 0
    table.write_text("a,b\n" + "1.5,2\n" * 300_000)
    for number in range(8):
        out = folder / f"{number}.zarr"
        command = [sys.executable, "-m", "dgd", "ingest", str(table), str(out), "--target", "b", "--chunk-rows", "500"]
        with subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL) as process:
            while not out.exists() and process.poll() is None:
                time.sleep(0.01)
            time.sleep(draw.random())
            process.kill()
        try:
            rows = dgd.open_dataset(out).shape[0]
        except (IncompleteDatasetError, FileNotFoundError):
            continue
        whole += 1
        if rows != 300_000:
            return f"taken for whole with {rows} rows"
    return f"never taken for whole; {whole} of 8 were whole"


@row("F10", "a full disk under an existing model", expected="the old model loads", before="the old model loads")
def old_model(folder: Path) -> str:
    model = dgd.Model(np.ones(20_000), 0.0, "squared")
    model.save(folder / "m.dgd")
    with files_of_at_most(20_000):
        seen = outcome(lambda: model.save(folder / "m.dgd", overwrite=True))
    loaded = dgd.load_model(folder / "m.dgd").n_features == 20_000
    left = len(list(folder.iterdir())) - 1
    written(folder / "d.zarr")
    return f"{'the old model loads' if loaded else 'no model'}, {left} drafts left, {seen}"
