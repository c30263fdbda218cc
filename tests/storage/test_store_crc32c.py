"""The checksum: google's values, whichever way it is called, and other threads run meanwhile."""

from __future__ import annotations

import threading

import google_crc32c
import numpy as np
import pytest

from dgd.storage import crc32c as module

VALUES = np.random.default_rng(0).integers(0, 256, size=100_003).astype(np.uint8)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 63, 64, 4097, 100_003])
def test_it_is_googles(length: int, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if own:
        monkeypatch.setattr(module, "_function", None)
    for start in (0, 1, 3):
        values = VALUES[start:length]
        assert module.crc32c(values) == google_crc32c.value(values)
    assert module.crc32c(VALUES[::3]) == google_crc32c.value(VALUES[::3].copy())


def test_the_check_value() -> None:
    assert module.crc32c(np.frombuffer(b"123456789", dtype=np.uint8)) == 0xE3069283


def test_without_the_library_googles_function_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str) -> None:
        raise OSError(path)

    monkeypatch.setattr(module.ctypes, "CDLL", missing)
    assert module._library_function() is None


def test_other_threads_run_meanwhile() -> None:
    """On the platforms of the CI the library is there; were the lock held, nothing could be counted."""
    values = np.zeros(2**28, dtype=np.uint8)
    started, ended = threading.Event(), threading.Event()

    def check() -> None:
        started.set()
        module.crc32c(values)
        ended.set()

    thread = threading.Thread(target=check)
    counted = 0
    thread.start()
    started.wait()
    while not ended.is_set():
        counted += 1
    thread.join()
    assert module._function is not None
    assert counted > 1000
