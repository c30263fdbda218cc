"""What dgd writes and the system refuses is a WriteError: the path, the system's number, the way out."""

from __future__ import annotations

import errno
import pickle
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.data import folders
from dgd.data.zarr import outputs
from dgd.errors import DgdError, WriteError
from dgd.errors.writing import writing

X, Y = np.random.default_rng(0).normal(size=(5000, 3)), np.arange(5000.0)
MODEL = dgd.Model(np.ones(3), 0.0, "squared")


def ingested(path: Path) -> None:
    table = path.with_suffix(".csv")
    if not table.exists():
        table.write_text("a,b\n" + "1.5,2\n" * 20_000)
    dgd.ingest([table], path, target="b", overwrite=True)


def written(path: Path) -> None:
    with dgd.DatasetWriter(path, overwrite=True) as writer:
        writer.append(X, Y)


def predicted(path: Path) -> None:
    dgd.predict_to(MODEL, X, path, overwrite=True, threads=2)


def saved(path: Path) -> None:
    dgd.Model(np.ones(20_000), 0.0, "squared").save(path, overwrite=True)


WRITERS: list[Callable[[Path], None]] = [ingested, written, predicted, saved]


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The system refuses to write more than this to a file: a full disk, without a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.each(1)
@pytest.mark.parametrize("write", WRITERS)
def test_what_the_system_refuses_names_the_path_and_the_way_out(write: Callable[[Path], None], tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out)
    with files_of_at_most(30_000), pytest.raises(WriteError, match="File too large; free some space") as caught:
        write(out)
    assert str(caught.value).startswith(f"{out} cannot be written: ")
    assert (caught.value.errno, caught.value.path) == (errno.EFBIG, str(out))
    write(out)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "may write to"),
        (errno.EIO, "check the disk"),
        (errno.EISDIR, "the name of a file"),
        (errno.ENOENT, "its folder first"),
    ],
)
def test_the_last_step_that_fails_is_a_write_error_too(
    write: Callable[[Path], None], number: int, way_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path) -> None:
        raise OSError(number, "the disk says no")

    monkeypatch.setattr(folders, "sync", fails)
    with pytest.raises(WriteError, match=f"out cannot be written: the disk says no; .*{way_out}") as caught:
        write(tmp_path / "out")
    assert caught.value.errno == number


@pytest.mark.parametrize("write", [ingested, written, predicted])
def test_the_first_step_that_fails_is_a_write_error_too(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(outputs, "put_file", fails)
    with pytest.raises(WriteError, match=r"out cannot be written: Permission denied; .* change its permissions"):
        write(tmp_path / "out")


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", fails)
    for write in (written, saved):
        with pytest.raises(WriteError, match="out cannot be written: Read-only file system"):
            write(tmp_path / "new" / "out")


def test_a_workers_write_error_comes_whole(tmp_path: Path) -> None:
    with pytest.raises(WriteError) as caught, writing(tmp_path):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    sent = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(sent, OSError)
    assert isinstance(sent, DgdError)
    assert (str(sent), sent.errno, sent.path) == (str(caught.value), errno.EDQUOT, str(tmp_path))


def test_errors_of_dgd_pass_through_writing(tmp_path: Path) -> None:
    not_found = dgd.errors.DatasetNotFoundError("nothing is there")
    with pytest.raises(dgd.errors.DatasetNotFoundError) as caught, writing(tmp_path):
        raise not_found
    assert caught.value is not_found
