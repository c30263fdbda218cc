"""Asking a store again where that may help.

transient   a timeout, a connection that was reset, 5xx and 429, EIO: asked again up to three times, with pauses
final       missing (404), refused (403), and everything else
"""

from __future__ import annotations

import errno
import random
import time
from typing import Any

from dgd._typing import Bytes
from dgd.data.buffers import Buffers
from dgd.data.zarr.answers import READ_TIMEOUT, Unanswered
from dgd.data.zarr.sources import Source
from dgd.errors import ReadError

PAUSES = (0.1, 0.4, 1.6)
"""Seconds before each further attempt, more or less: workers that failed together do not come back together."""
SPREAD = 0.5

TRANSIENT_ERRNO = {
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "EINTR"),
        *("EIO", "ENETDOWN", "ENETRESET", "ENETUNREACH", "ENOBUFS", "EPIPE", "EREMOTEIO", "ESTALE", "ETIMEDOUT"),
    )
    if hasattr(errno, name)
}
TRANSIENT_STATUS = {408, 425, 429, *range(500, 600)}
TRANSIENT_NAMES = {
    "ClientConnectionError", "ClientOSError", "ClientPayloadError", "ConnectTimeout", "ConnectTimeoutError",
    "ConnectionClosedError", "EndpointConnectionError", "IncompleteRead", "IncompleteReadError", "ReadTimeout",
    "ReadTimeoutError", "RemoteProtocolError", "ServerDisconnectedError", "ServerTimeoutError", "ServiceRequestError",
    "ServiceResponseError",
}  # fmt: skip
"""Of the libraries that stores are built on, which dgd does not import."""


def fetch(source: Source, key: str, buffers: Buffers, *, at_most: int, timeout: float = READ_TIMEOUT) -> Bytes | None:
    """The bytes under a key as `Source.get` has them, asked for again after a transient error.

    timeout: seconds for all attempts together.
    """
    began = time.perf_counter()
    try:
        return _attempts(source, key, buffers, at_most=at_most, timeout=timeout)
    finally:
        buffers.watch.read_seconds += time.perf_counter() - began


def _attempts(source: Source, key: str, buffers: Buffers, *, at_most: int, timeout: float) -> Bytes | None:
    end, left = time.monotonic() + timeout, timeout
    for attempt, pause in enumerate((*PAUSES, None), 1):
        try:
            return source.get(key, buffers, at_most=at_most, timeout=left)
        except ReadError as error:
            if not is_transient(error.__cause__):
                error.elsewhere = isinstance(error.__cause__, Unanswered)
                raise
            seconds = 0.0 if pause is None else pause * random.uniform(1 - SPREAD, 1 + SPREAD)
            if pause is None or time.monotonic() + seconds >= end:
                failure = ReadError(f"{error}; attempts: {attempt}", chunk=error.chunk)
                failure.elsewhere = True
                raise failure from error.__cause__
        time.sleep(seconds)
        left = max(end - time.monotonic(), 0.0)
    raise AssertionError("the last attempt returns or raises")


def is_transient(error: BaseException | None) -> bool:
    """Whether the same request may well be answered a moment later."""
    if error is None or isinstance(error, (FileNotFoundError, PermissionError)):
        return False
    status = _http_status(error)
    if status is not None:
        return status in TRANSIENT_STATUS
    if isinstance(error, (TimeoutError, ConnectionError, BlockingIOError, InterruptedError)):
        return True
    if isinstance(error, OSError) and error.errno in TRANSIENT_ERRNO:
        return True
    return any(kind.__name__ in TRANSIENT_NAMES for kind in type(error).__mro__)


def _http_status(error: BaseException) -> int | None:
    """The status of an HTTP answer, where the error is one of aiohttp, requests, httpx, google or botocore."""
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):
        metadata = answer.get("ResponseMetadata")
        status: Any = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    else:
        status = next(
            (
                found
                for holder in (error, answer)
                for name in ("status", "status_code", "code")
                if isinstance(found := getattr(holder, name, None), int)
            ),
            None,
        )
    return int(status) if isinstance(status, int) and 100 <= status < 600 else None
