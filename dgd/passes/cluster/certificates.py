"""The certificates of a way to a scheduler: whether they are there, until when they hold, and what went wrong."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dask

from dgd.errors import ConfigurationError
from dgd.passes.cluster.dask_settings import variable_of

SETTING = "distributed.comm.tls"
SEQUENCE, VERSION, UTC_TIME = 0x30, 0xA0, 0x17
"""Tags of DER: a sequence, the version of a certificate, and a time with two digits for the year."""
UNFINISHED = re.compile(
    r"SSLEOFError|EOF occurred|Stream is closed|Connection reset|ALERT|alert|handshake|[Tt]imed? ?out"
)
"""What is left of a handshake that the other side ends, or does not answer."""


def check_certificates(address: str) -> None:
    """Raises ConfigurationError for one that Dask's configuration does not name, that is no file, or has expired."""
    named = {"ca-file": f"{SETTING}.ca-file", "cert": f"{SETTING}.client.cert", "key": f"{SETTING}.client.key"}
    found = {what: str(dask.config.get(name) or "") for what, name in named.items()}
    missing = [named[what] for what in ("ca-file", "cert") if not found[what]]
    if address.startswith("tls://") and missing:
        raise ConfigurationError(
            f"{address} needs certificates, and Dask's configuration has no {' and no '.join(missing)}; set them there "
            f"or as {' and '.join(map(variable_of, missing))}"
        )
    for what, path in found.items():
        # Text of several lines is the certificate itself.
        if path and "\n" not in path and not Path(path).is_file():
            raise ConfigurationError(
                f"{path}, named in Dask's configuration as {named[what]} (or {variable_of(named[what])}), is not a file"
            )
    for what in ("ca-file", "cert") if address.startswith("tls://") else ():
        last = valid_until(found[what])
        if last is not None and last < datetime.now(UTC):
            path = found[what] if "\n" not in found[what] else "the certificate"
            raise ConfigurationError(
                f"{path}, named in Dask's configuration as {named[what]}, has expired on {last:%Y-%m-%d %H:%M} UTC; "
                f"make another one"
            )


def valid_until(certificate: str) -> datetime | None:
    """The last moment of a certificate (a path, or PEM itself); None where it cannot be read."""
    with suppress(OSError, ValueError, IndexError):
        text = certificate if "\n" in certificate else Path(certificate).read_text("ascii")
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        der = ssl.PEM_cert_to_DER_cert(text[text.index(begin) : text.index(end) + len(end)])
        (whole,) = (content for _, content in _parts(der))
        _, signed = next(_parts(whole))
        # Version, serial number, algorithm, issuer, validity: the version may be missing.
        fields = [(tag, content) for tag, content in _parts(signed) if tag != VERSION]
        tag, last = list(_parts(fields[3][1]))[1]
        return datetime.strptime(last.decode("ascii"), "%y%m%d%H%M%SZ" if tag == UTC_TIME else "%Y%m%d%H%M%SZ").replace(
            tzinfo=UTC
        )
    return None


def why(address: str, error: BaseException) -> str:
    """What is wrong on the way to a scheduler, in words, as far as this side can know."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__ or step.__context__
    said = " ".join(f"{type(each).__name__}: {each}" for each in chain)
    plain = str(error) or type(error).__name__
    if not address.startswith("tls://"):
        reset = "Connection reset" in said or "closed" in said
        return f"{plain}; a scheduler with TLS has an address that begins with tls://" if reset else plain
    if re.search("CERTIFICATE_EXPIRED|certificate expired", said):
        return "the scheduler says that this client's certificate has expired; make another one"
    if "certificate has expired" in said:
        return "the scheduler's certificate, or that of its authority, has expired; make another one"
    if "does not match" in said or "CERTIFICATE_VERIFY_FAILED" in said or "UNKNOWN_CA" in said:
        return f"the certificates are not of one authority, or not for this host: {plain}"
    if UNFINISHED.search(said) and "refused" not in said:
        host = address.partition("://")[2]
        return (
            f"the TLS handshake was ended by the other side, or not answered: its authority is not that of this "
            f"client's certificate, a certificate has expired, or it speaks no TLS; "
            f"`openssl s_client -connect {host} -CAfile … -cert … -key …` says more"
        )
    return plain


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The values that lie one behind the other: their tags and contents."""
    place = 0
    while place < len(der):
        tag, length, place = der[place], der[place + 1], place + 2
        if length > 127:
            count = length & 127
            length, place = int.from_bytes(der[place : place + count], "big"), place + count
        if place + length > len(der):
            raise ValueError("a value is longer than what it is in")
        yield tag, der[place : place + length]
        place += length
