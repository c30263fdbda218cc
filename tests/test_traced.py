"""What other threads take meanwhile is not counted; what the call itself takes is, each time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from traced import peak_of


def test_a_thread_that_was_left_behind_is_not_counted() -> None:
    """It allocates 8 MB during the first measurement."""
    late = threading.Thread(target=bytearray, args=(2**23,))
    begins: Iterator[threading.Thread] = iter([late])

    def call() -> bytearray:
        for thread in begins:
            thread.start()
            thread.join()
        return bytearray(2**16)

    assert 2**16 < peak_of(call, 2**20) < 2**17


def test_a_call_that_takes_too_much_is_found() -> None:
    assert peak_of(lambda: bytearray(2**21), 2**20) > 2**21
