"""A store that hangs is given up in time, and one that fails for a moment is asked again."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from slow import store, sweep
from zarr.storage import MemoryStore, WrapperStore

import dgd
from dgd.data.zarr import event_loop, retries
from dgd.data.zarr.dataset import open_group
from dgd.data.zarr.group import Group
from dgd.data.zarr.locations import source_of
from dgd.errors import CorruptChunkError, MissingChunkError, ReadError
from dgd.testing import Fault, FaultySource, dropped, flipped

KEY = "X/c/5/0"


@cache
def stored() -> MemoryStore:
    return store()._store


@cache
def expected() -> bytes:
    return sweep(dgd.open_dataset(stored()))


class Moody(WrapperStore[Any]):
    """A store whose first requests of one key go another way."""

    def __init__(self, mood: Callable[[], Any], times: int = 10**6, key: str = KEY) -> None:
        super().__init__(stored())
        self.mood, self.times, self.key = mood, times, key
        self.asked: Counter[str] = Counter()

    async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        self.asked[key] += 1
        if key == self.key and self.asked[key] <= self.times:
            found = self.mood()
            if asyncio.iscoroutine(found):
                await found
        return await super().get(key, *arguments, **options)


async def for_ever() -> None:
    await asyncio.sleep(10**6)


async def deaf() -> None:
    """It does not even end when it is cancelled."""
    for _ in range(1000):
        try:
            await asyncio.sleep(10**6)
        except asyncio.CancelledError:
            continue


async def in_a_thread() -> None:
    await asyncio.to_thread(time.sleep, 10**6)


def blocking() -> None:
    """It blocks the event loop, and with it all other requests."""
    time.sleep(4)


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


class Answered(Exception):
    """An error of a library that speaks HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@pytest.mark.parametrize("mood", [for_ever, deaf, in_a_thread])
def test_a_request_that_hangs_is_given_up(mood: Callable[[], Any]) -> None:
    began = time.monotonic()
    found = r"chunk c/5/0 \(rows 20 to 23\).*no answer within 0\.4 s.*read_timeout"
    with pytest.raises(ReadError, match=found) as caught:
        dgd.fit(Moody(mood), execution=dgd.Execution(threads=2, read_timeout=0.4), max_iter=3)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/5/0", (20, 24))
    assert time.monotonic() - began < 2


def test_an_event_loop_that_hangs_is_given_up() -> None:
    before = event_loop.running_loop()
    began = time.monotonic()
    with pytest.raises(ReadError, match=r"no answer within 0\.4 s"):
        dgd.fit(Moody(blocking), execution=dgd.Execution(threads=2, read_timeout=0.4))
    assert time.monotonic() - began < 3.5
    assert event_loop.running_loop() is not before
    assert sweep(dgd.open_dataset(Moody(blocking, times=0))) == expected()


def test_an_answer_that_was_lost_is_asked_for_again() -> None:
    hanging = Moody(for_ever, times=1)
    assert sweep(dgd.open_dataset(hanging).waiting_at_most(1.0)) == expected()
    assert hanging.asked[KEY] == 2


def test_a_slow_answer_still_counts() -> None:
    late = Moody(lambda: asyncio.sleep(0.5))
    assert sweep(dgd.open_dataset(late).waiting_at_most(1.0)) == expected()


TRANSIENT = [
    TimeoutError(),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    OSError(errno.EIO, "input/output error"),
    BlockingIOError(),
    Answered(503),
    Answered(429),
]
FINAL = [PermissionError(errno.EACCES, "no"), Answered(403), OSError(errno.EINVAL, "no"), ValueError(), OSError("?")]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.001, 0.001, 0.001))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
@pytest.mark.parametrize("key", [KEY, "X/zarr.json"])
def test_a_transient_error_is_asked_again(error: Exception, key: str) -> None:
    moody = Moody(failing(error), times=3, key=key)
    assert sweep(dgd.open_dataset(moody)) == expected()
    assert moody.asked[key] == 4
    moody = Moody(failing(error), key=key)
    with pytest.raises(ReadError, match="attempts: 4"):
        sweep(dgd.open_dataset(moody))
    assert moody.asked[key] == 4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_another_error_is_final(error: Exception) -> None:
    moody = Moody(failing(error))
    with pytest.raises(ReadError):
        sweep(dgd.open_dataset(moody))
    assert moody.asked[KEY] == 1


def test_retries_end_with_the_time_of_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.3, 0.3, 0.3))
    monkeypatch.setattr(retries, "SPREAD", 0.0)
    moody = Moody(failing(TimeoutError()))
    began = time.monotonic()
    with pytest.raises(ReadError, match=r"attempts: [12]$"):
        sweep(dgd.open_dataset(moody).waiting_at_most(0.4))
    assert time.monotonic() - began < 1


@pytest.mark.usefixtures("quick")
def test_a_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=10) as writer:
        writer.append(np.ones((40, 2)), np.ones(40))
    dataset, readv, left = dgd.open_dataset(tmp_path / "a.zarr"), os.readv, [3]
    before = sweep(dataset)

    def flaky(*arguments: Any) -> int:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return readv(*arguments)

    monkeypatch.setattr(os, "readv", flaky)
    monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    assert sweep(dataset) == before
    assert left == [0]


def flipped_once() -> Fault:
    """A fault of the line: what is stored is whole."""
    times = iter([flipped(17)])
    return lambda content: next(times, bytes)(content)


@pytest.mark.parametrize(
    ("fault", "error", "reads"),
    [(flipped_once(), None, 2), (flipped(17), CorruptChunkError, 2), (dropped, MissingChunkError, 1)],
)
def test_a_damaged_chunk_is_read_once_more_and_a_missing_one_is_not(
    fault: Fault, error: type[Exception] | None, reads: int
) -> None:
    source = FaultySource(source_of(stored()), {KEY: fault})
    dataset = open_group(Group(source))
    if error is None:
        assert sweep(dataset) == expected()
    else:
        with pytest.raises(error):
            sweep(dataset)
    assert source.requests.count(KEY) == reads
