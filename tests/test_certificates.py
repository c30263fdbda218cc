"""What is said where certificates have expired, are of another authority, or a handshake ends without a word."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dask
import pytest

from dgd.errors import ClusterLostError, ConfigurationError
from dgd.passes.cluster.certificates import valid_until, why
from dgd.passes.cluster.connection import connected


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


class Authority:
    """Makes certificates, as PEM, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.issued = folder / name, 0
        self.ca, self.key = f"{self.path}.pem", f"{self.path}-key.pem"
        self._new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.ca, "-days", "9", "-subj", f"/CN={name}")

    def issue(self, days: int) -> tuple[str, str]:
        """Paths of a certificate, that holds from now until then, and its key."""
        self.issued += 1
        path, key = f"{self.path}{self.issued}.pem", f"{self.path}{self.issued}-key.pem"
        self._new_key(key)
        openssl("req", "-new", "-key", key, "-out", f"{path}.csr", "-subj", f"/CN={self.issued}")
        signed = ("-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", str(days))
        openssl("x509", "-req", "-in", f"{path}.csr", "-out", path, *signed)
        return path, key

    def _new_key(self, path: str) -> None:
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def end_of(path: str) -> datetime:
    """As openssl has it."""
    text = openssl("x509", "-in", path, "-noout", "-enddate").strip().partition("=")[2]
    return datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@contextmanager
def server(context: ssl.SSLContext | None) -> Iterator[str]:
    """What accepts connections and makes a handshake, or none; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.settimeout(5)
                        if context is None:
                            connection.recv(1)
                        else:
                            with context.wrap_socket(connection, server_side=True) as wrapped:
                                wrapped.recv(1)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tls://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def certificates(ca: str, cert: str, key: str) -> Any:
    return dask.config.set(
        {"distributed.comm.tls.ca-file": ca, "distributed.comm.tls.client": {"cert": cert, "key": key}}
    )


def listening(authority: Authority, days: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(days))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def said_of(address: str) -> str:
    with pytest.raises((ClusterLostError, ConfigurationError)) as caught, connected(address, timeout=1.5):
        pass
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("days", [1, -1, 20_000])
def test_the_end_of_a_certificate_is_read(ours: Authority, days: int) -> None:
    path, _ = ours.issue(days)
    assert valid_until(path) == end_of(path)
    assert valid_until(Path(path).read_text()) == end_of(path)
    assert valid_until(ours.ca) == end_of(ours.ca)  # of version 3


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\x00" * 99]
)
def test_what_is_no_certificate_has_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text(text)
    assert valid_until(str(tmp_path / "x.pem")) is None
    assert valid_until(str(tmp_path / "not there.pem")) is None


def test_a_certificate_that_is_cut_has_none(ours: Authority) -> None:
    der = ssl.PEM_cert_to_DER_cert(Path(ours.issue(3)[0]).read_text())
    for length in range(0, len(der), 3):
        assert valid_until(ssl.DER_cert_to_PEM_cert(der[:length])) is None


def test_a_certificate_of_ones_own_that_has_expired(ours: Authority) -> None:
    cert, key = ours.issue(-1)
    with certificates(ours.ca, cert, key):
        found = said_of("tls://127.0.0.1:9")
    assert found.startswith(
        f"ConfigurationError: {cert}, named in Dask's configuration as distributed.comm.tls.client.cert"
    )
    assert f"has expired on {end_of(cert):%Y-%m-%d %H:%M} UTC" in found


def test_a_scheduler_whose_certificate_has_expired(ours: Authority) -> None:
    with (
        certificates(ours.ca, *ours.issue(1)),
        server(listening(ours, -1)) as there,
    ):
        assert "the scheduler's certificate, or that of its authority, has expired" in said_of(there)


def test_another_authority(ours: Authority, tmp_path: Path) -> None:
    theirs = Authority(tmp_path, "theirs")
    with certificates(ours.ca, *ours.issue(1)), server(listening(theirs, 1)) as there:
        assert "the certificates are not of one authority, or not for this host" in said_of(there)


@pytest.mark.slow
def test_what_speaks_no_tls(ours: Authority) -> None:
    with certificates(ours.ca, *ours.issue(1)), server(None) as there:
        found = said_of(there)
    assert "the TLS handshake was ended by the other side" in found
    assert "openssl s_client -connect 127.0.0.1:" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired",
            "this client's certificate has expired",
        ),
        ("certificate verify failed: certificate has expired", "the scheduler's certificate"),
        ("SSLEOFError: EOF occurred in violation of protocol", "handshake was ended by the other side"),
        ("Timed out", "or not answered"),
        ("[Errno 111] Connection refused", "no answer"),
        ("who knows", "no answer"),
    ],
)
def test_the_cause_may_lie_deep(text: str, expected: str) -> None:
    error = OSError("no answer")
    error.__cause__ = OSError("in TLS")
    error.__cause__.__cause__ = ssl.SSLError(text)
    assert expected in why("tls://a:1", error)
    assert why("tcp://a:1", ConnectionResetError("Connection reset by peer")).endswith("begins with tls://")
