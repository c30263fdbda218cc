"""Stores behind URLs, through fsspec: the same dataset, the same errors, and no secret told."""

from __future__ import annotations

import functools
import http.server
import os
import pickle
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from located import Server, Y, check, files, written
from traced import peak_of
from zarr.storage import FsspecStore

import dgd
from dgd.cli import main
from dgd.data.zarr import event_loop, retries
from dgd.data.zarr.locations import source_of
from dgd.errors import (
    ConfigurationError,
    CorruptChunkError,
    DatasetNotFoundError,
    DgdError,
    MetadataError,
    MissingChunkError,
    ReadError,
)
from dgd.errors.words import without_secrets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a.zarr")


@pytest.fixture
def memory_url(path: Path) -> Iterator[str]:
    """A URL of fsspec's own memory, emptied afterwards."""
    memory = fsspec.filesystem("memory")
    for key, content in files(path).items():
        memory.pipe(f"/bucket/a.zarr/{key}", content)
    yield "memory://bucket/a.zarr"
    memory.rm("/bucket", recursive=True)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a log; keys below `broken` fail."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        if "/broken/" in self.path:
            self.send_error(500)
        else:
            super().do_GET()


@pytest.fixture
def http_url(path: Path) -> Iterator[str]:
    """A local web server for the folder around the dataset."""
    server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(path.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_memory_url(memory_url: str, path: Path) -> None:
    dataset = dgd.open_dataset(memory_url)
    check(dataset, path)
    assert dataset.source == "memory:///bucket/a.zarr"
    check(dgd.open_dataset(zarr.open_group(memory_url, mode="r")), path)
    alone = dgd.open_dataset(f"{memory_url}/X", f"{memory_url}/y")
    assert alone.fingerprint == dataset.fingerprint


def test_http_url(http_url: str, path: Path) -> None:
    dataset = dgd.open_dataset(f"{http_url}/a.zarr")
    check(dataset, path)
    assert dataset.source == f"{http_url}/a.zarr"
    assert dgd.fit(dataset, max_iter=1, threads=3).theta.tobytes() == dgd.fit(path, max_iter=1).theta.tobytes()
    alone = dgd.open_dataset(f"{http_url}/a.zarr/X", f"{http_url}/a.zarr/y")
    assert alone.fingerprint == dataset.fingerprint
    store = FsspecStore.from_url(f"{http_url}/a.zarr", read_only=True)
    check(dgd.open_dataset(store), path)


@pytest.mark.slow
def test_a_url_can_be_read_after_the_event_loop_hung(http_url: str, path: Path) -> None:
    """fsspec keeps its connections, which belong to the loop that was given up."""
    check(dgd.open_dataset(f"{http_url}/a.zarr"), path)

    async def blocking() -> None:
        time.sleep(1.0)

    before = event_loop.number()
    with pytest.raises(event_loop.Stuck):
        event_loop.run(blocking(), timeout=0.1)
    for _ in range(2):
        check(dgd.open_dataset(f"{http_url}/a.zarr"), path)
    assert event_loop.number() == before + 1


def test_memory_over_http(http_url: str, path: Path) -> None:
    """What a client puts together from pieces stands in memory twice; the server's own 64 kB are in it, too."""
    with dgd.DatasetWriter(path.parent / "b.zarr", chunk_rows=20_000) as writer:
        writer.append(np.ones((80_000, 8)), np.ones(80_000))
    dataset = dgd.open_dataset(f"{http_url}/b.zarr")
    dataset.read(0)
    footprint = dataset.reading_ahead(0).footprint
    planned = footprint.encoded + footprint.decoded

    def read() -> None:
        for k in range(4):
            dataset.read(k)

    assert planned / 2 < peak_of(read, planned + 2**18) < planned + 2**18


def test_faults_over_http(http_url: str, path: Path) -> None:
    url = f"{http_url}/a.zarr"
    dataset = dgd.open_dataset(url)
    (path / "X" / "c" / "1" / "0").unlink()
    with pytest.raises(MissingChunkError, match=f"array 'X' of {url}/X: chunk c/1/0 ") as caught:
        dataset.read(1)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/1/0", (10, 20))
    chunk = path / "X" / "c" / "2" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(CorruptChunkError, match="c/2/0"):
        dataset.read(2)
    chunk.write_bytes(b"x" * 10_000)
    with pytest.raises(CorruptChunkError, match="it has 10,000 bytes, expected at most"):
        dataset.read(2)
    (path / "zarr.json").unlink()
    for location in (url, f"{url}/X"):
        with pytest.raises(MetadataError, match="whose commit marker is gone"):
            dgd.open_dataset(location, Y if location.endswith("X") else None)
    with pytest.raises(DatasetNotFoundError, match=f"nothing is at {http_url}/none, and .* holds a.zarr"):
        dgd.open_dataset(f"{http_url}/none")


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as ever, one soon after the other."""
    monkeypatch.setattr(retries, "PAUSES", (0.01,) * len(retries.PAUSES))


@pytest.mark.usefixtures("short_pauses")
def test_a_server_that_fails(http_url: str, path: Path) -> None:
    """An error of the server is not a missing chunk: it says who failed at what."""
    shutil.copytree(path, path.parent / "broken")
    with pytest.raises(
        ReadError, match=r"broken: key 'zarr.json' cannot be read \(ClientResponseError: .*check the store"
    ):
        dgd.open_dataset(f"{http_url}/broken")


def test_urls_that_cannot_be_opened() -> None:
    with pytest.raises(ConfigurationError, match="gopher://x cannot be opened"):
        dgd.open_dataset("gopher://x")
    with pytest.raises(ConfigurationError, match=r"needs fsspec and the package of its protocol: .*install them"):
        dgd.open_dataset("s3://bucket/a.zarr")
    with pytest.raises(DatasetNotFoundError, match="nothing is at memory:///nowhere; check the path, and the name"):
        dgd.open_dataset("memory://nowhere")


@pytest.mark.slow
def test_no_secret_of_a_url_is_told() -> None:
    """Labels go into errors, models and logs; so does the repr of a task's arguments."""
    for url in ("http://user:hunter2@127.0.0.1:9/a.zarr", "http://127.0.0.1:9/a.zarr?token=hunter2"):
        source = source_of(url)
        assert source.label == "http://127.0.0.1:9/a.zarr"
        assert source.child("X").label == "http://127.0.0.1:9/a.zarr/X"
        assert "hunter2" not in repr(source)
        with pytest.raises(ReadError, match=r"127\.0\.0\.1") as caught:
            dgd.open_dataset(url)
        assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("short_pauses")
def test_no_secret_is_told_by_a_server_that_fails(http_url: str, path: Path) -> None:
    shutil.copytree(path, path.parent / "broken")
    url = http_url.replace("//", "//user:hunter2@") + "/broken/"
    with pytest.raises(ReadError, match="ClientResponseError: 500") as caught:
        dgd.open_dataset(f"{url}?token=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.slow
def test_a_store_that_zarr_has_read_from_and_reads_on(http_url: str, path: Path) -> None:
    """Its connections belong to zarr's event loop: dgd opens its own."""
    group = zarr.open_group(f"{http_url}/a.zarr", mode="r")
    for _ in range(2):
        assert (np.asarray(group["y"][...]) == Y).all()  # type: ignore[index]
        dataset = dgd.open_dataset(group)
        assert dgd.fit(dataset, max_iter=3, threads=2).theta.tobytes() == dgd.fit(path, max_iter=3).theta.tobytes()


def test_a_forked_process_has_a_loop_of_its_own(memory_url: str) -> None:
    assert dgd.open_dataset(memory_url).shape == (53, 3)
    child = os.fork()
    if child == 0:
        ok = dgd.open_dataset(memory_url).read(0).X.shape == (10, 3)
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


SECRET_URLS = [
    "s3://AKIAKEY:hunter2@bucket/x.zarr",
    "s3://AKIAKEY:hun/ter2+hunter2@bucket/x.zarr",
    "s3://AKIAKEY:hunter2?hunter2@bucket/x.zarr",
    "simplecache::s3://AKIAKEY:hunter2@bucket/x.zarr",
    "gopher://AKIAKEY:hunter2@host/x.zarr?token=hunter2",
    "ftp://AKIAKEY:hunter2@127.0.0.1:1/x.zarr",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_no_secret_of_a_url_is_told_wherever_it_is_given(url: str, path: Path, tmp_path: Path) -> None:
    """Neither by the error nor by the errors that led to it, which a notebook shows too."""
    model = dgd.Model(np.ones(3), 0.0, "squared")
    ways: list[Callable[[], Any]] = [
        lambda: dgd.fit(url, threads=1),
        lambda: dgd.fit(path, url, threads=1),
        lambda: dgd.fit(path, validation=url, threads=1),
        lambda: dgd.fit(path, solver=url, threads=1),
        lambda: dgd.info(url),
        lambda: dgd.predict(model, url),
        lambda: dgd.predict_to(model, path, url),
        lambda: dgd.DatasetWriter(url),
        lambda: dgd.ingest([url + ".csv"], tmp_path / "b.zarr", target="y"),
        lambda: dgd.load_model(url),
        lambda: model.save(url),
    ]
    for way in ways:
        with pytest.raises(DgdError) as caught:
            way()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
        assert "AKIAKEY" not in str(caught.value)


def test_no_secret_is_told_by_a_file_system_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(url: str, **options: Any) -> None:
        raise ConnectionError(f"no answer at {url}")

    monkeypatch.setattr(FsspecStore, "from_url", fails)
    url = "github://org:repo:hunter2@main/x"
    with pytest.raises(ReadError, match=r"github://main/x cannot be opened \(ConnectionError\)") as caught:
        dgd.open_dataset(url)
    assert "org:repo" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ReadError, match="no answer at"):
        dgd.open_dataset("github://main/x")


@pytest.mark.parametrize("url", SECRET_URLS[:1])
def test_no_secret_of_a_url_is_told_in_the_shell(url: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["fit", url], ["fit", str(path), "--out", url], ["info", url, url], ["predict", url, str(path)]):
        assert main(arguments) != 0
        told = "".join(capsys.readouterr())
        assert "hunter2" not in told
        assert "s3://bucket/x.zarr" in told


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://bucket/a@b/x.zarr", "s3://bucket/a@b/x.zarr"),
        ("http://host:80/x@1?q=a@b", "http://host:80/x@1"),
        ("http://user@host/x", "http://host/x"),
        ("zip://a.zarr::http://u:p@h/z.zip?t=1::file:///b", "zip://a.zarr::http://h/z.zip::file:///b"),
        ("tcp://127.0.0.1:8786 and 's3://k:s@b'.", "tcp://127.0.0.1:8786 and 's3://b'."),
    ],
)
def test_what_of_a_url_is_told(url: str, told: str) -> None:
    assert without_secrets(url) == told
    assert str(ConfigurationError(url)) == told


def test_the_source_in_a_model_has_no_secret(http_url: str) -> None:
    url = http_url.replace("//", "//user:hunter2@") + "/a.zarr"
    dataset = dgd.open_dataset(f"{url}/X", f"{url}/y")
    assert dataset.source == f"{http_url}/a.zarr/X"


@pytest.mark.parametrize("cache", ["simplecache", "filecache"])
def test_chained_urls(cache: str, http_url: str, path: Path) -> None:
    dataset = dgd.open_dataset(f"{cache}::{http_url}/a.zarr")
    check(dataset, path)
    assert dgd.fit(dataset, max_iter=3, threads=3).theta.tobytes() == dgd.fit(path, max_iter=3).theta.tobytes()
    assert pickle.loads(pickle.dumps(dataset)).read(0).X.tobytes() == dataset.read(0).X.tobytes()


def test_a_chained_url_to_what_is_not_there(http_url: str, path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"nothing is at .*none, and .* holds "):
        dgd.open_dataset(f"simplecache::{http_url}/none")
    with pytest.raises(DatasetNotFoundError, match=r"nothing is at reference://::http"):
        dgd.open_dataset(f"reference://::{http_url}/none.json")
    shutil.make_archive(str(path.parent / "z"), "zip", path)
    check(dgd.open_dataset(f"zip://::file://{path.parent}/z.zip"), path)
