"""Storage options: they open what needs them and are told nobody; what is not there is told from what has no X."""

from __future__ import annotations

import http.server
import json
import pickle
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from located import Server, X, Y, files, written

import dgd
from dgd import testing
from dgd.cli import main
from dgd.cli.options import storage_option
from dgd.data.buffers import Buffers
from dgd.errors import ConfigurationError, DatasetNotFoundError, ReadError

SECRET = "hunter2hunter2"


class Guarded(http.server.SimpleHTTPRequestHandler):
    """Files for those who bring the token; the others, and whoever asks below `broken`, are told what they brought."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "nothing")
        if token != SECRET or "/broken" in self.path:
            self.send_error(403, f"you brought {token}")
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of dgd's, a foreign store with nested groups, and one that the server does not give."""
    folder = tmp_path_factory.mktemp("served")
    written(folder / "a.zarr")
    shutil.copytree(folder / "a.zarr", folder / "broken")
    group = zarr.open_group(folder / "b.zarr", mode="w", zarr_format=2)
    for name in ("t2m", "obs/n", "obs/deep/x"):
        group.create_array(name, data=Y, chunks=(10,))
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), partial(Guarded, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def options() -> dict[str, Any]:
    return {"client_kwargs": {"headers": {"Authorization": SECRET}}}


def test_every_function_opens_with_the_options(url: str, folder: Path, tmp_path: Path) -> None:
    given: Any = {"storage_options": options()}
    local = dgd.fit(folder / "a.zarr", max_iter=2)
    result = dgd.fit(f"{url}/a.zarr", validation=f"{url}/a.zarr", max_iter=2, **given)
    assert result.theta.tobytes() == local.theta.tobytes()
    assert dgd.fit(f"{url}/a.zarr/X", f"{url}/a.zarr/y", max_iter=2, **given).theta.tobytes() == local.theta.tobytes()
    predicted = dgd.predict(local.model, f"{url}/a.zarr", **given)
    np.testing.assert_array_equal(predicted, local.model.predict(folder / "a.zarr"))
    assert local.model.score(f"{url}/a.zarr", **given) == local.model.score(folder / "a.zarr")
    dgd.predict_to(local.model, f"{url}/a.zarr", tmp_path / "p.zarr", **given)
    assert dgd.plan(f"{url}/a.zarr", **given).fits
    assert [array.name for array in dgd.info(f"{url}/a.zarr", **given).arrays] == ["X", "y"]
    dataset = dgd.open_dataset(f"{url}/a.zarr", **given)
    told = [repr(dataset), repr(result), result.summary(), json.dumps(result.model.provenance), str(dgd.plan(dataset))]
    assert not any(SECRET in text for text in told)
    assert pickle.loads(pickle.dumps(dataset)).read(0).y.tolist() == Y[:10].tolist()


@pytest.mark.slow
def test_a_checkpoint_keeps_no_options(url: str, tmp_path: Path) -> None:
    given: Any = {"storage_options": options()}
    path = tmp_path / "fit.ckpt"
    whole = dgd.fit(f"{url}/a.zarr", solver="gd", max_iter=3, tol=0, **given)
    dgd.fit(f"{url}/a.zarr", solver="gd", max_iter=2, tol=0, checkpoint=path, **given)
    assert not any(SECRET.encode() in content for content in files(tmp_path).values())
    assert dgd.resume(path, max_iter=3, **given).theta.tobytes() == whole.theta.tobytes()


def test_no_secret_is_told_by_an_error(url: str) -> None:
    wrong = {"client_kwargs": {"headers": {"Authorization": f"not {SECRET}"}}}
    for place, given in (("broken", options()), ("a.zarr", wrong)):
        with pytest.raises(ReadError, match=r"ClientResponseError: 403, message='you brought …'") as caught:
            dgd.open_dataset(f"{url}/{place}", storage_options=given)
        assert SECRET not in str(caught.value)
    with pytest.raises(ReadError, match="you brought nothing"):
        dgd.open_dataset(f"{url}/a.zarr")
    with pytest.raises(
        ConfigurationError, match="opened: Protocol not known: nowhere, with the storage options secret"
    ) as refused:
        dgd.open_dataset("nowhere://b", storage_options={"secret": SECRET})
    assert SECRET not in str(refused.value)


def test_options_go_with_a_url(folder: Path, url: str) -> None:
    for data in (folder / "a.zarr", zarr.open_group(folder / "a.zarr", mode="r")):
        with pytest.raises(ConfigurationError, match="storage_options go with a URL"):
            dgd.fit(data, storage_options=options())
    with pytest.raises(ConfigurationError, match="storage_options must be a dictionary of names"):
        dgd.fit(f"{url}/a.zarr", storage_options="anon")  # type: ignore[arg-type]
    assert dgd.fit(X, f"{url}/a.zarr/y", storage_options=options(), max_iter=1).theta.shape == (4,)


HOLDS = "holds a.zarr, b.zarr, broken; check the path"
ARRAYS = "has no array 'X', it has obs/deep/x, obs/n, t2m; name the variables that are features"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("b.zarr", f"b.zarr {ARRAYS}"),
        ("c.zarr", f"nothing is at .*c.zarr, and .* {HOLDS}"),
        ("nowhere/else/c.zarr", f"nothing is at .*else/c.zarr, and .* {HOLDS}"),
    ],
)
@pytest.mark.parametrize("where", ["memory", "http"])
def test_what_is_not_there_is_told_from_what_has_no_X(
    url: str, folder: Path, where: str, place: str, words: str
) -> None:
    memory = fsspec.filesystem("memory")
    for key, content in files(folder).items():
        memory.pipe(f"/shelf/{key}", content)
    location = f"{url}/{place}" if where == "http" else f"memory://shelf/{place}"
    given: Any = {"storage_options": options() if where == "http" else None}
    with pytest.raises(DatasetNotFoundError, match=words):
        dgd.fit(location, **given)
    memory.rm("/shelf", recursive=True)


def test_a_path_and_a_zip_name_what_they_have(folder: Path, tmp_path: Path) -> None:
    for location in (folder / "b.zarr", shutil.make_archive(str(tmp_path / "b"), "zip", folder / "b.zarr")):
        with pytest.raises(DatasetNotFoundError, match=ARRAYS):
            dgd.fit(location)


def test_an_empty_shelf_and_a_folder_without_arrays(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no/such/shelf, for memory:///no does not exist or is empty; check"):
        dgd.fit("memory://no/such/shelf")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("x")
    with pytest.raises(DatasetNotFoundError, match=r"has no array 'X' and is no Zarr group, it holds readme\.txt"):
        dgd.fit(tmp_path / "notes")
    for name in ("manifests", "refs", "snapshots"):
        (tmp_path / "ice" / name).mkdir(parents=True)
    with pytest.raises(DatasetNotFoundError, match=r"repository of icechunk.*readonly_session"):
        dgd.fit(tmp_path / "ice")
    with pytest.raises(DatasetNotFoundError, match=r"is no Zarr group, it holds readme\.txt"):
        dgd.info(tmp_path / "notes")


def test_info_names_the_arrays_of_nested_groups(url: str, folder: Path) -> None:
    names = ["obs/deep/x", "obs/n", "t2m"]
    assert [array.name for array in dgd.info(folder / "b.zarr").arrays] == names
    assert [array.name for array in dgd.info(f"{url}/b.zarr", storage_options=options()).arrays] == names
    zarr.consolidate_metadata(folder / "b.zarr")
    assert [array.name for array in dgd.info(f"{url}/b.zarr", storage_options=options()).arrays] == names


@pytest.mark.slow
def test_the_command_line_takes_options(url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = ["--storage-option", f"client_kwargs.headers.Authorization={SECRET}"]
    model = tmp_path / "m.dgd"
    for command in (
        ["info", f"{url}/a.zarr"],
        ["plan", f"{url}/a.zarr"],
        ["fit", f"{url}/a.zarr", "--out", str(model), "--validation", f"{url}/a.zarr"],
        ["score", str(model), f"{url}/a.zarr"],
        ["predict", str(model), f"{url}/a.zarr"],
    ):
        assert main([*command, *given]) == 0
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err + (model / "model.json").read_text()
    assert main(["info", f"{url}/a.zarr", "--storage-option", "anon"]) == 2
    assert "expected NAME=VALUE, like anon=true" in capfd.readouterr().err


def test_values_of_options_are_numbers_truths_and_texts() -> None:
    given = ("anon=TRUE", "n=3", "x=null", "a.b.c=d=e", "a.b.f=false")
    found = storage_option(None, None, given)  # type: ignore[arg-type]
    assert found == {"anon": True, "n": 3, "x": None, "a": {"b": {"c": "d=e", "f": False}}}


@pytest.mark.slow
def test_a_server_of_s3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets that are there and not there, and keys; `pip install s3fs "moto[server]"` brings the server."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    server.start()
    host, port = server.get_host_and_port()
    given: Any = {"key": "AKID", "secret": SECRET, "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
    fs = s3fs.S3FileSystem(**given, skip_instance_cache=True)
    fs.mkdir("shelf")
    fs.put(str(folder / "a.zarr"), "shelf/a.zarr", recursive=True)
    fs.put(str(folder / "b.zarr"), "shelf/b.zarr", recursive=True)
    try:
        found = dgd.fit("s3://shelf/a.zarr", storage_options=given, max_iter=3)
        assert found.theta.tobytes() == dgd.fit(folder / "a.zarr", max_iter=3).theta.tobytes()
        dgd.predict_to(found.model, "s3://shelf/a.zarr", "s3://shelf/p.zarr", storage_options=given)
        back = dgd.open_dataset(X, "s3://shelf/p.zarr", storage_options=given).y
        assert back is not None
        assert back.read(0, 53, Buffers())[0].tolist() == found.model.predict(X).tolist()
        with dgd.DatasetWriter("s3://shelf/d.zarr", chunk_rows=10, storage_options=given) as writer:
            writer.append(X, Y)
        dgd.copy("s3://shelf/d.zarr", "s3://shelf/e.zarr", chunk_rows=20, compression="zstd", storage_options=given)
        copied = dgd.open_dataset("s3://shelf/e.zarr", storage_options=given)
        testing.check_rows(copied.X, X)
        assert dgd.verify("s3://shelf/e.zarr", storage_options=given).damaged == ()
        for name in "pde":
            fs.rm(f"shelf/{name}.zarr", recursive=True)
        for url, words in (
            ("s3://shelf/b.zarr", f"s3://shelf/b.zarr {ARRAYS}"),
            (
                "s3://shelf/c.zarr",
                "nothing is at s3://shelf/c.zarr, and s3://shelf holds a.zarr, b.zarr; check the path",
            ),
            ("s3://desk/c.zarr", "nothing is at s3://desk/c.zarr, for s3://desk does not exist or is empty; check"),
        ):
            with pytest.raises(DatasetNotFoundError, match=words):
                dgd.fit(url, storage_options=given)
    finally:
        server.stop()
