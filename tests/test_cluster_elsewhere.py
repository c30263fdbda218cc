"""What one worker cannot read is tried by another one before a fit fails; what is wrong everywhere is not."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import cluster, two_in_this_process
from distributed import Client, get_worker

import dgd
from dgd.data.buffers import Buffers
from dgd.errors import CorruptChunkError, DataError, MissingChunkError, ReadError
from dgd.passes.cluster import cut, tasks

OPTIONS: dict[str, Any] = {"solver": "gd", "tol": 0, "max_iter": 3}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 chunks of 10 rows."""
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=10) as writer:
        writer.append(rng.normal(size=(200, 3)), rng.normal(size=200))
    return path


@pytest.fixture(scope="module")
def two() -> Iterator[Client]:
    with two_in_this_process() as client:
        yield client


class Failing:
    """Parts of a pass fail on some workers, all of them in all; counts the failures of each."""

    def __init__(self, error: Callable[[], DataError], addresses: list[str]) -> None:
        self.error, self.addresses = error, addresses
        self.failures: Counter[str] = Counter()
        self._watched = tasks._watched

    def __call__(self, dataset: Any, call: Any) -> Any:
        address = get_worker().address
        if address in self.addresses:
            self.failures[address] += 1
            raise self.error()
        return self._watched(dataset, call)


def transient() -> DataError:
    error = ReadError("chunk c/1/0 cannot be read: OSError: EIO; attempts: 4", array="X", chunk="c/1/0")
    error.elsewhere = True
    return error


class Listener:
    """Remembers the events that say something."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, record: dgd.Record) -> None:
        pass

    def on_event(self, event: Any) -> None:
        self.said += [(event.kind, event.message)] if event.message else []


def execution_on(client: Client) -> dgd.Execution:
    return dgd.Execution(client=client, resident=0)


def test_another_worker_reads_what_one_could_not(store: Path, two: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "TASK_SECONDS", 1e-9)
    bad = sorted(two.scheduler_info()["workers"])[0]
    failing, listener = Failing(transient, [bad]), Listener()
    monkeypatch.setattr(tasks, "_watched", failing)
    result = dgd.fit(store, execution=execution_on(two), callbacks=[listener], **OPTIONS)
    assert failing.failures, "the worker had no part in it"
    assert result.theta.tobytes() == dgd.fit(store, threads=2, **OPTIONS).theta.tobytes()
    assert ("failed read", f"{transient()} (read by worker {bad}); another worker tries") in listener.said


def test_what_no_worker_can_read_is_its_own_error(store: Path, two: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = sorted(two.scheduler_info()["workers"])
    failing = Failing(transient, addresses)
    monkeypatch.setattr(tasks, "_watched", failing)
    with pytest.raises(ReadError, match=r"attempts: 4 \(read by worker ") as caught:
        dgd.fit(store, execution=execution_on(two), **OPTIONS)
    assert caught.value.worker in addresses
    assert (caught.value.array, caught.value.chunk) == ("X", "c/1/0")
    assert sorted(failing.failures) == addresses


@pytest.mark.parametrize("kind", [MissingChunkError, CorruptChunkError, ReadError])
def test_what_is_final_is_not_tried_again(
    kind: type[DataError], store: Path, two: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(lambda: kind("chunk c/1/0"), sorted(two.scheduler_info()["workers"]))
    monkeypatch.setattr(tasks, "_watched", failing)
    listener = Listener()
    with pytest.raises(kind, match=r"chunk c/1/0 \(read by worker "):
        dgd.fit(store, execution=execution_on(two), callbacks=[listener], **OPTIONS)
    assert not listener.said
    assert max(failing.failures.values()) == 1


def test_which_errors_may_be_of_one_machine(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO is; EACCES, a missing and a damaged chunk are not; that nothing is left of an array is."""

    def met(change: Callable[[Path], object]) -> tuple[type, bool]:
        path = shutil.copytree(store, tmp_path / "copy", dirs_exist_ok=True)
        dataset = dgd.open_dataset(path).waiting_at_most(0.3)
        change(path / "X")
        with pytest.raises(DataError) as caught:
            dataset.read(1, Buffers())
        return type(caught.value), caught.value.elsewhere

    assert met(lambda X: (X / "c" / "1" / "0").unlink()) == (MissingChunkError, False)
    assert met(lambda X: (X / "c" / "1" / "0").write_bytes(b"?" * 100)) == (CorruptChunkError, False)
    assert met(shutil.rmtree) == (MissingChunkError, True)

    for number, expected in ((errno.EIO, True), (errno.EACCES, False)):
        with monkeypatch.context() as patch:

            def fail(*arguments: Any, number: int = number) -> int:
                raise OSError(number, os.strerror(number))

            dataset = dgd.open_dataset(store).waiting_at_most(0.3)
            dataset.read(0, Buffers())
            patch.setattr(os, "readv", fail)
            patch.delattr(os, "RWF_NOWAIT", raising=False)
            with pytest.raises(ReadError) as caught:
                dataset.read(1, Buffers())
            assert caught.value.elsewhere is expected


@pytest.mark.slow
def test_a_worker_that_loses_sight_of_the_dataset(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has a working directory of its own; in that of one worker the dataset disappears."""
    monkeypatch.setattr(cut, "TASK_SECONDS", 1e-9)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        os.symlink(store, tmp_path / name / "a.zarr")
    monkeypatch.chdir(tmp_path / "here")
    listener = Listener()
    with cluster(tmp_path) as found:
        found.add_worker()
        (seeing,) = found.addresses()
        found.add_worker(cwd=tmp_path / "there")
        (other,) = {*found.addresses()} - {seeing}

        def lose(record: dgd.Record) -> None:
            if record.iteration == 2:
                (tmp_path / "there" / "a.zarr").unlink()

        options = {**OPTIONS, "max_iter": 6}
        execution = execution_on(found.client)
        result = dgd.fit("/proc/self/cwd/a.zarr", execution=execution, callbacks=[lose, listener], **options)
    assert result.theta.tobytes() == dgd.fit(store, threads=2, **options).theta.tobytes()
    (said,) = [message for kind, message in listener.said if kind == "failed read"]
    assert "this machine does not see the dataset any more" in said
    assert f"mount it here under the same path, or restore it (read by worker {other})" in said
