"""Small stored chunks are read and summed several at a time: the rows, the bits, the places and the errors stay."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, TransposeCodec

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.folds import make_folds
from dgd.data.transforms import together as transforms
from dgd.data.transforms.row_split import RowSplit
from dgd.data.transforms.targets_only import targets_only
from dgd.data.transforms.together import LEAST_LEFT, TOGETHER_BYTES, TogetherRows, small_together
from dgd.data.zarr import gathering, sources, straight
from dgd.data.zarr.read_ahead import hints_in
from dgd.data.zarr.straight import Straight
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import CorruptChunkError, DatasetChangedError, MissingChunkError, ReadError, ValueRangeError
from dgd.fitting import null_model as null_module
from dgd.fitting.null_model import null_model, null_models
from dgd.losses import Logistic, Softmax, Squared
from dgd.passes.executor import InlineExecutor, sweep_node
from dgd.passes.threads import ThreadExecutor
from dgd.passes.tree import Node, cut_level
from tests.spoilt import flipped, linked, longer
from tests.sums import gradient_sum

CHUNKS, CHUNK_ROWS, N = 24, 5, 3
ROWS = CHUNKS * CHUNK_ROWS - 2
AT_ONCE = 4

PLAIN: dict[str, Any] = {"compressors": ()}
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "checksum": {"compressors": (Crc32cCodec(),)},
    "big endian": {"compressors": (), "serializer": BytesCodec(endian="big")},
    "zstd": {},
    "transposed": {"compressors": (), "filters": (TransposeCodec(order=(1, 0)),)},
}


@pytest.fixture(autouse=True)
def few_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many chunks together as of a large store, of few chunks."""
    monkeypatch.setattr(transforms, "LEAST_LEFT", CHUNKS // AT_ONCE)


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, N))
    return X, X[:, 0] + rng.standard_normal(ROWS)


def written(path: Path, X: Any, y: Any, *, y_rows: int = CHUNK_ROWS, **how: Any) -> Path:
    group = zarr.create_group(path)
    for name, values, rows in (("X", X, CHUNK_ROWS), ("y", y, y_rows)):
        chunks, own = (rows, *values.shape[1:]), {} if name == "y" and "filters" in how else how
        array = group.create_array(
            name, shape=values.shape, chunks=chunks, dtype=values.dtype, config={"write_empty_chunks": True}, **own
        )
        array[:] = values
    return path


def first_sum(dataset: Dataset, executor: Any) -> Any:
    return executor.sweep(dataset, gradient_sum(Squared(), 0.1, np.arange(1.0, 1 + N))).value


@pytest.mark.parametrize("y_rows", [CHUNK_ROWS, 7, ROWS])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_put_together_are_those_of_the_array(layout: str, y_rows: int, tmp_path: Path) -> None:
    X, y = data()
    dataset = small_together(dgd.open_dataset(written(tmp_path / "data.zarr", X, y, y_rows=y_rows, **LAYOUTS[layout])))
    assert isinstance(dataset.X, TogetherRows)
    assert dataset.n_chunks == CHUNKS // AT_ONCE
    buffers = Buffers()
    for index in range(dataset.n_chunks):
        chunk = dataset.read(index, buffers)
        start, stop = chunk.rows
        np.testing.assert_array_equal(chunk.X, X[start:stop])
        np.testing.assert_array_equal(chunk.y, y[start:stop])
    assert stop == ROWS


def test_a_sum_has_the_bits_of_chunks_of_as_many_rows(tmp_path: Path) -> None:
    X, y = data()
    dataset = small_together(dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **PLAIN)))
    expected = first_sum(
        Dataset(X=MemoryRows("X", X, chunk_rows=AT_ONCE * CHUNK_ROWS), y=MemoryRows("y", y)), InlineExecutor()
    )
    for executor in (InlineExecutor(), ThreadExecutor(1), ThreadExecutor(3)):
        found = first_sum(dataset, executor)
        np.testing.assert_array_equal(found.parts[0].gradient, expected.parts[0].gradient)
        assert found.parts[0].loss == expected.parts[0].loss


def test_a_fit_reads_every_byte_once_and_plans_the_rows(tmp_path: Path) -> None:
    X, y = data()
    path = written(tmp_path / "data.zarr", X, y, **PLAIN)
    result = dgd.fit(path, solver="lbfgs", execution=dgd.Execution(threads=2, resident=0))
    apart = dgd.fit(X, y, solver="lbfgs", threads=2)
    np.testing.assert_allclose(result.theta, apart.theta, rtol=1e-9)
    assert result.history[-1].bytes_read == 8 * CHUNKS * CHUNK_ROWS * (N + 1)
    plan = dgd.plan(path, solver="lbfgs", threads=2)
    assert plan.chunks == CHUNKS // AT_ONCE
    assert dgd.plan(path, solver="minibatch", threads=2).chunks == CHUNKS


@pytest.mark.parametrize(
    ("chunks", "chunk_bytes", "expected"),
    [
        (2 * LEAST_LEFT - 1, 8, 1),
        (2 * LEAST_LEFT, 8, 2),
        (100 * LEAST_LEFT, TOGETHER_BYTES // 16, 16),
        (100 * LEAST_LEFT, TOGETHER_BYTES // 2 + 1, 1),
        (100 * LEAST_LEFT, TOGETHER_BYTES // 3, 2),
    ],
)
def test_how_many_go_together(chunks: int, chunk_bytes: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "LEAST_LEFT", LEAST_LEFT)

    class Stored(MemoryRows):
        asks_ahead = True

    cells = chunk_bytes
    X = Stored("X", np.broadcast_to(np.int8(0), (chunks, cells)), chunk_rows=1)
    dataset = small_together(Dataset(X=X))
    assert dataset.n_chunks == -(-chunks // expected)


def test_targets_are_read_together_but_where_rows_are_held_out(tmp_path: Path) -> None:
    """A split and folds depend on where each chunk begins, and on its number."""
    X, y = data()
    dataset = dgd.open_dataset(written(tmp_path / "data.zarr", X, (y > 0.4).astype(float), **PLAIN))
    assert targets_only(dataset, numbers=1).n_chunks == CHUNKS // 2  # whose targets take no more than X of one
    assert targets_only(dataset, numbers=2).n_chunks == CHUNKS
    assert targets_only(dataset).n_chunks == CHUNKS
    logistic, split, executor = Logistic(), RowSplit(0.3, 1), InlineExecutor()
    chunks = [dataset.read(index) for index in range(dataset.n_chunks)]
    for rows, found in (
        (chunks, null_model(dataset, logistic, executor)),
        ([split.split(chunk)[0] for chunk in chunks], null_model(dataset, logistic, executor, split)),
    ):
        mean = np.concatenate([chunk.y for chunk in rows]).mean()
        assert found.constant == pytest.approx(np.log(mean / (1 - mean)), rel=1e-12)
    folds = make_folds("test", dataset, 3, "chunks", 0)
    for fold, found in enumerate(null_models(dataset, logistic, executor, folds)[1:]):
        mean = np.concatenate([chunk.y[folds.of(chunk) != fold] for chunk in chunks]).mean()
        assert found.constant == pytest.approx(np.log(mean / (1 - mean)), rel=1e-12)


def test_targets_go_together_by_what_is_made_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of zeros and ones for each class; not beside weights, which are asked for at the same time."""
    monkeypatch.setattr(transforms, "LEAST_LEFT", 1)
    X, _ = data()
    y = np.arange(ROWS) % 3
    dataset = dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **PLAIN))
    seen: list[int] = []
    monkeypatch.setattr(null_module, "columns", lambda values: seen.append(values.size) or values)
    null_model(dataset, Softmax(3), InlineExecutor())
    assert max(seen) == 3 * CHUNK_ROWS  # as many numbers as X has there
    seen.clear()
    monkeypatch.setattr(null_module, "columns", lambda values: seen.append(values.size) or values[:, None])
    null_model(dataset, Squared(), InlineExecutor())
    assert max(seen) == 2 * CHUNK_ROWS
    seen.clear()
    null_model(replace(dataset, weight=dataset.y), Squared(), InlineExecutor())
    assert max(seen) == CHUNK_ROWS


def test_a_weight_that_is_refused_is_named_by_its_stored_chunk(tmp_path: Path) -> None:
    X, y = data()
    weight = np.ones(ROWS)
    weight[33] = -1
    weights = dgd.open_dataset(written(tmp_path / "weights.zarr", X, weight, **PLAIN)).y
    dataset = replace(dgd.open_dataset(written(tmp_path / "data.zarr", X, y > 0, **PLAIN)), weight=weights)
    with pytest.raises(ValueRangeError, match=rf"chunk {33 // CHUNK_ROWS}\b"):
        null_model(small_together(dataset), Logistic(), InlineExecutor())


def test_plain_files_are_read_straight_to_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    monkeypatch.setattr(ZarrRows, "panel_until", None)
    for layout in ("plain", "checksum", "big endian"):
        dataset = small_together(dgd.open_dataset(written(tmp_path / f"{layout}.zarr", X, y, **LAYOUTS[layout])))
        np.testing.assert_array_equal(dataset.read(1).X, X[AT_ONCE * CHUNK_ROWS : 2 * AT_ONCE * CHUNK_ROWS])


@pytest.mark.parametrize("layout", ["plain", "checksum", "big endian"])
def test_a_plain_file_is_read_straight_by_one_call_where_it_lies_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    X, y = data()
    rows = dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **LAYOUTS[layout])).X
    monkeypatch.setattr(ZarrRows, "panel_until", None)
    monkeypatch.setattr(os, "readv", None)
    rows.read(0, CHUNK_ROWS, buffers := Buffers())
    found, bytes_read = rows.read(CHUNK_ROWS, 2 * CHUNK_ROWS, buffers)
    np.testing.assert_array_equal(found, X[CHUNK_ROWS : 2 * CHUNK_ROWS])
    assert bytes_read == 8 * CHUNK_ROWS * N + 4 * (layout == "checksum")
    monkeypatch.setattr(straight, "LARGE", 8 * CHUNK_ROWS * N)
    with pytest.raises(TypeError):
        rows.read(0, CHUNK_ROWS, Buffers())


def test_a_file_that_was_read_before_costs_a_dozen_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a microsecond with the interpreter's lock, as long as reading 10 KiB."""
    X, y = data()
    rows = dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **PLAIN)).X
    monkeypatch.setattr(sources, "JUST_NOW", -(10**9))
    buffers, calls = Buffers(), []
    rows.read(0, CHUNK_ROWS, buffers)
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        rows.read(0, CHUNK_ROWS, buffers)
    finally:
        sys.setprofile(None)
    assert len(calls) <= 12, calls


def test_a_chunk_of_a_pass_costs_few_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its size: of a chunk of 1 MiB they take as long as its arithmetic."""
    X, y = data()
    dataset = dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **PLAIN))
    monkeypatch.setattr(sources, "JUST_NOW", -(10**9))
    order, buffers, calls = Node(cut_level(CHUNKS, 1), 0), Buffers(), []
    chunk_sum = gradient_sum(Squared(), 0.1, np.arange(1.0, 1 + N))
    sweep_node(dataset, chunk_sum, order, buffers)
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        sweep_node(dataset, chunk_sum, order, buffers)
    finally:
        sys.setprofile(None)
    assert len(calls) <= 114 * CHUNKS, len(calls) / CHUNKS


@pytest.mark.each(1)
@pytest.mark.parametrize(
    ("seconds", "small", "slow", "waits"),
    [(30.0, 2**18, False, True), (0.01, 2**18, False, False), (30.0, 1, False, False), (30.0, 2**18, True, False)],
    ids=["small", "hangs", "large", "from a disk"],
)
def test_threads_read_small_files_in_turns(
    seconds: float, small: int, slow: bool, waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = data()
    rows, read = dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **PLAIN)).X, Straight.read
    monkeypatch.setattr(gathering, "TURN_SECONDS", seconds)
    monkeypatch.setattr(gathering, "SMALL_BYTES", small)
    began, go_on, ended = Event(), Event(), Event()
    monkeypatch.setattr(Straight, "read", lambda *given: (began.set(), go_on.wait(60), read(*given))[2])
    first = Thread(target=lambda: rows.read(0, 4 * CHUNK_ROWS, Buffers()))
    first.start()
    began.wait(30)
    monkeypatch.setattr(Straight, "read", read)
    buffers = Buffers()
    hints_in(buffers).are_given = slow
    second = Thread(target=lambda: (rows.read(0, 4 * CHUNK_ROWS, buffers), ended.set()))
    second.start()
    waited = not ended.wait(0.2 if waits else 10)
    go_on.set()
    first.join()
    second.join()
    assert waited == waits
    assert not waits or buffers.watch.read_seconds >= 0.2


def test_a_known_file_that_is_written_to_while_it_is_read_is_not_the_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "JUST_NOW", -(10**9))
    X, y = data()
    path, read = written(tmp_path / "data.zarr", X, y, **PLAIN), straight.read_file
    rows = dgd.open_dataset(path).X
    rows.read(0, CHUNK_ROWS, Buffers())

    def changing(*given: Any) -> int:
        (path / "X" / "c" / "0" / "0").write_bytes(b"\0" * (8 * CHUNK_ROWS * N))
        return read(*given)

    monkeypatch.setattr(straight, "read_file", changing)
    with pytest.raises(DatasetChangedError, match="is not what was read before"):
        rows.read(0, CHUNK_ROWS, Buffers())


FORKED = """
import os
from dgd.data.zarr import gathering
gathering._turn.acquire()
child = os.fork()
if not child:
    os._exit(gathering._turn.locked())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_waits_for_nobodys_turn() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_chunks_with_more_columns_than_the_array_are_not_read_straight(tmp_path: Path) -> None:
    X, y = data()
    group = zarr.create_group(tmp_path / "data.zarr")
    for name, values, chunks in (("X", X, (CHUNK_ROWS, N + 1)), ("y", y, (CHUNK_ROWS,))):
        group.create_array(name, shape=values.shape, chunks=chunks, dtype="float64", compressors=())[...] = values
    rows = dgd.open_dataset(tmp_path / "data.zarr").X
    for start, stop in ((0, CHUNK_ROWS), (CHUNK_ROWS, 4 * CHUNK_ROWS)):
        np.testing.assert_array_equal(rows.read(start, stop, Buffers())[0], X[start:stop])


def test_without_reads_that_do_not_wait_the_rows_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    dataset = small_together(dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **PLAIN)))
    monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    np.testing.assert_array_equal(dataset.read(0).X, X[: AT_ONCE * CHUNK_ROWS])


@pytest.mark.parametrize("layout", ["checksum", "zstd"])
def test_a_read_may_begin_and_end_within_a_chunk(tmp_path: Path, layout: str) -> None:
    X, y = data()
    rows = dgd.open_dataset(written(tmp_path / "data.zarr", X, y, **LAYOUTS[layout])).X
    for start, stop in ((3, 4 * CHUNK_ROWS - 2), (CHUNK_ROWS + 1, 2 * CHUNK_ROWS + 1), (2, len(X) - 1)):
        np.testing.assert_array_equal(rows.read(start, stop, Buffers())[0], X[start:stop])


def test_a_bad_value_is_named_by_its_stored_chunk(tmp_path: Path) -> None:
    X, y = data()
    X[7 * CHUNK_ROWS + 2, 1] = np.nan
    path = written(tmp_path / "data.zarr", X, y, **PLAIN)
    with pytest.raises(ValueRangeError, match="array 'X', chunk 7: row 37, column 1 is nan") as caught:
        dgd.fit(path, solver="lbfgs", threads=1)
    assert caught.value.chunk == 7
    assert caught.value.rows == (35, 40)


@pytest.mark.each(1)
@pytest.mark.parametrize(
    ("spoil", "layout", "error", "says"),
    [
        (Path.unlink, "plain", MissingChunkError, "chunk c/6/0 .rows 30 to 34. is not in the store"),
        (longer, "plain", CorruptChunkError, "chunk c/6/0 .* expected at most 120"),
        (flipped, "checksum", CorruptChunkError, "chunk c/6/0 .* crc32c"),
        (flipped, "plain", DatasetChangedError, "chunk c/6/0 .* is not what was read before"),
        (linked, "plain", ReadError, "chunk c/6/0 .* leads out of the store"),
    ],
)
def test_a_bad_chunk_among_others_is_named(spoil: Any, layout: str, error: Any, says: str, tmp_path: Path) -> None:
    X, y = data()
    path = written(tmp_path / "data.zarr", X, y, **LAYOUTS[layout])
    dataset = small_together(dgd.open_dataset(path))
    dataset.read(1)
    spoil(path / "X" / "c" / "6" / "0")
    with pytest.raises(error, match=says):
        dataset.read(1)
