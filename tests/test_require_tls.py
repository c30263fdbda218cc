"""Schedulers that anybody may reach: refused with require_tls, and named for what they are on the command line."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError
from dgd.passes.cluster.encryption import refuse_plain, warning_of

OUTSIDE = "tcp://192.0.2.1:8786"
"""An address that is nobody's (RFC 5737)."""


@pytest.mark.parametrize("address", ["tls://192.0.2.1:8786", "inproc://192.0.2.1/1/2"])
def test_an_encrypted_way_and_one_within_the_process(address: str) -> None:
    refuse_plain(address)
    assert warning_of(address) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8", "0.0.0.0"])
def test_a_plain_one_on_this_machine_needs_no_warning(host: str) -> None:
    assert warning_of(f"tcp://{host}:8786") is None
    with pytest.raises(ConfigurationError, match="can run code on it and on its workers"):
        refuse_plain(f"tcp://{host}:8786")


def test_an_address_of_this_machine_is_seen_by_listening_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[object] = []
    monkeypatch.setattr(socket.socket, "bind", lambda self, address: bound.append(address))
    assert warning_of(OUTSIDE) is None
    assert bound == [("192.0.2.1", 0)]


@pytest.mark.parametrize("address", [OUTSIDE, "192.0.2.1:8786", "tcp://[2001:db8::1]:8786", "tcp://no-host.invalid:1"])
def test_a_plain_one_elsewhere_is_named_for_what_it_is(address: str) -> None:
    line = warning_of(address)
    assert line is not None
    assert line.startswith(f"{address} is neither encrypted nor authenticated: whoever reaches this scheduler can run")


def test_the_command_line_warns_or_refuses(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["--scheduler", OUTSIDE, "--worker-timeout", "0.1"]
    assert main(["plan", store, *there]) == 5
    assert f"{OUTSIDE} is neither encrypted nor authenticated" in capsys.readouterr().err
    assert main(["plan", store, *there, "--require-tls"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --require-tls refuses {OUTSIDE}")
    file = tmp_path / "scheduler.json"
    file.write_text('{"address": "tcp://127.0.0.1:1"}')
    assert main(["plan", store, "--scheduler-file", str(file), "--require-tls"]) == 2
    assert main(["plan", store, "--require-tls"]) == 0


def test_the_library_refuses(store: str) -> None:
    X = np.arange(6.0).reshape(6, 1)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=":0"
        ) as found,
        Client(found, set_as_default=False) as client,
    ):
        with pytest.raises(ConfigurationError, match=r"`require_tls=True` refuses tcp://127\.0\.0\.1"):
            dgd.fit(store, execution=dgd.Execution(client=client, require_tls=True))
        assert dgd.fit(X, X[:, 0], execution=dgd.Execution(require_tls=True, threads=1)).converged
    with pytest.raises(ConfigurationError, match="True or False"):
        dgd.Execution(require_tls="yes")  # type: ignore[arg-type]
