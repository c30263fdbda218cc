"""Chunks that are swapped, rewritten, lost, damaged, slow or never come."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore, WrapperStore

import dgd
from tests.faults.rows import METHOD, compared, outcome, row, seconds_at_most, undisturbed, written


def swapped(one: Path, other: Path) -> None:
    """Exchange two files."""
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@row("A1", "two chunks of a committed dataset are swapped", expected="DatasetChangedError", before="fitted in silence")
def swapped_chunks(folder: Path) -> str:
    path = written(folder / "d.zarr")
    swapped(path / "X" / "c" / "0" / "0", path / "X" / "c" / "1" / "0")
    return outcome(lambda: dgd.fit(path))


@row("A1-foreign", "a chunk of another dataset", expected="DatasetChangedError", before="fitted in silence")
def foreign_chunk(folder: Path) -> str:
    path, other = written(folder / "d.zarr"), written(folder / "e.zarr", seed=1)
    shutil.copy(other / "X" / "c" / "3" / "0", path / "X" / "c" / "3" / "0")
    return outcome(lambda: dgd.fit(path))


def changed_in_mid_fit(path: Path, change: Callable[[], Any]) -> str:
    def other_process(record: dgd.Record) -> None:
        if record.iteration == 3:
            change()

    execution = dgd.Execution(threads=2, resident=0)
    return outcome(lambda: dgd.fit(path, max_iter=20, callbacks=[other_process], execution=execution, **METHOD))


@row("A2", "a chunk is rewritten during a fit", expected="DatasetChangedError", before="a silent mixture")
def rewritten(folder: Path) -> str:
    path = written(folder / "d.zarr")

    def rewrite() -> None:
        zarr.open_group(path, mode="r+")["y"][0:100] = 7.0  # type: ignore[index]

    return changed_in_mid_fit(path, rewrite)


@row("A2-replaced", "the dataset is replaced during a fit", expected="DatasetChangedError", before="a silent mixture")
def replaced(folder: Path) -> str:
    path = written(folder / "d.zarr")
    return changed_in_mid_fit(path, lambda: written(path, seed=1, overwrite=True))


class Disturbed(WrapperStore[Any]):
    """A store one of whose chunks fails a few times, or never comes."""

    def __init__(self, store: Any, *, fails: int = 0, hangs: bool = False) -> None:
        super().__init__(store)
        self.left, self.hangs = fails, hangs

    async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        if key == "X/c/5/0":
            if self.hangs:
                await asyncio.sleep(10**6)
            if self.left > 0:
                self.left -= 1
                raise OSError(5, "Input/output error")
        return await super().get(key, *arguments, **options)


@row("A6", "a read that never returns", expected="ReadError", before="the fit never ended")
def hung_store(folder: Path) -> str:
    path = written(folder / "d.zarr")
    store = Disturbed(LocalStore(path), hangs=True)
    execution = dgd.Execution(threads=2, resident=0, read_timeout=3)
    with seconds_at_most(20):
        return outcome(lambda: dgd.fit(store, execution=execution))


@row("A6-limit", "max_seconds=3 and a read that never returns", expected="TIME_LIMIT", before="the fit never ended")
def hung_store_and_a_limit(folder: Path) -> str:
    path = written(folder / "d.zarr")
    store = Disturbed(LocalStore(path))

    def hang(record: dgd.Record) -> None:
        store.hangs = record.iteration >= 3

    execution = dgd.Execution(threads=2, resident=0)
    with seconds_at_most(20):
        result = dgd.fit(store, max_iter=1000, max_seconds=3, callbacks=[hang], execution=execution, **METHOD)
    return f"{result.status.name} after {result.n_iter_} passes"


@row("F20", "a store fails twice with EIO", expected="same bits", before="ReadError: one 503 ended a fit of hours")
def transient(folder: Path) -> str:
    path = written(folder / "d.zarr")
    store = Disturbed(LocalStore(path), fails=2)
    return compared(dgd.fit(store, max_iter=5, threads=2, **METHOD), undisturbed(path, 5))


@row("F12", "a chunk is deleted", expected="MissingChunkError", before="MissingChunkError")
def deleted(folder: Path) -> str:
    path = written(folder / "d.zarr")
    (path / "X" / "c" / "7" / "0").unlink()
    return outcome(lambda: dgd.fit(path))


@row("F13", "a byte of a chunk is flipped", expected="CorruptChunkError", before="CorruptChunkError")
def flipped(folder: Path) -> str:
    path = written(folder / "d.zarr")
    chunk = path / "X" / "c" / "7" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    return outcome(lambda: dgd.fit(path))


@row("F15", "NaN in row 1234", expected="ValueRangeError", before="row and column are named")
def not_a_number(folder: Path) -> str:
    X = np.ones((2000, 3))
    X[1234, 2] = np.nan
    group = zarr.create_group(folder / "g.zarr")
    group.create_array("X", data=X, chunks=(100, 3))
    group.create_array("y", data=np.ones(2000), chunks=(100,))
    seen = outcome(lambda: dgd.fit(folder / "g.zarr"))
    return seen if "1234" in seen else f"row 1234 is not named: {seen}"


@row("A12", "300 bytes of metadata with 1.3·10⁸ row chunks", expected="small", before="2 GiB and 16 s")
def many_chunks(folder: Path) -> str:
    path = folder / "g.zarr"
    group = zarr.create_group(path)
    group.create_array("X", data=np.ones((400, 4)), chunks=(100, 4))
    group.create_array("y", data=np.ones(400), chunks=(100,))
    document = json.loads((path / "X" / "zarr.json").read_text())
    document["shape"] = [13_421_772_800, 4]
    (path / "X" / "zarr.json").write_text(json.dumps(document))
    dgd.fit(written(folder / "d.zarr"), max_iter=1, threads=1)  # What is imported is not counted.
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    seen = outcome(lambda: dgd.fit(path))
    more, took = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, time.monotonic() - began
    return f"{'small' if more < 100 and took < 2 else 'large'}: {more:.0f} MiB, {took:.1f} s, {seen}"


@row("A14", "Ctrl-C in dgd.fit as a library", expected="the result so far", before="all passes lost")
def interrupted(folder: Path) -> str:
    path = written(folder / "d.zarr")

    def interrupt(record: dgd.Record) -> None:
        if record.iteration == 5:
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background jobs ignore it.
    try:
        dgd.fit(path, max_iter=100_000, callbacks=[interrupt], threads=2, **METHOD)
    except KeyboardInterrupt as error:
        left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        result = getattr(error, "result", None)
        return f"no result; threads {left}" if result is None else f"the result so far: {result.n_iter_} passes"
    return "the signal was lost"
