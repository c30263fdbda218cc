"""Memory that is used again, and given back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from dgd.data.buffers import HUGE_PAGE, MAPPED_BYTES, Buffers, aligned
from dgd.passes.memory import resident_bytes


@pytest.mark.parametrize("n_bytes", [1, MAPPED_BYTES - 1, MAPPED_BYTES, HUGE_PAGE, 5 * 2**20 + 3])
def test_memory_begins_with_a_cache_line_and_can_be_written(n_bytes: int) -> None:
    memory = aligned(n_bytes)
    memory[...] = 7
    assert (memory.nbytes, memory.sum()) == (n_bytes, 7 * n_bytes)
    assert memory.ctypes.data % 64 == 0


@pytest.mark.parametrize("n_bytes", [HUGE_PAGE - 1, HUGE_PAGE, 5 * 2**20 + 3])
def test_whole_huge_pages_are_asked_for_and_no_more(n_bytes: int) -> None:
    memory = aligned(n_bytes)
    first = memory.ctypes.data
    smaps = Path("/proc/self/smaps").read_text()
    regions = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .*?^VmFlags: ([a-z0-9 ]+)$", smaps, re.DOTALL | re.MULTILINE)
    huge = [(int(a, 16), int(b, 16)) for a, b, flags in regions if "hg" in flags.split()]
    whole = n_bytes // HUGE_PAGE * HUGE_PAGE
    offered = Path("/sys/kernel/mm/transparent_hugepage").exists()
    assert not whole or not offered or any(a <= first and first + whole <= b for a, b in huge)
    assert n_bytes == whole or not any(a < first + n_bytes <= b for a, b in huge)


def test_what_is_let_go_of_is_given_back() -> None:
    """A heap would keep it, and whoever measures a process would count it twice."""
    before = resident_bytes()
    for size in (8, 24, 12, 16):
        buffers = Buffers()
        for name in ("encoded", "decoded", "block"):
            buffers.take(name, (size, 2**20), np.uint8)[...] = 1
        assert resident_bytes() - before > 2 * size * 2**20
        del buffers
        assert resident_bytes() - before < 2 * 2**20


def test_what_there_is_no_memory_for_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        aligned(2**60)


def test_an_array_grows_and_stays() -> None:
    buffers = Buffers()
    small, same = buffers.take("a", (3, 2), np.float64), buffers.take("a", (3, 2), np.float64)
    assert small is same
    large = buffers.take("a", (300, 2), np.float64)
    assert np.shares_memory(buffers.take("a", (2,), np.int32), large)
    assert not np.shares_memory(buffers.take("b", (2,), np.int32), large)
    assert not np.shares_memory(buffers.within("X").take("a", (2,), np.int32), large)
