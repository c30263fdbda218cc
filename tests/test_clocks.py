"""Nothing waits for ever on threads: not for a read, not past `max_seconds`, not after Ctrl-C."""

from __future__ import annotations

import _thread
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from clusters import wait_until
from hanging import hang, reading

import dgd
from dgd.errors import ReadError
from dgd.passes.threads import ThreadExecutor

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

KEY = "X/c/5/0"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """24 chunks of 4 rows."""
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=4) as writer:
        writer.append(rng.normal(size=(96, 3)), rng.normal(size=96))
    return tmp_path / "a.zarr"


def dgd_threads() -> int:
    return sum(thread.name.startswith("dgd_") for thread in threading.enumerate())


def test_a_file_that_hangs_is_given_up_and_its_thread_left(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs").touch()
    monkeypatch.setattr(os, "readv", reading(hang(KEY, str(tmp_path / "hangs"))))
    before, began = dgd_threads(), time.monotonic()
    found = r"array 'X' of .*: chunk c/5/0 \(rows 20 to 23\) cannot be read: there was no answer within 0\.5 s"
    with pytest.raises(ReadError, match=found) as caught:
        dgd.fit(files, execution=dgd.Execution(threads=2, read_timeout=0.5))
    assert 0.5 < time.monotonic() - began < 6
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/5/0", (20, 24))
    wait_until(lambda: dgd_threads() == before + 1, "all threads but the one that hangs to end")
    (tmp_path / "hangs").unlink()
    wait_until(lambda: dgd_threads() == before, "that one to end")
    assert dgd.fit(files, threads=2).converged


def test_a_pass_after_one_that_hung_has_all_its_threads(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs").touch()
    dataset = dgd.open_dataset(files).waiting_at_most(0.1)
    executor = ThreadExecutor(2)
    monkeypatch.setattr(os, "readv", reading(hang(KEY, str(tmp_path / "hangs"))))
    from sums import gradient_sum

    chunk_sum = gradient_sum(dgd.losses.Squared(), 0.3, np.zeros(3))
    with pytest.raises(ReadError):
        executor.sweep(dataset, chunk_sum)
    (tmp_path / "hangs").unlink()
    assert executor.sweep(dataset, chunk_sum).bytes_read > 0
    executor.close()


def test_an_interrupt_ends_a_fit_whose_read_hangs(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hangs").touch()
    monkeypatch.setattr(os, "readv", reading(hang(KEY, str(tmp_path / "hangs"))))
    threading.Timer(0.5, _thread.interrupt_main).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        dgd.fit(files, threads=2)
    assert time.monotonic() - began < 5
    (tmp_path / "hangs").unlink()


@pytest.mark.slow
def test_a_program_ends_though_a_read_hangs(files: Path) -> None:
    program = f"""
import asyncio, os, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import hanging, dgd
os.readv = hanging.reading(hanging.hang({KEY!r}))
from zarr.storage import LocalStore, WrapperStore
class InAThread(WrapperStore):
    async def get(self, key, *arguments, **options):
        if key == {KEY!r}:
            await asyncio.to_thread(time.sleep, 1000)
        return await super().get(key, *arguments, **options)
if __name__ == "__main__":
    for data in (path := {str(files)!r}), InAThread(LocalStore(path)):
        try:
            dgd.fit(data, execution=dgd.Execution(threads=1, read_timeout=0.2))
        except dgd.errors.ReadError as error:
            print("c/5/0" in str(error), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")
