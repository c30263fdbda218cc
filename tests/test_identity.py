"""What is read is what was written, and what was read before: swapped, rewritten and foreign chunks are refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import Cluster, cluster
from sums import gradient_sum

import dgd
from dgd.data.seen import Seen, hold, seen
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.manifest import MANIFEST
from dgd.errors import DatasetChangedError
from dgd.losses import Squared
from dgd.passes.cluster.executor import ClusterExecutor

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

ROWS = 400
OWN_WAY: dict[str, Any] = {
    "solver": "gd",
    "learning_rate": 0.05,
    "max_iter": 12,
    "tol": 0,
    "execution": dgd.Execution(resident=0, threads=2),
}


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).normal(size=(ROWS, 3))
    return X, X @ [1.0, 2.0, 3.0]


def written(path: Path, *, seed: int = 0, compression: str = "none") -> Path:
    """A dataset of dgd with a last chunk that is short."""
    with dgd.DatasetWriter(path, chunk_rows=90, compression=compression, overwrite=True) as writer:
        writer.append(*data(seed))
    return path


def foreign(path: Path, *, seed: int = 0) -> Path:
    """The same rows as zarr writes them, without a checksum."""
    group = zarr.open_group(path, mode="w")
    X, y = data(seed)
    for name, values in (("X", X), ("y", y)):
        group.create_array(name, shape=values.shape, chunks=(90, *values.shape[1:]), dtype="f8")[...] = values
    return path


def swap(path: Path) -> None:
    first, second, other = path / "X/c/0/0", path / "X/c/1/0", path / "other"
    first.rename(other)
    second.rename(first)
    other.rename(second)


def take_another(path: Path) -> None:
    shutil.copy(written(path.with_name("b.zarr"), seed=1, compression="none") / "X/c/1/0", path / "X/c/1/0")


def rewrite(path: Path) -> None:
    zarr.open_group(path, mode="r+")["y"][100:110] = 7.0


def replace(path: Path) -> None:
    """Other rows in the same format."""
    made = written if (path / "X" / MANIFEST).exists() else foreign
    shutil.rmtree(path)
    made(path, seed=1)


@pytest.mark.parametrize("change", [swap, take_another])
def test_a_chunk_from_elsewhere_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = written(tmp_path / "a.zarr")
    change(path)
    with pytest.raises(DatasetChangedError, match="is not what was written") as caught:
        dgd.fit(path, threads=1)
    index = 0 if change is swap else 1
    found = caught.value
    assert (found.array, found.chunk, found.rows) == ("X", f"c/{index}/0", (90 * index, 90 * index + 90))


@pytest.mark.parametrize(
    "compression", ["none", "zstd", *[pytest.param(c, marks=pytest.mark.slow) for c in ("blosc", "gzip")]]
)
def test_a_rewritten_chunk_is_refused_and_an_equal_one_is_not(tmp_path: Path, compression: str) -> None:
    path = written(tmp_path / "a.zarr", compression=compression)
    expected = dgd.fit(path).theta
    if compression != "gzip":  # which writes the time
        y = zarr.open_group(path, mode="r+")["y"]
        y[90:180] = y[90:180]
        assert dgd.fit(path).theta.tobytes() == expected.tobytes()
    rewrite(path)
    with pytest.raises(DatasetChangedError, match=r"array 'y' .* chunk c/1 \(rows 90 to 179\)"):
        dgd.fit(path)
    with pytest.raises(DatasetChangedError):
        dgd.predict(dgd.fit(*data()).model, swapped(path))


def swapped(path: Path) -> Path:
    swap(path)
    return path


def test_the_list_of_checksums_is_vouched_for(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zarr")
    file = path / "X" / MANIFEST
    content = bytearray(file.read_bytes())
    assert len(content) == 4 * 5
    content[5] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatasetChangedError, match=r"its list of checksums, dgd\.crc32c, is another one"):
        dgd.fit(path)
    file.write_bytes(bytes(24))
    with pytest.raises(DatasetChangedError, match="is another one"):
        dgd.fit(path)
    file.unlink()
    with pytest.raises(DatasetChangedError, match="is gone since the dataset was opened"):
        dgd.fit(path)


class Meanwhile:
    """A callback that does something to a dataset after three passes, as another process would."""

    def __init__(self, change: Callable[[Path], Any], path: Path) -> None:
        self.change, self.path, self.last = change, path, 0

    def __call__(self, record: dgd.Record) -> None:
        self.last = record.iteration
        if record.iteration == 3:
            self.change(self.path)


@pytest.mark.parametrize("made", [written, foreign])
@pytest.mark.parametrize("change", [swap, rewrite, replace])
def test_data_changed_during_a_fit_end_it_in_that_pass(
    tmp_path: Path, made: Callable[[Path], Path], change: Callable[[Path], Any]
) -> None:
    path = made(tmp_path / "a.zarr")
    meanwhile = Meanwhile(change, path)
    with pytest.raises(DatasetChangedError, match="is not what was written" if made is written else "read before") as e:
        dgd.fit(path, callbacks=[meanwhile], **OWN_WAY)
    assert meanwhile.last == 3
    # Of several chunks that are wrong at once, either thread may be the first to say so.
    assert e.value.rows == (90, 180) if change is rewrite else e.value.rows[0] % 90 == 0


@pytest.mark.parametrize("made", [written, foreign])
def test_resident_chunks_stay_as_they_were_read(tmp_path: Path, made: Callable[[Path], Path]) -> None:
    path = made(tmp_path / "a.zarr")
    options = {**OWN_WAY, "execution": dgd.Execution(resident=2**20, threads=2)}
    expected = dgd.fit(path, **options).theta
    assert dgd.fit(path, callbacks=[Meanwhile(rewrite, path)], **options).theta.tobytes() == expected.tobytes()


def test_a_model_names_what_was_read(tmp_path: Path) -> None:
    def recorded(path: Path) -> str:
        found: str = dgd.fit(path).model.provenance["fingerprint"]
        return found

    ours, other = written(tmp_path / "a.zarr"), foreign(tmp_path / "b.zarr")
    assert recorded(ours) == dgd.info(ours).fingerprint
    before = recorded(other)
    assert before == recorded(other) != dgd.info(other).fingerprint
    rewrite(other)
    assert dgd.info(other).fingerprint == dgd.info(foreign(tmp_path / "c.zarr")).fingerprint
    assert recorded(other) != before == recorded(tmp_path / "c.zarr")


def test_a_file_without_a_checksum_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    def counted(values: Any) -> int:
        hashed.append(len(values))
        return crc32c(values)

    monkeypatch.setattr("dgd.data.zarr.stored_bytes.crc32c", counted)
    path = foreign(tmp_path / "a.zarr")
    dgd.fit(path, **OWN_WAY)
    assert len(hashed) == 10 * 12, "a file that was just written may be written again unnoticed"
    hashed.clear()
    monkeypatch.setattr("dgd.data.zarr.sources.JUST_NOW", 0)
    dgd.fit(path, **OWN_WAY)
    assert len(hashed) == 10
    os.utime(path / "X/c/1/0")
    dataset = dgd.open_dataset(path)
    dgd.fit(dataset, **OWN_WAY)
    (path / "X/c/1/0").chmod(0o600)
    dgd.fit(dataset, **OWN_WAY)
    assert len(hashed) == 10 + 10 + 1
    for change in (swap, rewrite):
        with pytest.raises(DatasetChangedError, match="is not what was read before"):
            dgd.fit(path, callbacks=[Meanwhile(change, path)], **OWN_WAY)


@pytest.fixture(scope="module")
def two_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Path, Path]]:
    """Two workers that see other data at the same path, which is in the folder they run in, as this process does."""
    folder = tmp_path_factory.mktemp("copies")
    here, there = folder / "here", folder / "there"
    with cluster(folder) as found, pytest.MonkeyPatch.context() as patched:
        for path in (here, there):
            path.mkdir()
            found.add_worker(cwd=path)
        patched.chdir(here)
        yield found, here, there


SAME_PATH = "/proc/self/cwd/a.zarr"


@dataclass
class Heard:
    """A callback that remembers the messages of events."""

    messages: list[str]

    def __call__(self, record: dgd.Record) -> None:
        """Goes on."""

    def on_event(self, event: Any) -> None:
        self.messages += [event.message] if event.message else []


@pytest.mark.slow
@pytest.mark.each(2)
def test_a_worker_with_another_copy_is_named(
    two_copies: tuple[Cluster, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, here, there = two_copies
    written(here / "a.zarr")
    written(there / "a.zarr", seed=1)
    with pytest.raises(DatasetChangedError, match="another copy is at this path") as caught:
        dgd.fit(SAME_PATH, client=found.client)
    assert found.worker_pids()[str(caught.value.worker)] == found.workers[1].pid
    assert str(caught.value.worker) in str(caught.value)
    shutil.rmtree(there / "a.zarr")
    with pytest.warns(RuntimeWarning, match="is left out: it does not see"):
        assert dgd.fit(SAME_PATH, client=found.client).plan.processes == 1
    # As if it had lost the dataset after the handshake: the other one takes its part.
    monkeypatch.setattr("dgd.passes.cluster.handshake.places_of", lambda dataset: frozenset())
    heard: list[str] = []
    result = dgd.fit(SAME_PATH, client=found.client, callbacks=[Heard(heard)])
    assert result.theta.tobytes() == dgd.fit(here / "a.zarr", threads=1).theta.tobytes()
    (said,) = [message for message in heard if "this machine does not see the dataset any more" in message]
    assert found.workers[1].pid == found.worker_pids()[said.partition("read by worker ")[2].partition(")")[0]]


@pytest.mark.each(3)
@pytest.mark.parametrize("resident", [0, 2**20])
@pytest.mark.parametrize("known", [False, True])
def test_copies_without_a_list_are_told_apart_in_the_first_pass(
    two_copies: tuple[Cluster, Path, Path], resident: int, known: bool
) -> None:
    found, here, there = two_copies
    for path in (here, there):
        shutil.rmtree(path / "a.zarr", ignore_errors=True)
    foreign(here / "a.zarr")
    foreign(there / "a.zarr", seed=1)
    dataset = dgd.open_dataset(SAME_PATH)
    if known:
        dataset.read(4)
    options = {**OWN_WAY, "max_iter": 1, "execution": dgd.Execution(resident=resident)}
    with pytest.raises(DatasetChangedError, match="is not what was read before") as caught:
        dgd.fit(dataset, client=found.client, **options)
    odd = {worker.pid for worker in (found.workers[1:] if known else found.workers)}
    assert found.worker_pids()[str(caught.value.worker)] in odd


@pytest.mark.parametrize("solver", ["gd", pytest.param("minibatch", marks=pytest.mark.slow)])
def test_what_workers_have_read_is_held_to_by_all(two_copies: tuple[Cluster, Path, Path], solver: str) -> None:
    found, here, there = two_copies
    for path in (here, there):
        shutil.rmtree(path / "a.zarr", ignore_errors=True)
        foreign(path / "a.zarr")
    dataset = dgd.open_dataset(SAME_PATH)
    options = {**OWN_WAY, "solver": solver, "execution": dgd.Execution(resident=0)}
    if solver == "minibatch":
        options.pop("learning_rate")
    dgd.fit(dataset, client=found.client, **options)
    parts = seen(dataset, range(dataset.n_chunks))
    with closing(ClusterExecutor(found.client)) as executor:
        again = executor.sweep(dataset, gradient_sum(Squared(), 0.0, np.zeros(3))).seen
        assert {each.first for each in again} <= {4}, "workers say what is known, besides the chunk that each tries"
    assert [(part.role, part.is_complete) for part in parts] == [("X", True), ("y", True)]
    alone = dgd.open_dataset(SAME_PATH)
    dgd.fit(alone, threads=1, max_iter=1)
    assert alone.identity == dataset.identity
    assert all((a.values == b.values).all() for a, b in zip(parts, seen(alone, range(5)), strict=True))
    meanwhile = Meanwhile(lambda path: [rewrite(folder / "a.zarr") for folder in (here, there)], here)
    with pytest.raises(DatasetChangedError, match=r"chunk c/1 \(rows 90 to 179\) is not what was read before"):
        dgd.fit(SAME_PATH, client=found.client, callbacks=[meanwhile], **options)
    assert meanwhile.last == 3


def test_chunks_of_any_number_of_dimensions_are_told_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name in ("t", "p", "y"):
        array = group.create_array(
            name, shape=(6, 4, 4), chunks=(2, 2, 2), dtype="f8", dimension_names=("time", "lat", "lon")
        )
        array[...] = rng.normal(size=(6, 4, 4))
    dataset = dgd.open_dataset(tmp_path / "a.zarr", features=["t", "p"])
    dgd.fit(dataset, max_iter=3, tol=0)
    for rows in dataset.arrays:
        for stored in rows.stored(0, rows.shape[0]):
            assert len(set(stored.values.tolist())) == 12
    swap_within(tmp_path / "a.zarr" / "t" / "c" / "0" / "0")
    with pytest.raises(DatasetChangedError, match=r"array 't' .* chunk c/0/0/0"):
        dgd.fit(dataset)


def swap_within(folder: Path) -> None:
    """Exchange the first two chunks of a folder."""
    (folder / "0").rename(folder / "2")
    (folder / "1").rename(folder / "0")
    (folder / "2").rename(folder / "1")


@pytest.mark.parametrize("worker", [None, "tcp://a"])
def test_what_others_have_read_is_held_to_and_the_error_is_no_cause_of_itself(
    worker: str | None, tmp_path: Path
) -> None:
    dataset = dgd.open_dataset(foreign(tmp_path / "a.zarr"))
    dataset.read(2)
    (known, _) = seen(dataset, range(5))
    with pytest.raises(DatasetChangedError, match=r"rows 180 to 269") as caught:
        hold(dataset, [Seen("X", 0, 0, known.values + 1, worker)])
    assert caught.value.worker == worker
    causes = [caught.value.__cause__, caught.value.__context__]
    assert caught.value not in causes
