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

import dask
from distributed import Client, Security
from distributed.core import connect

from dgd.errors import ClusterLostError, ConfigurationError

CLOSE_SECONDS = 5.0


@contextmanager
def connected(address: str, *, timeout: float) -> Iterator[Client]:
    """A client of the scheduler at `address`, closed at the end; the logs of distributed are silenced for good.

    Raises ClusterLostError if no scheduler answers within `timeout` seconds, ConfigurationError for what is no address
    and for certificates that are not there.
    """
    _silence()
    _check_certificates(address)
    try:
        # A client that never connects prints a traceback when it is collected: so first see whether anybody is there.
        asyncio.run(_answers(address, timeout))
        client = Client(address, timeout=timeout, set_as_default=False)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{address!r} is not the address of a scheduler: {error}") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
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


def _check_certificates(address: str) -> None:
    """Raises ConfigurationError for a certificate that Dask's configuration does not name, or that is not a file."""
    setting = "distributed.comm.tls"
    named = {"ca-file": f"{setting}.ca-file", "cert": f"{setting}.client.cert", "key": f"{setting}.client.key"}
    found = {what: str(dask.config.get(name) or "") for what, name in named.items()}
    missing = [named[what] for what in ("ca-file", "cert") if not found[what]]
    if address.startswith("tls://") and missing:
        raise ConfigurationError(
            f"{address} needs certificates, and Dask's configuration has no {' and no '.join(missing)}; set them there "
            f"or as {' and '.join(map(_variable, missing))}"
        )
    for what, path in found.items():
        # Text of several lines is the certificate itself.
        if path and "\n" not in path and not Path(path).is_file():
            raise ConfigurationError(
                f"{path}, named in Dask's configuration as {named[what]} (or {_variable(named[what])}), is not a file"
            )


def _variable(setting: str) -> str:
    """The environment variable that sets an entry of Dask's configuration."""
    return "DASK_" + setting.upper().replace(".", "__").replace("-", "_")


async def _answers(address: str, timeout: float) -> None:
    # `connect` itself waits for ever for the first words of whoever accepts and says nothing.
    security = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=timeout, **security), timeout)
    await comm.close()


def _silence() -> None:
    """No log lines of a lost connection: the error that is raised says it in one sentence."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado", "asyncio"}:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
