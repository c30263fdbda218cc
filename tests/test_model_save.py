"""A save replaces a model in one step: who loads, and who comes after a crash, finds the older model or the new one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.data import folders
from dgd.errors import ModelError, WriteError

SAVE = """
import sys
import numpy as np, dgd
dgd.Model(np.full(200, 2.0), 2.0, "squared").save(sys.argv[1], overwrite=True)
"""
WAYS = ["exchanged", "in two steps"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With folders that are exchanged, and on a system that cannot."""
    if request.param == "in two steps":
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    return str(request.param)


@pytest.fixture
def model() -> dgd.Model:
    return numbered(1)


def numbered(number: float) -> dgd.Model:
    return dgd.Model(np.full(200, float(number)), float(number), "squared")


def fails(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def nth(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """The function, which fails when it is called for the n-th time."""
    calls: list[object] = []

    def called(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == count:
            fails()
        return function(*arguments, **options)

    return called


@pytest.mark.parametrize("step", ["write", "sync", "rename 1", "rename 2", "rename 3", "exchange"])
def test_a_save_that_fails_leaves_the_older_model_whole(
    model: dgd.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "m.dgd"
    model.save(path)
    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(Path, "write_bytes", fails)
        elif step == "sync":
            patch.setattr(folders, "sync_tree", fails)
        elif step == "exchange":
            patch.setattr(folders, "_exchange", fails)
        else:
            patch.setattr(folders, "_exchange", lambda one, other: False)
            patch.setattr(os, "rename", nth(os.rename, int(step[-1])))
        with pytest.raises(WriteError, match=r"m\.dgd cannot be written: No space left on device") as caught:
            replace(model, coef=model.coef + 1).save(path, overwrite=True)
    assert (caught.value.path, caught.value.errno) == (str(path), 28)
    assert (dgd.load_model(path).coef == model.coef).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.dgd"]
    replace(model, coef=model.coef + 1).save(path, overwrite=True)
    assert (dgd.load_model(path).coef == model.coef + 1).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.dgd"]


@pytest.mark.parametrize("loads", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_loader_beside_a_saver_never_fails(way: str, tmp_path: Path, loads: int) -> None:
    path = tmp_path / "m.dgd"
    numbered(0).save(path)
    done = threading.Event()
    seen: list[dgd.Model] = []
    versions: set[float] = set()

    def save() -> None:
        for number in itertools.count(1):
            numbered(number).save(path, overwrite=True)
            if done.is_set():
                break

    saver = threading.Thread(target=save)
    saver.start()
    try:
        # A processor may load many times between two saves.
        while len(seen) < loads or len(versions) <= 5:
            seen.append(dgd.load_model(path))
            versions.add(float(seen[-1].intercept))
    finally:
        done.set()
        saver.join()
    assert all((model.coef == model.intercept).all() for model in seen)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.dgd"]


def test_what_is_damaged_for_good_is_still_refused(tmp_path: Path) -> None:
    numbered(1).save(tmp_path / "m.dgd")
    (tmp_path / "m.dgd" / "coef.npy").write_bytes(b"")
    with pytest.raises(ModelError, match="damaged"):
        dgd.load_model(tmp_path / "m.dgd")
    (tmp_path / "file").touch()
    for nothing in ("file", "nowhere", "nowhere/m.dgd"):
        with pytest.raises(ModelError, match="there is no dgd model"):
            dgd.load_model(tmp_path / nothing)


def test_what_killed_savers_left_is_removed_and_what_others_own_is_not(model: dgd.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.dgd"
    left = [tmp_path / f".m.dgd.{'0' * 32}.{kind}" for kind in ("partial", "old")]
    others = [
        tmp_path / name for name in (f".k.dgd.{'0' * 32}.partial", ".m.dgd.mine.partial", f"m.dgd.{'0' * 32}.old")
    ]
    for folder in (*left, *others):
        folder.mkdir()
        (folder / "coef.npy").write_bytes(b"x")
    alive, lock = folders._locked_draft(path)
    model.save(path)
    assert not any(folder.exists() for folder in left)
    assert all(folder.exists() for folder in (*others, alive))
    os.close(lock)
    model.save(path, overwrite=True)
    assert not alive.exists()


def test_a_link_to_a_model_stays_a_link(model: dgd.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "v1.dgd")
    (tmp_path / "m.dgd").symlink_to("v1.dgd")
    numbered(2).save(tmp_path / "m.dgd", overwrite=True)
    assert (tmp_path / "m.dgd").is_symlink()
    assert dgd.load_model(tmp_path / "v1.dgd").intercept == 2


def test_two_savers_at_once_both_succeed(tmp_path: Path) -> None:
    path = tmp_path / "m.dgd"
    children = [
        subprocess.Popen([sys.executable, "-c", SAVE.replace("2.0", str(k)), path], stderr=subprocess.PIPE)
        for k in (1.0, 3.0)
    ]
    for child in children:
        assert child.communicate(timeout=60) == (None, b"")
    assert dgd.load_model(path).intercept in (1.0, 3.0)


CALLS = ["openat", "write", "fsync", "rename", "renameat2", "mkdir", "unlinkat", "rmdir", "flock", "close"]


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_save_killed_at_any_system_call_leaves_the_older_model_or_the_new_one(tmp_path: Path, call: str) -> None:
    path = tmp_path / "m.dgd"
    killed = 0
    for when in _whens(tmp_path, call):
        numbered(1).save(path, overwrite=True)
        killed += _strace("-e", f"inject={call}:signal=KILL:when={when}", path=path) < 0
        assert dgd.load_model(path).intercept in (1.0, 2.0)
        numbered(3).save(path, overwrite=True)
        assert [entry.name for entry in tmp_path.iterdir()] == ["m.dgd"]
    assert killed


def _whens(tmp_path: Path, call: str) -> Iterator[int]:
    """Which calls of that name concern a save: those after the imports."""
    numbered(1).save(tmp_path / "m.dgd", overwrite=True)
    log = tmp_path.parent / f"{call}.log"
    _strace("-e", f"trace={call}", "-o", str(log), path=tmp_path / "m.dgd")
    calls = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    calls = [[pid, text] for pid, text in calls if pid == calls[0][0]]
    named = [k for k, (_, text) in enumerate(calls, 1) if str(tmp_path) in text]
    yield from named or range(1, len(calls) + 1)[-12:]


def _strace(*options: str, path: Path) -> int:
    command = ["strace", "-f", "-qq", *options, sys.executable, "-c", SAVE, str(path)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


# ---------------------------------------------------------------- dgd fit --out


def test_room_for_the_model_is_tried_before_the_fit(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "fsync", fails)
    assert main(["fit", store, "--out", str(tmp_path / "m.dgd")]) == 3
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        f"error: {tmp_path}/m.dgd cannot be written: No space left on device; free some space there, or give a path on "
        "another disk, then write it again\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_full_disk_at_the_end_does_not_cost_the_fit(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], elsewhere: bool
) -> None:
    import json

    out, work = tmp_path / "full" / "m.dgd", tmp_path / "work"
    out.parent.mkdir()
    work.mkdir()
    write = folders.sync_tree
    monkeypatch.setattr(
        folders, "sync_tree", lambda path: write(path) if elsewhere and path.parent == work else fails()
    )
    monkeypatch.chdir(work)
    assert main(["fit", store, "--out", str(out), "--quiet"]) == 3
    printed, err = capfd.readouterr()
    assert f"error: {out} cannot be written: No space left on device" in err
    assert not list(out.parent.iterdir())
    found = list(work.iterdir())
    if elsewhere:
        assert f"the model is not at {out} but at {found[0]}" in err
        assert dgd.load_model(found[0]).n_features == 5
        assert "status        converged" in printed
    else:
        assert not found
        assert len(json.loads(printed)["coef"]) == 5
