"""Small messages to a client's scheduler, for its pages: sent by the client's event loop, never waited for in a pass.

A scheduler that cannot show them (without dgd, or with another one) is asked once, and then left alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from distributed.protocol.pickle import dumps

OPERATION = "dgd_fit"
PLUGIN = "dgd-fits"
ANSWER_SECONDS = 5.0
AGAIN_SECONDS = 30.0
"""After a failure, before the scheduler is asked again: it may have been restarted."""
END_SECONDS = 0.3
"""At most so long the end of a fit waits for its message to be sent."""

Make = Callable[[], Any]
"""Makes the scheduler's plugin."""


class News:
    """What goes to one client's scheduler; one message at a time."""

    def __init__(self, client: Any, make: Make) -> None:
        self._client, self._make = client, make
        self._idle = threading.Event()
        self._idle.set()
        self._known = False
        self._not_before = -float("inf")
        self.refused = ""
        """Why the scheduler cannot show anything; empty while it can, or is not known."""
        self.told = False
        """Whether somebody was told of that."""

    @property
    def ready(self) -> bool:
        """Whether a message can be sent now."""
        return self._idle.is_set() and not self.refused and time.monotonic() >= self._not_before

    def send(self, message: dict[str, Any]) -> bool:
        """Hand a message to the event loop; False, where the one before is still on its way or none can go."""
        if not self.ready or self._client.status != "running":
            return False
        self._idle.clear()
        try:
            self._client.loop.add_callback(self._deliver, message)
        except Exception:  # a loop that is closed: the client goes, and with it the fit
            self._idle.set()
            return False
        return True

    def wait(self, seconds: float = END_SECONDS) -> None:
        """Until the last message was sent, or for so long."""
        self._idle.wait(seconds)

    async def _deliver(self, message: dict[str, Any]) -> None:
        try:
            if not self._known:
                await self._register()
            answer = await asyncio.wait_for(self._tell(message), ANSWER_SECONDS)
            if answer is None:
                # A scheduler that was restarted knows nothing of it.
                await self._register()
                answer = await asyncio.wait_for(self._tell(message), ANSWER_SECONDS)
            if not answer:
                self.refused = "its dgd is of another version"
        except (ImportError, AttributeError) as error:
            self.refused = str(error)
        except Exception:
            self._known, self._not_before = False, time.monotonic() + AGAIN_SECONDS
        finally:
            self._idle.set()

    async def _tell(self, message: dict[str, Any]) -> Any:
        return await getattr(self._client.scheduler, OPERATION)(client=self._client.id, message=message)

    async def _register(self) -> None:
        scheduler = self._client.scheduler
        found = scheduler.register_scheduler_plugin(plugin=dumps(self._make()), name=PLUGIN, idempotent=True)
        await asyncio.wait_for(found, ANSWER_SECONDS)
        self._known = True


_of_client: WeakKeyDictionary[Any, News] = WeakKeyDictionary()


def news_of(client: Any, make: Make) -> News | None:
    """What sends messages to a client's scheduler; None for one without an event loop."""
    if getattr(client, "loop", None) is None:
        return None
    if client not in _of_client:
        _of_client[client] = News(client, make)
    return _of_client[client]
