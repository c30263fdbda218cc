"""Fits in lock-step that are interrupted: the same call makes the passes it lacks, and ends with the same bits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import two_in_this_process

import dgd
from dgd.data.dataset import Dataset
from dgd.errors import CheckpointError, ConfigurationError, DatasetChangedError, OutputInUseError, WriteError
from dgd.fitting.checkpoint import file
from dgd.fitting.checkpoint.lock import checkpoint_lock
from dgd.losses import Softmax
from dgd.passes.threads import ThreadExecutor
from dgd.penalties import L2, ElasticNet
from dgd.testing import MemoryChunks

RNG = np.random.default_rng(31)
M = 230
X = RNG.normal(size=(M, 4)) * [1, 10, 0.1, 1] + [0, 30, 0, 5]
ETA = (X - X.mean(axis=0)) / X.std(axis=0) @ [1.0, -0.5, 0.2, 0.0]
WEIGHT = RNG.integers(1, 4, M).astype(float)
TARGETS = {
    "logistic": (RNG.random(M) < 1 / (1 + np.exp(-ETA))).astype(float),
    "poisson": RNG.poisson(np.exp(ETA / 2)).astype(float),
    "softmax": np.argmax(np.c_[ETA, -ETA, 0 * ETA] + RNG.gumbel(size=(M, 3)), axis=1),
}
LOSSES: dict[str, Any] = {"logistic": "logistic", "poisson": "poisson", "softmax": Softmax(3)}

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")


def data(loss: str, X: np.ndarray = X) -> Dataset:
    bounds = [*range(0, M, 60), M]
    given = {"X": X, "y": TARGETS[loss], "weight": WEIGHT}
    return Dataset(**{name: MemoryChunks(name, array, bounds) for name, array in given.items()})


def path(loss: str, **options: Any) -> Any:
    return dgd.path(data(loss), loss=LOSSES[loss], **{"n_lambdas": 4, "threads": 2, **options})


def compared(loss: str, **options: Any) -> Any:
    options = {"n_lambdas": 3, "folds": 3, "penalties": "l1", "threads": 2, **options}
    return dgd.cross_validate(data(loss), loss=LOSSES[loss], **options)


class Sweeps:
    """Passes of this process; the one of number `last` is interrupted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self.last = 0, -1
        make = ThreadExecutor.sweep

        def sweep(executor: ThreadExecutor, dataset: Dataset, chunk_sum: Any) -> Any:
            # Targets alone are read before the first pass.
            if dataset.shape[1] > 1:
                if self.made == self.last:
                    raise KeyboardInterrupt
                self.made += 1
            return make(executor, dataset, chunk_sum)

        monkeypatch.setattr(ThreadExecutor, "sweep", sweep)

    def until(self, last: int) -> None:
        self.made, self.last = 0, last


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    return Sweeps(monkeypatch)


def same(found: Any, expected: Any) -> None:
    """To the bit."""
    if isinstance(expected, dgd.CrossValidation):
        for name in ("fold_losses", "fold_thetas", "strengths"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        np.testing.assert_array_equal(found.result.theta, expected.result.theta)
        assert found.models == expected.models
    else:
        np.testing.assert_array_equal(found.thetas, expected.thetas)
        np.testing.assert_array_equal(found.losses, expected.losses)
    assert (found.passes, found.bytes_read) == (expected.passes, expected.bytes_read)


@pytest.mark.each(8)
@pytest.mark.parametrize(
    ("call", "loss", "options"),
    [
        (path, "logistic", {}),
        (path, "softmax", {"penalty": 0.5}),
        (path, "poisson", {"penalty": "l2", "solver": "lbfgs"}),
        (compared, "logistic", {"choose": "one_se"}),
        (compared, "poisson", {"penalties": [L2(0.1), ElasticNet(l1=0.01, l2=0.1)], "n_lambdas": None}),
        (compared, "softmax", {"penalties": "l2", "fit_intercept": False}),
    ],
)
def test_whatever_pass_is_interrupted_the_same_call_goes_on(
    call: Any, loss: str, options: Any, tmp_path: Path, sweeps: Sweeps
) -> None:
    expected = call(loss, **options)
    passes = sweeps.made
    for last in {0, 1, passes // 2, passes - 1}:
        checkpoint = tmp_path / f"after-{last}"
        sweeps.until(last)
        with pytest.raises(KeyboardInterrupt):
            call(loss, checkpoint=checkpoint, **options)
        sweeps.until(-1)
        same(call(loss, checkpoint=checkpoint, **options), expected)
        assert sweeps.made == passes - last
    sweeps.until(0)
    same(call(loss, checkpoint=checkpoint, **options), expected)


def test_an_interrupted_call_is_not_mistaken_for_another(tmp_path: Path, sweeps: Sweeps, monkeypatch: Any) -> None:
    checkpoint = tmp_path / "passes"
    sweeps.until(2)
    with pytest.raises(KeyboardInterrupt):
        compared("logistic", checkpoint=checkpoint)
    sweeps.until(-1)
    others: list[tuple[Any, str]] = [
        (lambda: path("logistic", checkpoint=checkpoint), "that was `cross_validate`, and this is `path`"),
        (lambda: compared("logistic", checkpoint=checkpoint, penalties="l2"), "`penalties` is another one"),
        (lambda: compared("logistic", checkpoint=checkpoint, folds=4), "`folds` is another one"),
        (lambda: compared("logistic", checkpoint=checkpoint, seed=1), "`folds` is another one"),
        (lambda: compared("logistic", checkpoint=checkpoint, tol=1e-6), "`tol` is another one"),
        (lambda: compared("poisson", checkpoint=checkpoint), "`loss` is another one|content"),
    ]
    for other, said in others:
        with pytest.raises(CheckpointError, match=said):
            other()
    with monkeypatch.context() as patched:
        patched.setattr(np, "__version__", "0.1")
        with pytest.raises(CheckpointError, match="its bits are those of numpy"):
            compared("logistic", checkpoint=checkpoint)
    compared("logistic", checkpoint=checkpoint)
    # One that has finished is replaced.
    same(path("poisson", checkpoint=checkpoint), path("poisson"))


def test_other_rows_in_memory_are_other_data(tmp_path: Path, sweeps: Sweeps) -> None:
    y, checkpoint = TARGETS["logistic"], tmp_path / "passes"
    sweeps.until(1)
    with pytest.raises(KeyboardInterrupt):
        dgd.path(X, y, loss="logistic", checkpoint=checkpoint)
    sweeps.until(-1)
    with pytest.raises(CheckpointError, match="the data are others: the content or the metadata of X"):
        dgd.path(np.where(np.arange(M)[:, None] == 7, 0.0, X), y, loss="logistic", checkpoint=checkpoint)


def test_a_chunk_that_has_changed_meanwhile_is_named(tmp_path: Path, sweeps: Sweeps) -> None:
    """Of a store whose writer left no checksums: what was read is held to what is read now."""
    group = zarr.open_group(tmp_path / "train.zarr", mode="w")
    for name, array in {"X": X, "y": TARGETS["logistic"]}.items():
        group.create_array(name, data=array, chunks=(60, *array.shape[1:]))
    call = partial(dgd.path, tmp_path / "train.zarr", loss="logistic", n_lambdas=3, checkpoint=tmp_path / "passes")
    sweeps.until(2)
    with pytest.raises(KeyboardInterrupt):
        call()
    sweeps.until(-1)
    group["X"][130, 1] += 1  # type: ignore[index, operator]
    with pytest.raises(DatasetChangedError, match=r"chunk c/2/0 \(rows 120 to 179\) is not what was read before"):
        call()


def test_a_damaged_pass_is_made_again_and_all_that_follow(tmp_path: Path, sweeps: Sweeps) -> None:
    expected = path("logistic", checkpoint=tmp_path / "passes")
    damaged = tmp_path / "passes" / "pass-0003"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    sweeps.until(-1)
    with pytest.warns(RuntimeWarning, match="pass-0003 is damaged: .* made again"):
        same(path("logistic", checkpoint=tmp_path / "passes"), expected)
    assert sweeps.made == expected.passes - 3


def test_a_pass_that_cannot_be_kept_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    replace = file.replace_file

    def filling(path: Path, content: bytes, **options: Any) -> None:
        written.append(path)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        replace(path, content, **options)

    monkeypatch.setattr(file, "replace_file", filling)
    with pytest.warns(RuntimeWarning, match="no checkpoint: .*No space left"):
        found = path("logistic", checkpoint=tmp_path / "passes")
    assert len(written) == 4, "nothing is tried again, which would leave a gap"
    monkeypatch.undo()
    same(path("logistic", checkpoint=tmp_path / "passes"), found)
    with monkeypatch.context() as patched:
        patched.setattr(file, "replace_file", filling)
        with pytest.raises(WriteError, match="No space left"):
            path("logistic", checkpoint=tmp_path / "others")


def test_what_cannot_be_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for checkpoint, said in (
        (tmp_path / "file", "holds no passes of dgd"),
        (tmp_path / "no" / "folder", "there is no folder"),
        ("s3://bucket/passes", "must be a local path"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            path("logistic", checkpoint=checkpoint)
    assert (tmp_path / "file").read_text() == "mine"
    with checkpoint_lock(tmp_path / "passes"), pytest.raises(OutputInUseError, match="is in use"):
        path("logistic", checkpoint=tmp_path / "passes")
    for call, argument in ((dgd.path, "penalty"), (dgd.cross_validate, "penalties")):
        with pytest.raises(ConfigurationError, match="the squared loss takes one"):
            call(X, ETA, checkpoint=tmp_path / "passes", **{argument: "l2"})


@pytest.mark.slow
def test_threads_go_on_where_two_workers_were_interrupted(tmp_path: Path, sweeps: Sweeps) -> None:
    expected = compared("logistic")
    with two_in_this_process() as client:
        there = compared("logistic", client=client, threads=None, checkpoint=tmp_path / "passes")
    same(there, expected)
    for left in sorted((tmp_path / "passes").glob("pass-*"))[3:]:
        left.unlink()
    sweeps.until(-1)
    same(compared("logistic", checkpoint=tmp_path / "passes"), expected)
    assert sweeps.made == expected.passes - 3
