"""Signs of life of what only takes time: nothing is known of it but how long it has been going on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dgd.cli.progress.counts import duration
from dgd.cli.progress.line import SIGN_SECONDS
from dgd.cli.progress.screen import screen


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Within it, each second: what is waited for, and for how long. Nothing else may be shown meanwhile."""
    began, ended = time.monotonic(), threading.Event()
    with screen() as shown:

        def show() -> None:
            while not ended.wait(SIGN_SECONDS):
                shown.sign(f"{what}  {duration(time.monotonic() - began)}")

        # The log and --quiet are known by the context, which a thread does not inherit: the screen has them.
        thread = threading.Thread(target=show, name="dgd-waiting", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
