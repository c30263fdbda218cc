"""A connection to a Dask scheduler, for a program that opens one for itself and closes it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, Security
from distributed.core import connect

from dgd.errors import ClusterLostError, ConfigurationError
from dgd.passes.cluster.certificates import check_certificates, why

CLOSE_SECONDS = 5.0


@contextmanager
def connected(address: str, *, timeout: float) -> Iterator[Client]:
    """A client of the scheduler at `address`, closed at the end; the logs of distributed are silenced for good.

    Raises ClusterLostError if no scheduler answers within `timeout` seconds, ConfigurationError for what is no address
    and for certificates that are not there.
    """
    _silence()
    check_certificates(address)
    try:
        # A client that never connects prints a traceback when it is collected: so first see whether anybody is there.
        asyncio.run(_answers(address, timeout))
        client = Client(address, timeout=timeout, set_as_default=False)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{address!r} is not the address of a scheduler: {error}") from error
    except Exception as error:
        reason = why(address, error)
        raise ClusterLostError(
            f"no scheduler answers at {address} within {timeout:g} s ({reason}); start one with `dask scheduler`, or "
            f"leave the address out to run on threads"
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=CLOSE_SECONDS)


def scheduler_address(path: str | os.PathLike[str]) -> str:
    """The address in a scheduler file, as `dask scheduler --scheduler-file` writes it."""
    try:
        return str(json.loads(Path(path).read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is not a scheduler file ({type(error).__name__}: {error}); "
            f"`dask scheduler --scheduler-file {path}` writes one"
        ) from error


async def _answers(address: str, timeout: float) -> None:
    # `connect` itself waits for ever for the first words of whoever accepts and says nothing.
    security = Security().get_connection_args("client")
    # A moment later than it gives up by itself, with a reason.
    comm = await asyncio.wait_for(connect(address, timeout=timeout, **security), timeout + 1.0)
    await comm.close()


def _silence() -> None:
    """No log lines of a lost connection: the error that is raised says it in one sentence."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado", "asyncio"}:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
