"""Two fits do not write checkpoints at one path: the second is refused, and what a dead one left is in nobody's way."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from methods import TARGETS, X

import dgd
from dgd.errors import OutputInUseError
from dgd.fitting.checkpoint.file import read_checkpoint

Y = TARGETS["squared"]
OPTIONS: dict[str, Any] = {"solver": "nesterov", "tol": 0, "max_iter": 4, "threads": 1}


def fitted(path: Path, beside: Callable[[], object], at: int = 2, **options: Any) -> dgd.Result:
    """A fit with a checkpoint after each pass; `beside` is called in one of them."""

    def call(record: dgd.Record) -> None:
        if record.iteration == at:
            beside()

    return dgd.fit(X, Y, **{**OPTIONS, **options}, checkpoint=path, checkpoint_every="pass", callbacks=[call])


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("second", ["fit", "resume"])
def test_the_second_is_refused(second: str, at: int, tmp_path: Path) -> None:
    """Also before the first has written anything; what the first writes stays as it is."""
    path = tmp_path / "run.ckpt"

    seconds: dict[str, Callable[[], object]] = {
        "fit": lambda: dgd.fit(X, Y, **OPTIONS, checkpoint=path),
        "resume": lambda: dgd.resume(path, X, Y),
    }

    def beside() -> None:
        with pytest.raises(OutputInUseError, match=r"run\.ckpt is in use: another fit, process \d+ on '.+', writes"):
            seconds[second]()

    result = fitted(path, beside, at)
    assert result.checkpoint == str(path)
    assert read_checkpoint(path)[0]["passes"] == 4
    assert not list(tmp_path.glob(".*")), "the lock's file was left"
    assert (dgd.resume(path, X, Y, max_iter=9).theta == dgd.fit(X, Y, **{**OPTIONS, "max_iter": 9}).theta).all()


def test_two_resumes_of_one_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    fitted(path, lambda: None)

    def beside(record: dgd.Record) -> None:
        with pytest.raises(OutputInUseError):
            dgd.resume(path, X, Y)

    assert dgd.resume(path, X, Y, max_iter=6, callbacks=[beside]).history[-1].iteration == 6


def test_what_a_dead_fit_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """A lock's file without its process, whatever it holds."""
    path = tmp_path / "run.ckpt"
    for left in ('{"id": "a", "host": "elsewhere", "pid": 1}', "", "[" * 2000):
        (tmp_path / ".run.ckpt.lock").write_text(left)
        fitted(path, lambda: None)
        dgd.resume(path, X, Y, max_iter=5)
        path.unlink()


def test_a_fit_that_ended_by_an_error_gives_its_lock_back(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fitted(tmp_path / "run.ckpt", fail)
    assert dgd.resume(tmp_path / "run.ckpt", X, Y).history[-1].iteration == 4


def test_a_lock_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    lock = tmp_path / ".run.ckpt.lock"

    def beside() -> None:
        lock.unlink()

    def look(record: dgd.Record) -> None:
        if record.iteration == 4:
            assert lock.exists()
            with pytest.raises(OutputInUseError):
                dgd.resume(path, X, Y)

    dgd.fit(
        X, Y, **OPTIONS, checkpoint=path, checkpoint_every="pass",
        callbacks=[lambda record: beside() if record.iteration == 1 else None, look],
    )  # fmt: skip


@pytest.mark.parametrize("ends", [True, False])
def test_without_locks_the_first_finds_the_other(ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that has none, the fit that finds another one's id writes no more, says so, and goes on."""

    def none(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    path, lock = tmp_path / "run.ckpt", tmp_path / ".run.ckpt.lock"
    kept: list[bytes] = []

    def beside() -> None:
        if ends:
            dgd.resume(path, X, Y, max_iter=3)
        else:
            lock.write_text('{"id": "other", "host": "h", "pid": 7}')
        kept.append(path.read_bytes())

    with pytest.warns(RuntimeWarning, match="no checkpoint: .* is in use: another fit"):
        result = fitted(path, beside)
    assert len(result.history) == 4
    assert path.read_bytes() == kept[0], "it has written over the other one's checkpoint"
    assert lock.exists() is not ends, "the other one's lock was removed"
