"""The checksum: the values of the catalogue and of another library, and other threads run meanwhile."""

from __future__ import annotations

import itertools
import threading
import time

import google_crc32c
import numpy as np
import pytest

from dgd.data.zarr.crc32c import crc32c, joined

VALUES = np.random.default_rng(0).integers(0, 256, size=100_003).astype(np.uint8)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 63, 64, 4097, 100_003])
def test_it_is_what_zarr_computes(length: int) -> None:
    for start in (0, 1, 3):
        values = VALUES[start:length]
        assert crc32c(values) == google_crc32c.value(values)
    assert crc32c(VALUES[::3]) == google_crc32c.value(VALUES[::3].copy())


def test_the_check_value() -> None:
    assert crc32c(np.frombuffer(b"123456789", dtype=np.uint8)) == 0xE3069283


def test_other_threads_run_meanwhile() -> None:
    """Were the lock held, this thread would stand still as long as the checksum takes."""
    values = np.zeros(2**28, dtype=np.uint8)
    assert any(pause < seconds / 2 for pause, seconds in (pause_of_this_thread(values) for _ in range(10)))


def pause_of_this_thread(values: np.ndarray) -> tuple[float, float]:
    """The longest pause of this thread while another one computes a checksum, and how long that took."""
    ended = threading.Event()
    taken: list[float] = []

    def check() -> None:
        start = time.perf_counter()
        crc32c(values)
        taken.append(time.perf_counter() - start)
        ended.set()

    thread = threading.Thread(target=check)
    last, longest = time.perf_counter(), 0.0
    thread.start()
    while not ended.is_set():
        now = time.perf_counter()
        last, longest = now, max(longest, now - last)
    thread.join()
    return longest, taken[0]


def test_that_of_the_whole_from_those_of_its_parts() -> None:
    for cuts in ([], [1], [0, 0, 7], [4096, 8192], [99_999]):
        bounds = [0, *cuts, len(VALUES)]
        parts = [VALUES[a:b] for a, b in itertools.pairwise(bounds)]
        assert joined((crc32c(part), len(part)) for part in parts) == google_crc32c.value(VALUES)
    assert joined([]) == 0
