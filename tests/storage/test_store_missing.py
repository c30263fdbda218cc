"""Every way in which a chunk can be missing, of which zarr-python makes fill values: here each is an error."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from foreign import edit
from formats import Format, write

import dgd
from dgd.data.zarr import codecs
from dgd.errors import CorruptChunkError, DataError, MissingChunkError

ABSENT = struct.pack("<QQ", 2**64 - 1, 2**64 - 1)


def sweep(path: Path) -> None:
    """Open the store and read all of it; a pass of a fit must end in the same error."""
    weight = "weight" if (path / "weight").exists() else None
    with pytest.raises(DataError) as caught:
        read(path, weight)
    with pytest.raises(type(caught.value)):
        dgd.fit(path, weight=weight, max_iter=1, threads=2)
    raise caught.value


def read(path: Path, weight: str | None) -> None:
    dataset = dgd.open_dataset(path, weight=weight)
    for k in range(dataset.n_chunks):
        dataset.read(k)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A dataset of dgd: five chunks of 20 rows, the last one short."""
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=20) as writer:
        writer.append(rng.normal(size=(90, 3)), rng.normal(size=90), np.ones(90))
    return tmp_path / "a.zarr"


def deleted(chunk: Path) -> None:
    chunk.unlink()


def folder(chunk: Path) -> None:
    chunk.unlink()
    chunk.mkdir()


def filled_folder(chunk: Path) -> None:
    folder(chunk)
    (chunk / "0").write_bytes(b"x" * 100)


def pipe(chunk: Path) -> None:
    chunk.unlink()
    os.mkfifo(chunk)


def dangling_link(chunk: Path) -> None:
    chunk.unlink()
    chunk.symlink_to("nowhere")


def folder_above_is_a_file(chunk: Path) -> None:
    shutil.rmtree(chunk.parent)
    chunk.parent.write_bytes(b"")


@pytest.mark.parametrize(
    ("array", "chunk", "rows"),
    [("X", "c/1/0", (20, 40)), ("X", "c/4/0", (80, 90)), ("y", "c/0", (0, 20)), ("weight", "c/4", (80, 90))],
)
@pytest.mark.parametrize("gone", [deleted, folder, filled_folder, pipe, dangling_link])
def test_a_chunk_is_gone(
    gone: Callable[[Path], None], array: str, chunk: str, rows: tuple[int, int], written: Path
) -> None:
    gone(written / array / chunk)
    with pytest.raises(MissingChunkError) as caught:
        sweep(written)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == (array, chunk, rows)
    message = str(caught.value)
    assert f"array {array!r} of {written / array}: chunk {chunk} (rows {rows[0]} to {rows[1] - 1})" in message
    assert "is not in the store, expected every chunk; restore it" in message


def test_the_folder_of_a_chunk_is_a_file(written: Path) -> None:
    folder_above_is_a_file(written / "X" / "c" / "2" / "0")
    with pytest.raises(MissingChunkError, match="c/2/0") as caught:
        sweep(written)
    assert caught.value.rows == (40, 60)


@pytest.mark.parametrize("compression", ["none", "zstd", "blosc", "gzip"])
@pytest.mark.parametrize("length", [0, 1, 3, 4, 17, -1])
def test_a_chunk_is_cut_short(length: int, compression: str, tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=20, compression=compression) as writer:
        writer.append(np.ones((60, 3)), np.ones(60))
    chunk = tmp_path / "a.zarr" / "X" / "c" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:length])
    with pytest.raises(CorruptChunkError, match=r"array 'X' .*chunk c/1/0 \(rows 20 to 39\) is damaged: it") as caught:
        sweep(tmp_path / "a.zarr")
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/1/0", (20, 40))
    assert "restore it from a copy, or write the array again" in str(caught.value)


def test_a_chunk_is_too_long(written: Path) -> None:
    chunk = written / "y" / "c" / "3"
    chunk.write_bytes(chunk.read_bytes() + b"!")
    with pytest.raises(CorruptChunkError, match="it has 165 bytes, expected at most 164"):
        sweep(written)


@pytest.mark.parametrize("codec", ["none", "zstd", "blosc", "gzip", "lz4", "zlib"])
@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"garbage " * 8])
def test_a_foreign_chunk_is_not_what_its_codec_wrote(content: bytes, codec: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", Format(2, False, codec, "C"))
    (tmp_path / "a.zarr" / "X" / "1.0").write_bytes(content)
    with pytest.raises(CorruptChunkError) as caught:
        sweep(tmp_path / "a.zarr")
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "1.0", (4, 8))


@pytest.mark.parametrize("piece", [1, 2**16])
@pytest.mark.parametrize("codec", ["gzip", "zlib"])
@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda content: content[:-1], "its compressed stream is cut short"),
        (lambda content: content[:-4], "its compressed stream is cut short"),
        (lambda content: content[:-2] + b"!!", "it does not decompress"),
        (lambda content: content + b"!", "it goes on after the end of its compressed stream"),
        (lambda content: content + bytes(2**10), "it goes on after the end of its compressed stream"),
    ],
)
def test_the_trailer_of_a_foreign_stream_counts(
    damage: Callable[[bytes], bytes], what: str, codec: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values are whole; what vouches for them is not. Fed byte by byte, every end is the end of a piece."""
    monkeypatch.setattr(codecs, "INFLATE_IN", piece)
    write(tmp_path / "a.zarr", Format(2, False, codec, "C"))
    chunk = tmp_path / "a.zarr" / "X" / "1.0"
    chunk.write_bytes(damage(chunk.read_bytes()))
    with pytest.raises(CorruptChunkError, match=what):
        sweep(tmp_path / "a.zarr")


def test_wrong_separator_of_format_2(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", Format(2, False, "zstd", "C"))
    edit(tmp_path / "a.zarr", dimension_separator="/")
    assert not zarr.open_array(tmp_path / "a.zarr" / "X", mode="r")[...].any(), "zarr reads zeros"
    with pytest.raises(MissingChunkError, match="chunk 0/0"):
        sweep(tmp_path / "a.zarr")


def shard_of(tmp_path: Path) -> Path:
    """A shard with its index at the end; the array has 11 rows, in shards of 8."""
    write(tmp_path / "a.zarr", Format(3, True, "crc32c", "C"))
    return tmp_path / "a.zarr" / "X" / "c" / "0" / "0"


def test_an_empty_shard(tmp_path: Path) -> None:
    shard_of(tmp_path).write_bytes(b"")
    with pytest.raises(CorruptChunkError, match="it has 0 bytes, less than the 36 of its shard index") as caught:
        sweep(tmp_path / "a.zarr")
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/0/0", (0, 8))


def test_an_inner_chunk_that_was_never_written(tmp_path: Path) -> None:
    """zarr-python leaves out an inner chunk that equals the fill value, and gives no sign of one that was lost."""
    X = np.ones((11, 5))
    X[4:8] = 0
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", shape=(11, 5), chunks=(4, 5), shards=(8, 5), dtype="f8")[...] = X
    group.create_array("y", data=np.ones(11))
    with pytest.raises(MissingChunkError, match=r"\(rows 0 to 7\) lacks its inner chunk \(1, 0\)") as caught:
        sweep(tmp_path / "a.zarr")
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/0/0", (0, 8))


def test_an_index_without_an_entry(tmp_path: Path) -> None:
    shard = shard_of(tmp_path)
    shard.write_bytes(shard.read_bytes()[:-36] + ABSENT * 2 + shard.read_bytes()[-4:])
    with pytest.raises(CorruptChunkError, match="its shard index is wrong: its crc32c is"):
        sweep(tmp_path / "a.zarr")


@pytest.mark.each(1)
@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ((0, 10**6), "beyond the end"),
        ((2**64 - 2, 5), "beyond the end"),
        ((2**64 - 1, 4), "beyond"),
        ((0, 7), "crc32c"),
    ],
)
def test_an_index_that_points_elsewhere(entry: tuple[int, int], what: str, tmp_path: Path) -> None:
    """The index has no checksum here, so that its entries are believed."""
    shard_of(tmp_path)
    chain = json.loads((tmp_path / "a.zarr" / "X" / "zarr.json").read_text())["codecs"]
    chain[0]["configuration"]["index_codecs"].pop()
    edit(tmp_path / "a.zarr", codecs=chain)
    for shard in (file for file in (tmp_path / "a.zarr" / "X" / "c").rglob("0") if file.is_file()):
        shard.write_bytes(shard.read_bytes()[:-36] + struct.pack("<QQ", *entry) + shard.read_bytes()[-20:-4])
    with pytest.raises(CorruptChunkError, match=what):
        sweep(tmp_path / "a.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_of_zeros_that_zarr_left_out(zarr_format: int, tmp_path: Path) -> None:
    """Legal in zarr; nobody can tell it from a lost one."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    X = np.ones((12, 2))
    X[4:8] = 0
    group.create_array("X", data=X, chunks=(4, 2))
    group.create_array("y", data=np.ones(12), chunks=(4,))
    with pytest.raises(MissingChunkError, match="write_empty_chunks=True"):
        sweep(tmp_path / "a.zarr")
