"""Clusters that are reached by TLS, both sides with a certificate; and clients whose certificates are not theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Security

import dgd
from tests.clusters import Cluster, cluster
from tests.faults.rows import METHOD, compared, row, undisturbed, written

PASSES = 5


def certificates(folder: Path) -> dict[str, str]:
    """A new authority, and a certificate of it for all: as Dask's configuration names them in the environment."""
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    openssl("req", *new, "-keyout", "key.pem", "-out", "asked.pem", "-subj", "/CN=dgd")
    authority = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial")
    openssl("x509", "-req", "-in", "asked.pem", *authority, "-out", "cert.pem", "-days", "2")
    found = {"CA_FILE": "ca.pem"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {f"{role}__CERT": "cert.pem", f"{role}__KEY": "key.pem"}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in found.items()}


@contextmanager
def two_by_tls(folder: Path) -> Iterator[tuple[Cluster, dict[str, str]]]:
    """A scheduler and two workers that talk to nobody without a certificate; and what they were told."""
    told = certificates(folder / "tls")
    there = folder / "tls"
    client = {"tls_client_cert": str(there / "cert.pem"), "tls_client_key": str(there / "key.pem")}
    security = Security(require_encryption=True, tls_ca_file=str(there / "ca.pem"), **client)
    encrypted = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    with cluster(folder, {**told, **encrypted}, security) as found:
        found.add_worker()
        found.add_worker()
        yield found, told


def in_the_shell(path: Path, address: str, told: dict[str, str]) -> str:
    """What `dgd plan` there says, and when."""
    began = time.monotonic()
    plan = ["plan", str(path), "--scheduler", address, "--require-tls", "--worker-timeout", "5", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "dgd", *plan], capture_output=True, text=True, check=False, env={**os.environ, **told}
    )
    lines = done.stderr.strip().splitlines()
    return f"code {done.returncode}, {len(lines)} line after {time.monotonic() - began:.0f} s: {' '.join(lines)[:150]}"


@row("F32-tls", "two workers by mutual TLS", expected="same bits; code 0", before="same bits")
def by_tls(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with two_by_tls(folder) as (found, told):
        execution = dgd.Execution(client=found.client, require_tls=True, resident=0)
        result = dgd.fit(path, max_iter=PASSES, execution=execution, **METHOD)
        address = str(found.client.scheduler.address)
        assert address.startswith("tls://")
        return f"{compared(result, undisturbed(path, PASSES))}; {in_the_shell(path, address, told)}"


@row("F32-authority", "a client of another authority", expected="code 5, 1 line", before="code 5")
def of_another_authority(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with two_by_tls(folder) as (found, _told):
        return in_the_shell(path, str(found.client.scheduler.address), certificates(folder / "other"))


@row("F32-none", "a client without a certificate", expected="code 2, 1 line", before="code 2: not the address of one")
def without_a_certificate(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with two_by_tls(folder) as (found, _told):
        return in_the_shell(path, str(found.client.scheduler.address), {})


@row("F32-tcp", "tcp:// to a scheduler that talks TLS", expected="code 5, 1 line", before="code 5")
def plainly(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with two_by_tls(folder) as (found, _told):
        address = str(found.client.scheduler.address).replace("tls://", "tcp://")
        plan = [sys.executable, "-m", "dgd", "plan", str(path), "--scheduler", address, "--worker-timeout", "5"]
        done = subprocess.run(plan, capture_output=True, text=True, check=False)
        lines = done.stderr.strip().splitlines()
        return f"code {done.returncode}, {len(lines)} line: {' '.join(lines)[:150]}"
