"""Nothing waits for ever on threads: not for a read, not past `max_seconds`, not after Ctrl-C."""

from __future__ import annotations

import _thread
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from clusters import wait_until
from hanging import hang, slow_reads

import dgd
from dgd.errors import ReadError
from dgd.passes.events import Kind
from dgd.passes.threads import ThreadExecutor

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

KEY = "X/c/5/0"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgd.passes.watched_threads.PATIENCE", 0.1)


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
    slow_reads(monkeypatch, hang(KEY, str(tmp_path / "hangs")))
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
    slow_reads(monkeypatch, hang(KEY, str(tmp_path / "hangs")))
    from sums import gradient_sum

    chunk_sum = gradient_sum(dgd.losses.Squared(), 0.3, np.zeros(3))
    with pytest.raises(ReadError):
        executor.sweep(dataset, chunk_sum)
    (tmp_path / "hangs").unlink()
    assert executor.sweep(dataset, chunk_sum).bytes_read > 0
    executor.close()


def test_an_interrupt_ends_a_fit_whose_read_hangs(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hangs").touch()
    slow_reads(monkeypatch, hang(KEY, str(tmp_path / "hangs")))
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
hanging.always(hanging.hang({KEY!r}))
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


def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> Path:
    """A file; while it is there, reading a chunk hangs."""
    flag = tmp_path / "hangs"
    slow_reads(monkeypatch, hang(key, str(flag)))
    return flag


@pytest.mark.each(2)
@pytest.mark.parametrize("key", [KEY, "y/c/5"])
def test_max_seconds_ends_a_fit_before_its_first_pass(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """y is read before X is, for the best constant."""
    flag = hanging(tmp_path, monkeypatch, key)
    flag.touch()
    began = time.monotonic()
    result = dgd.fit(files, threads=2, max_seconds=0.5)
    assert time.monotonic() - began < 6
    flag.unlink()
    assert (result.status, result.history, result.n_iter_) == (dgd.Status.TIME_LIMIT, [], 0)
    assert np.isnan(result.loss)
    assert (result.coef_ == 0).all()
    assert "no pass was finished" in result.message
    assert result.summary()
    assert result.as_json()["loss"] is None


@pytest.mark.each(3)
@pytest.mark.parametrize("solver", ["gd", "lbfgs", "newton", "fista", "minibatch"])
def test_max_seconds_ends_a_pass_in_the_middle_with_the_last_whole_one(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, solver: str
) -> None:
    def begin(record: dgd.Record) -> None:
        if record.iteration == 2:
            flag.touch()

    options: dict[str, Any] = {"loss": "huber", "solver": solver, "tol": 0}
    expected = dgd.fit(files, threads=2, max_iter=2, **options)
    flag = hanging(tmp_path, monkeypatch)
    execution = dgd.Execution(threads=2, resident=0)
    result = dgd.fit(files, execution=execution, max_seconds=0.5, callbacks=[begin], **options)
    flag.unlink()
    assert result.status is dgd.Status.TIME_LIMIT
    assert result.n_iter_ == 2
    assert result.theta.tobytes() == expected.theta.tobytes()
    assert (result.loss, result.loss_is_before_last_step) == (expected.loss, expected.loss_is_before_last_step)


@pytest.mark.slow
def test_max_seconds_while_validation_rows_hang(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dgd.DatasetWriter(tmp_path / "v.zarr", chunk_rows=4) as writer:
        writer.append(np.ones((24, 3)), np.ones(24))
    hanging(tmp_path, monkeypatch, "v.zarr/X/c/5/0").touch()
    result = dgd.fit(files, threads=2, solver="gd", max_seconds=0.5, validation=tmp_path / "v.zarr")
    (tmp_path / "hangs").unlink()
    assert (result.status, result.n_iter_) == (dgd.Status.TIME_LIMIT, 0)
    assert (result.coef_ == 0).all()


class Listener:
    """A callback that hears of events and ends the fit in a pass that does not get on."""

    def __init__(self, stuck: float) -> None:
        self.stuck, self.events = stuck, list[Any]()

    def __call__(self, record: dgd.Record) -> None:
        """It goes on after whole passes."""

    def on_event(self, event: Any) -> bool:
        self.events.append(event)
        return bool(event.stuck > self.stuck)


@pytest.mark.slow
def test_a_callback_hears_of_a_pass_and_ends_it(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgd.passes.watched_threads.SLOW_SECONDS", 0.3)
    hanging(tmp_path, monkeypatch).touch()
    listener = Listener(0.6)
    result = dgd.fit(files, threads=2, callbacks=[listener])
    (tmp_path / "hangs").unlink()
    assert result.status is dgd.Status.INTERRUPTED
    assert 0.6 < listener.events[-1].stuck < 3
    (slow,) = [event.message for event in listener.events if event.kind == "slow read"]
    assert re.search(r"chunk c/5/0 \(rows 20 to 23\) has not been read for \d s; waiting up to 120 s", slow)
    assert {type(event) for event in listener.events} == {dgd.Event}


def test_the_guide_lists_every_event_and_each_is_made_somewhere() -> None:
    package = Path(dgd.__file__).parent
    listed = re.findall(r'^\| `"([a-z ]+)"` \|', (package / "guide" / "jobs.md").read_text(), re.MULTILINE)
    assert listed == list(get_args(Kind))
    code = "".join(path.read_text() for path in (package / "passes").rglob("*.py"))
    assert set(re.findall(r'(?:Event|\.say)\("([a-z ]+)"', code)) == set(listed)


@pytest.mark.slow
def test_one_ctrl_c_ends_a_command_whose_read_hangs(files: Path, tmp_path: Path) -> None:
    flag = tmp_path / "hangs"
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import hanging, dgd.cli
hanging.always(hanging.hang({KEY!r}, {str(flag)!r}))
sys.exit(dgd.cli.main())
"""
    command = [sys.executable, "-c", program, "fit", str(files), "--threads", "2", "--resident", "0", "--tol", "0"]
    more = ["-v", "--solver", "gd", "--max-iter", "100000000", "--out", str(tmp_path / "m.dgd"), "--json"]
    for passes in (0, 3):
        if passes == 0:
            flag.touch()
        child = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stderr is not None
        for line in child.stderr:
            if ("solver" if passes == 0 else "  pass 3 ") in line:
                flag.touch()
                break
        time.sleep(1)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
        assert time.monotonic() - began < 12
        flag.unlink()
        assert (child.returncode, json.loads(out)["status"]) == (130, "interrupted"), err
        assert (json.loads(out)["n_iter"] > 0) == (passes > 0) == (tmp_path / "m.dgd").exists()
