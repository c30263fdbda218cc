"""Whether the way to a scheduler is encrypted, and who may reach it."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

from dgd.errors import ConfigurationError

ENCRYPTED = ("tls://", "inproc://")
"""The second does not leave the process."""


def refuse_plain(address: str) -> None:
    """Raise ConfigurationError for a scheduler that is not reached by TLS."""
    if not address.startswith(ENCRYPTED):
        raise ConfigurationError(
            f"`require_tls=True` refuses {address}: whoever reaches this scheduler can run code on it and on its "
            f"workers; start it with certificates and give its tls:// address"
        )


def warning_of(address: str) -> str | None:
    """The line about a scheduler on another machine that is not reached by TLS, None for others."""
    if address.startswith(ENCRYPTED) or _is_here(address.partition("://")[2] or address):
        return None
    return (
        f"{address} is neither encrypted nor authenticated: whoever reaches this scheduler can run code on it and on "
        f"its workers; use TLS across a network that is not yours alone (--require-tls refuses others)"
    )


def _is_here(place: str) -> bool:
    """Whether `host:port` is an address of this machine."""
    host = place.rpartition(":")[0].strip("[]") or place
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return all(map(_is_own, found))


def _is_own(address: object) -> bool:
    """Whether this machine can listen at the address."""
    text = str(address)
    with suppress(OSError, ValueError):
        ip = ipaddress.ip_address(text.partition("%")[0])
        with socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as listening:
            listening.bind((text, 0))
            return True
    return False
