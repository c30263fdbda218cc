"""Checkpoints when something goes wrong: a kill at any moment, a full disk, Ctrl-C, a damaged file, changed data."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from methods import TARGETS, X

import dgd
from dgd.errors import CheckpointError, ConfigurationError, WriteError
from dgd.fitting.checkpoint.file import before, read_checkpoint, to_bytes
from dgd.penalties import L2

Y = TARGETS["squared"]
OPTIONS: dict[str, Any] = {"solver": "nesterov", "tol": 0, "max_iter": 10, "threads": 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint after pass 5, and the one after pass 4 beside it."""
    path = tmp_path / "run.ckpt"

    def die(record: dgd.Record) -> None:
        if record.iteration == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dgd.fit(X, Y, **OPTIONS, checkpoint=path, checkpoint_every="pass", callbacks=[die])
    return path


# ---------------------------------------------------------------- kills

KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from dgd.fitting.checkpoint.file import read_checkpoint, write_checkpoint

path, calls, at = Path(sys.argv[1]), 0, 0
state = {"a0": np.arange(50.0)}
SYSTEM = {"open", "os.rename", "os.remove", "os.link", "os.chmod", "fsync", "close"}

def count(event, arguments):
    global calls, at
    calls += event in SYSTEM
    if at and calls == at:
        at = 0
        os.kill(os.getpid(), signal.SIGKILL)

def counted(name, function):
    def call(*arguments):
        count(name, arguments)
        return function(*arguments)
    return call

os.fsync, os.close = counted("fsync", os.fsync), counted("close", os.close)
sys.addaudithook(count)
outcomes = []
while True:
    for number in (1, 2):
        write_checkpoint(path, number, state, keep=True)
    pid = os.fork()
    if pid == 0:
        calls, at = 0, len(outcomes) + 1
        write_checkpoint(path, 3, state, keep=True)
        os._exit(0)
    ended = os.waitpid(pid, 0)[1]
    outcomes.append(read_checkpoint(path)[0])
    if ended == 0:
        break
print(outcomes)
"""


def test_a_kill_at_any_call_leaves_the_last_checkpoint_or_the_one_before(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "c"], capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    outcomes = json.loads(ran.stdout)
    assert set(outcomes) == {2, 3}
    assert outcomes == sorted(outcomes)
    assert len(outcomes) > 6
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c", "c.before"]


FIT = """
import sys, dgd, numpy as np
rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 3)), rng.normal(size=100)
dgd.fit(X, y, solver="nesterov", tol=0, max_iter=6, threads=1, checkpoint=sys.argv[1], checkpoint_every="pass")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", ["openat", "write", "fsync", "rename", "link", "unlink", "close"])
def test_a_fit_killed_at_any_system_call_can_be_resumed(tmp_path: Path, call: str) -> None:
    """By strace, n = 1, 2, …: of every call of a fit that concerns its checkpoints."""
    path, log = tmp_path / "c", tmp_path / "log"
    command = [sys.executable, "-c", FIT, str(path)]
    subprocess.run(["strace", "-f", "-qq", "-y", "-e", f"trace={call}", "-o", str(log), *command], check=True)
    lines = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    main = [text for pid, text in lines if pid == lines[0][0]]
    ours = [n for n, text in enumerate(main, 1) if str(path) in text or f"/.{path.name}" in text]
    rng = np.random.default_rng(0)
    data = rng.normal(size=(100, 3)), rng.normal(size=100)
    expected = dgd.fit(*data, solver="nesterov", tol=0, max_iter=6, threads=1)
    resumed = 0
    for when in ours:
        for left in (path, before(path)):
            left.unlink(missing_ok=True)
        killed = ["strace", "-f", "-qq", "-e", f"inject={call}:signal=KILL:when={when}", *command]
        assert subprocess.run(killed, capture_output=True, check=False).returncode < 0
        if path.exists():
            resumed += 1
            assert dgd.resume(path, *data).theta.tobytes() == expected.theta.tobytes()
    assert resumed > 3


# ---------------------------------------------------------------- what cannot be written


@pytest.mark.parametrize(("number", "says"), [(28, "No space left"), (5, "Input/output"), (30, "Read-only")])
def test_a_disk_that_fails_is_one_warning_and_the_fit_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    path = tmp_path / "c"
    expected = dgd.fit(X, Y, **OPTIONS)
    sync, passes = os.fsync, 0

    def fails(handle: int) -> None:
        if 3 <= passes <= 6:
            raise OSError(number, os.strerror(number))
        sync(handle)

    def look(record: dgd.Record) -> None:
        nonlocal passes
        passes = record.iteration

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.warns(RuntimeWarning, match=rf"no checkpoint: .*c cannot be written: {says}") as caught:
        result = dgd.fit(X, Y, **OPTIONS, checkpoint=path, checkpoint_every="pass", callbacks=[look])
    assert len(caught) == 1
    assert result.theta.tobytes() == expected.theta.tobytes()
    assert read_checkpoint(path)[0]["passes"] == read_checkpoint(before(path))[0]["passes"] + 1 == 10
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c", "c.before"]


def test_room_is_tried_before_the_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(WriteError, match="No space left"):
        dgd.fit(X, Y, checkpoint=tmp_path / "c", callbacks=[lambda record: pytest.fail("a pass was made")])
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- when it is written


def test_checkpoints_come_by_time_or_by_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(
        "dgd.fitting.checkpoint.reached.write_checkpoint", lambda _, made, __, keep: written.append(made["passes"])
    )

    def passes(every: float | str) -> list[int]:
        written.clear()
        dgd.fit(X, Y, **OPTIONS, checkpoint=tmp_path / "c", checkpoint_every=every)
        return written

    assert passes("pass") == list(range(1, 11))
    assert passes(1e9) == [10]
    assert passes(1e-9) == list(range(1, 11))


def test_ctrl_c_in_mid_pass_leaves_the_pass_before_as_a_result_and_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    expected = dgd.fit(X, Y, **OPTIONS)
    sweep, calls = dgd.fitting.objective.Objective.sweep, 0

    def interrupted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return sweep(*arguments, **options)

    monkeypatch.setattr("dgd.fitting.objective.Objective.sweep", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        dgd.fit(X, Y, **OPTIONS, checkpoint=path)
    result = caught.value.result  # type: ignore[attr-defined]
    short = dgd.fit(X, Y, **{**OPTIONS, "max_iter": 5})
    assert result.theta.tobytes() == short.theta.tobytes()
    assert (result.n_iter_, result.status, result.checkpoint) == (5, dgd.Status.INTERRUPTED, str(path))
    assert dgd.resume(path, X, Y).theta.tobytes() == expected.theta.tobytes()


def test_ctrl_c_before_the_first_pass_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("dgd.fitting.objective.Objective.sweep", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        dgd.fit(X, Y)
    assert caught.value.result is None  # type: ignore[attr-defined]


# ---------------------------------------------------------------- what is in the way


def test_an_unfinished_checkpoint_is_not_replaced_and_a_finished_one_is(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has not finished, after pass 5; go on with `dgd\.resume\('"):
        dgd.fit(X, Y, checkpoint=path)
    dgd.resume(path, X, Y, max_iter=5)
    path.unlink()
    dgd.fit(X, Y, checkpoint=path, checkpoint_every="pass", tol=1e-6, solver="nesterov")
    expected = dgd.resume(path, X, Y)
    assert expected.converged
    result = dgd.fit(X, Y, checkpoint=path, tol=1e-6, solver="nesterov")
    assert (result.theta.tobytes(), result.checkpoint) == (expected.theta.tobytes(), None)
    assert dgd.fit(X, Y, checkpoint=path, max_iter=1, solver="nesterov").checkpoint
    assert not before(path).exists(), "a checkpoint of another fit was left"
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="exists and is not a checkpoint"):
        dgd.fit(X, Y, checkpoint=path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"checkpoint": "s3://bucket/c"}, "must be a local path"),
        ({"checkpoint": 7}, "must be a local path"),
        ({"checkpoint": "nowhere/c"}, "there is no folder"),
        ({"checkpoint": "c", "checkpoint_every": "hour"}, "seconds or 'pass'"),
        ({"checkpoint": "c", "checkpoint_every": 0}, "must be a number above 0"),
    ],
)
def test_arguments_that_cannot_be(options: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=says):
        dgd.fit(X, Y, **options)


# ---------------------------------------------------------------- what has changed


def test_other_data_are_refused_by_name(path: Path) -> None:
    changed = Y.copy()
    changed[100] += 1e-9
    cases: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        ((X, changed), {}, "content or the metadata of y has changed"),
        ((X[:, ::-1], Y), {}, "content or the metadata of X has changed"),
        ((X[:-1], Y[:-1]), {}, r"X has shape \(210, 4\), it had \(211, 4\)"),
        ((X, Y), {"weight": np.ones(len(Y))}, "there is a weight, but there was none"),
        ((X, Y), {"validation": (X, Y)}, "made on other validation data: there is a X"),
    ]
    for data, options, says in cases:
        with pytest.raises(CheckpointError, match=says):
            dgd.resume(path, *data, **options)
    with pytest.raises(ConfigurationError, match="were arrays of its own process"):
        dgd.resume(path)


def test_a_dataset_that_was_written_anew_is_refused(tmp_path: Path) -> None:
    for seed in (0, 1):
        with dgd.DatasetWriter(tmp_path / "d.zarr", overwrite=True) as writer:
            writer.append(np.random.default_rng(seed).normal(size=X.shape), Y)
        if seed == 0:
            dgd.fit(tmp_path / "d.zarr", **OPTIONS, checkpoint=tmp_path / "c")
            assert dgd.resume(tmp_path / "c").n_iter_ == 10
    with pytest.raises(CheckpointError, match="has changed"):
        dgd.resume(tmp_path / "c")
    zarr.open_group(tmp_path / "d.zarr", mode="w")
    with pytest.raises(dgd.errors.DataError):
        dgd.resume(tmp_path / "c")


@pytest.mark.parametrize("changed", [0, 1], ids=["data", "validation"])
def test_chunks_of_a_store_without_checksums_are_held_to_what_was_read_before_the_break(
    tmp_path: Path, changed: int
) -> None:
    stores, path = [tmp_path / "d.zarr", tmp_path / "v.zarr"], tmp_path / "c"
    groups = [zarr.open_group(store, mode="w") for store in stores]
    for group in groups:
        for name, values in (("X", X), ("y", Y)):
            array = group.create_array(name, shape=values.shape, chunks=(50, *values.shape[1:]), dtype="f8")
            array[...] = values
    dgd.fit(stores[0], **OPTIONS, checkpoint=path, validation=stores[1])
    assert dgd.resume(path, max_iter=12).n_iter_ == 12
    groups[changed]["X"][60, 0] += 1
    with pytest.raises(
        dgd.errors.DatasetChangedError, match=r"chunk c/1/0 \(rows 50 to 99\) is not what was read before"
    ):
        dgd.resume(path, max_iter=13)


def test_another_problem_is_refused_by_name(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"with penalty=NoPenalty\(\), not L2\(l2=0.1\)"):
        dgd.resume(path, X, Y, penalty=L2(0.1))
    with pytest.raises(CheckpointError, match="with loss="):
        dgd.resume(path, X, Y, loss=dgd.losses.Huber(1.0))
    with pytest.raises(CheckpointError, match="with solver="):
        dgd.resume(path, X, Y, solver=dgd.solvers.Newton())


@pytest.mark.parametrize("what", ["dgd", "numpy", "BLAS"])
def test_another_version_is_refused_by_name_unless_any_will_do(
    path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    now = dgd.fitting.checkpoint.identity.bits()
    monkeypatch.setattr("dgd.fitting.checkpoint.identity.bits", lambda **_: {**now, what: "9.9"})
    with pytest.raises(CheckpointError, match=rf"was written with {what} .*\(now 9\.9\): .*any_version=True"):
        dgd.resume(path, X, Y)
    expected = dgd.fit(X, Y, **OPTIONS)
    assert dgd.resume(path, X, Y, any_version=True).theta.tobytes() == expected.theta.tobytes()


def test_another_compiler_is_refused_where_one_makes_the_sums(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = path.with_name("compiled.ckpt")
    with monkeypatch.context() as small:
        small.setattr("dgd.passes.sums.compiled.use.FROM_BYTES", 1)
        expected = dgd.fit(X, Y, **OPTIONS)
        dgd.fit(X, Y, **{**OPTIONS, "max_iter": 3}, checkpoint=compiled, checkpoint_every="pass")
        assert dgd.resume(compiled, X, Y, max_iter=OPTIONS["max_iter"]).theta.tobytes() == expected.theta.tobytes()
    monkeypatch.setattr("dgd.fitting.checkpoint.identity.compiler", lambda: "numba 9.9 of another machine")
    with pytest.raises(CheckpointError, match=r"with compiler numba .* \(now numba 9\.9 of another machine\)"):
        dgd.resume(compiled, X, Y)
    assert dgd.resume(path, X, Y).theta.tobytes() == dgd.fit(X, Y, **OPTIONS).theta.tobytes()


# ---------------------------------------------------------------- what is damaged


def test_the_one_before_is_taken_where_the_last_is_damaged(path: Path) -> None:
    expected = dgd.fit(X, Y, **OPTIONS)
    content, older = path.read_bytes(), before(path).read_bytes()
    for damaged in (b"", content[:-1], content + b"x", content.replace(b"nesterov", b"nestenov"), None):
        before(path).write_bytes(older)
        path.unlink() if damaged is None else path.write_bytes(damaged)
        with pytest.warns(RuntimeWarning, match=r"going on from the checkpoint before it, .*run\.ckpt\.before"):
            assert dgd.resume(path, X, Y).theta.tobytes() == expected.theta.tobytes()


def test_what_is_no_checkpoint_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello")
    for name in ("pipe", "folder", "text", "nothing", "/dev/zero"):
        with pytest.raises(CheckpointError, match="checkpoint"):
            dgd.resume(tmp_path / name, X, Y)


@pytest.mark.parametrize("count", [100, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_a_checkpoint_that_was_made_up_is_a_typed_error(path: Path, count: int) -> None:
    """Values of the document exchanged for others, with a checksum that fits."""
    rng = np.random.default_rng(0)
    document, arrays = read_checkpoint(path)
    before(path).unlink()
    odd = [None, True, -1, 2**70, 1e308, float("nan"), "", "x" * 100, [], {}, [[]], {"array": "a1"}, {"array": "a99"}]
    odd += [{"class": "dgd.__main__:main", "fields": {}}, {"class": "os:system"}, {"tuple": 3}, {"scalar": "O"}]
    odd += [{"class": "dgd.solvers.base:Status", "member": "CONVERGED"}, {"tuple": [1, "a"], "list": True}]
    refused = 0
    for _ in range(count):
        changed = json.loads(json.dumps(document))
        places = list(_places(changed))
        parent, key = places[rng.integers(len(places))]
        parent[key] = odd[rng.integers(len(odd))]
        path.write_bytes(to_bytes(changed, arrays))
        try:
            dgd.fitting.checkpoint.identity.Stored.read(path)
        except CheckpointError:
            refused += 1
    assert refused > count / 2


def _places(value: Any) -> Any:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"{}", b'{"document": 1, "arrays": [{"name": "a", "dtype": "|O"}]}', b"\xff"]
)
def test_documents_of_another_kind_are_refused(tmp_path: Path, text: bytes) -> None:
    digest = hashlib.sha256(text).hexdigest()
    line = f"dgd checkpoint 1 sha256={digest} document={len(text)} bytes={len(text)}\n"
    (tmp_path / "c").write_bytes(line.encode() + text)
    with pytest.raises(CheckpointError, match="not a checkpoint that this dgd can read"):
        read_checkpoint(tmp_path / "c")
