"""Large stored chunks are read in parts, by who sums them: the bits, the bytes, the checksums and the errors stay."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec

import dgd
from dgd.data import buffers
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.dataset import Dataset
from dgd.data.zarr import sources
from dgd.data.zarr.open_chunk import OpenChunk
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import CorruptChunkError, DatasetChangedError, MissingChunkError, ReadError, ValueRangeError
from dgd.losses import Squared
from dgd.passes import parts
from dgd.passes.executor import InlineExecutor
from dgd.passes.threads import ThreadExecutor
from tests.spoilt import flipped, linked, longer
from tests.sums import gradient_sum

ROWS, N, PART_ROWS = 700, 3, 64
PARTS = -(-ROWS // PART_ROWS)
X_BYTES, Y_BYTES = 8 * ROWS * N, 8 * ROWS
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {"compressors": ()},
    "checksum": {"compressors": (Crc32cCodec(),)},
}
SUM = gradient_sum(Squared(), 0.1, np.arange(1.0, 1 + N))


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LARGE_BYTES", X_BYTES - 1)
    monkeypatch.setattr(parts, "PART_BYTES", 8 * N * PART_ROWS)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files have a version as soon as they are written."""
    monkeypatch.setattr(sources, "JUST_NOW", -(10**9))


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, N))
    return X, X[:, 0] + rng.standard_normal(ROWS)


def written(path: Path, layout: str, *, X: Any = None, chunk_rows: int = ROWS) -> Path:
    known, y = data()
    group = zarr.create_group(path)
    for name, values in (("X", known if X is None else X), ("y", y)):
        chunks = (chunk_rows, *values.shape[1:])
        group.create_array(name, shape=values.shape, chunks=chunks, dtype="f8", **LAYOUTS[layout])[...] = values
    return path


def swept(dataset: Dataset, executor: Any) -> Any:
    found = executor.sweep(dataset, SUM)
    executor.close()
    return found


def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Parts that were read, and chunks that were read whole."""
    found = {"parts": 0, "whole": 0}

    def counting(what: str, call: Any) -> Any:
        def count(*arguments: Any) -> Any:
            found[what] += 1
            return call(*arguments)

        return count

    monkeypatch.setattr(OpenChunk, "read", counting("parts", OpenChunk.read))
    monkeypatch.setattr(ZarrRows, "read", counting("whole", ZarrRows.read))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_pass_reads_more_than_a_part_at_a_time(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: None
) -> None:
    X, y = data()
    dataset = dgd.open_dataset(written(tmp_path / "a.zarr", layout))
    marks = 4 * (layout == "checksum")
    expected = swept(Dataset(X=MemoryRows("X", X, chunk_rows=ROWS), y=MemoryRows("y", y)), InlineExecutor()).value
    calls = counted(monkeypatch)
    for executor in (InlineExecutor(), ThreadExecutor(1), ThreadExecutor(3), ThreadExecutor(3)):
        found = swept(dataset, executor)
        assert calls == {"parts": PARTS, "whole": 1}  # y
        assert found.bytes_read == X_BYTES + Y_BYTES + 2 * marks
        assert found.value.parts[0].gradient.tobytes() == expected.parts[0].gradient.tobytes()
        assert found.value.parts[0].loss == expected.parts[0].loss
        calls.update(parts=0, whole=0)


def test_two_threads_read_parts_of_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ends before the other one has begun; each of them has memory for a part, in the next pass the same."""
    dataset, executor = dgd.open_dataset(written(tmp_path / "a.zarr", "plain")), ThreadExecutor(2)
    met, read, taken, aligned = threading.Barrier(2, timeout=30), OpenChunk.read, [], buffers.aligned

    def meeting(chunk: OpenChunk, start: int, stop: int, own: buffers.Buffers) -> Any:
        if start < 2 * PART_ROWS:
            met.wait()
        return read(chunk, start, stop, own)

    monkeypatch.setattr(OpenChunk, "read", meeting)
    monkeypatch.setattr(buffers, "aligned", lambda n_bytes: taken.append(n_bytes) or aligned(n_bytes))
    for _ in range(3):
        executor.sweep(dataset, SUM)
    executor.close()
    assert taken.count(8 * N * PART_ROWS) == 2


def test_a_resident_chunk_is_read_whole_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dgd.open_dataset(written(tmp_path / "a.zarr", "plain"))
    calls, executor = counted(monkeypatch), ThreadExecutor(2)
    executor.make_resident(dataset, 1)
    assert [executor.sweep(dataset, SUM).bytes_read for _ in range(2)] == [X_BYTES + Y_BYTES, 0]
    executor.close()
    assert calls == {"parts": 0, "whole": 2}


@pytest.mark.parametrize("spare", [0, 1])
def test_parts_of_very_wide_rows_are_not_read_by_every_thread(
    spare: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dgd.open_dataset(written(tmp_path / "a.zarr", "plain"))
    monkeypatch.setattr(parts, "OPENED_PART_BYTES", 8 * N * PART_ROWS - 1 + spare)
    calls = counted(monkeypatch)
    swept(dataset, ThreadExecutor(2))
    assert calls["parts"] == PARTS * spare


def test_a_short_last_chunk_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dgd.open_dataset(written(tmp_path / "a.zarr", "plain", chunk_rows=ROWS - 60))
    monkeypatch.setattr(parts, "LARGE_BYTES", 0)
    calls = counted(monkeypatch)
    swept(dataset, ThreadExecutor(2))
    assert calls == {"parts": 10, "whole": 3}


def _not_a_number(file: Path) -> None:
    found = bytearray(file.read_bytes())
    found[800:808] = b"\xff" * 8
    file.write_bytes(found)


SPOILT: list[tuple[Any, str, Any, str]] = [
    (Path.unlink, "plain", MissingChunkError, "chunk c/0/0 .rows 0 to 699. is not in the store"),
    (longer, "plain", CorruptChunkError, "chunk c/0/0 .* expected at most 16,800"),
    (flipped, "checksum", CorruptChunkError, "chunk c/0/0 .* crc32c"),
    (_not_a_number, "checksum", CorruptChunkError, "chunk c/0/0 .* crc32c"),
    (flipped, "plain", DatasetChangedError, "chunk c/0/0 .* is not what was read before"),
    (linked, "plain", ReadError, "chunk c/0/0 .* leads out of the store"),
]


@pytest.mark.each(1)
@pytest.mark.parametrize(("spoil", "layout", "error", "says"), SPOILT)
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
def test_what_is_amiss_is_said_as_of_any_chunk(
    spoil: Any, layout: str, error: Any, says: str, meanwhile: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a pass, and after its first part: what was summed of it is dropped."""
    path = written(tmp_path / "a.zarr", layout)
    dataset, read = dgd.open_dataset(path), OpenChunk.read
    swept(dataset, ThreadExecutor(2))

    def spoiling(chunk: OpenChunk, start: int, stop: int, own: buffers.Buffers) -> Any:
        found = read(chunk, start, stop, own)
        if start == 0:
            spoil(path / "X" / "c" / "0" / "0")
        return found

    if meanwhile:
        monkeypatch.setattr(OpenChunk, "read", spoiling)
    else:
        spoil(path / "X" / "c" / "0" / "0")
    with pytest.raises(error, match=says):
        swept(dataset, ThreadExecutor(2))


def test_the_same_file_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: None) -> None:
    path = written(tmp_path / "a.zarr", "plain")
    dataset, hashed = dgd.open_dataset(path), []
    monkeypatch.setattr("dgd.data.zarr.open_chunk.crc32c", lambda values: hashed.append(len(values)) or 7)
    swept(dataset, ThreadExecutor(2))
    assert sum(hashed) == X_BYTES
    swept(dataset, ThreadExecutor(2))
    assert sum(hashed) == X_BYTES
    os.utime(path / "X" / "c" / "0" / "0")
    swept(dataset, ThreadExecutor(2))
    assert sum(hashed) == 2 * X_BYTES


def test_a_file_that_changes_while_it_is_opened_is_not_the_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: None
) -> None:
    path = written(tmp_path / "a.zarr", "plain")
    dataset, pread = dgd.open_dataset(path), os.pread
    swept(dataset, ThreadExecutor(2))

    def changing(*given: Any) -> bytes:
        flipped(path / "X" / "c" / "0" / "0")
        return pread(*given)

    monkeypatch.setattr(os, "pread", changing)
    with pytest.raises(DatasetChangedError, match="is not what was read before"):
        swept(dataset, ThreadExecutor(2))


def test_a_bad_value_is_named_by_its_row(tmp_path: Path) -> None:
    X, _ = data()
    X[5 * PART_ROWS + 2, 1] = np.nan
    dataset = dgd.open_dataset(written(tmp_path / "a.zarr", "checksum", X=X))
    with pytest.raises(ValueRangeError, match="array 'X', chunk 0: row 322, column 1 is nan"):
        swept(dataset, ThreadExecutor(2))
