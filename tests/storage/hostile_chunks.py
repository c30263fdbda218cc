"""Run as a program: reads chunks of a few kilobytes that claim, or unfold to, 64 MiB; prints what each one cost.

In a process of its own, so that its largest resident set is that of these reads.
"""

from __future__ import annotations

import json
import resource
import sys
import tracemalloc
import zlib
from pathlib import Path

import numcodecs
import numpy as np
from foreign import edit
from formats import Format, write

import dgd
from dgd.errors import DgdError

CLAIM = 64 * 2**20
ROWS, COLUMNS = 8192, 5
CHUNK_BYTES = ROWS * COLUMNS * 8


def zstd_frame(unfolds_to: int, states: int | None) -> bytes:
    """A frame of run-length blocks of 128 KiB (RFC 8878), a few bytes each, stating any size or none."""
    header = b"\x28\xb5\x2f\xfd" + (b"\x00\x58" if states is None else b"\xc0\x58" + states.to_bytes(8, "little"))
    sizes = [2**17] * (unfolds_to // 2**17) + [unfolds_to % 2**17]
    blocks = [((i == len(sizes) - 1) | 1 << 1 | n << 3).to_bytes(3, "little") + b"A" for i, n in enumerate(sizes)]
    return header + b"".join(blocks)


def blosc_chunk(states: int) -> bytes:
    chunk = bytearray(numcodecs.Blosc(cname="zstd", clevel=9).encode(np.zeros(CLAIM // 64, dtype=np.uint8)))
    chunk[4:8] = states.to_bytes(4, "little")
    return bytes(chunk)


def deflated(window_bits: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    return b"".join(stream.compress(bytes(2**20)) for _ in range(CLAIM // 2**20)) + stream.flush()


def index_entries(path: Path) -> None:
    """Each inner chunk of the shard claims to be nearly 2**64 bytes long."""
    shard = path / "X" / "c" / "0" / "0"
    content = bytearray(shard.read_bytes())
    index = np.frombuffer(content[-36:-4], dtype="<u8").copy()
    index[1::2] = 2**64 - 2
    content[-36:-4] = index.tobytes()
    content[-4:] = numcodecs.CRC32C().encode(index)[-4:].tobytes()
    shard.write_bytes(content)


CHUNKS = {
    "zstd, stated": ("zstd", lambda: zstd_frame(CLAIM, CLAIM)),
    "zstd, not stated": ("zstd", lambda: zstd_frame(CLAIM, None)),
    "zstd, stated wrongly": ("zstd", lambda: zstd_frame(CLAIM, CHUNK_BYTES)),
    "zstd, too short": ("zstd", lambda: zstd_frame(CHUNK_BYTES - 8, None)),
    "blosc, stated": ("blosc", lambda: blosc_chunk(CLAIM)),
    "blosc, stated wrongly": ("blosc", lambda: blosc_chunk(CHUNK_BYTES)),
    "lz4, stated": ("lz4", lambda: CLAIM.to_bytes(4, "little") + b"\x1f" + b"A" + b"\x01\x00" + b"\xff" * 2000),
    "lz4, stated wrongly": ("lz4", lambda: CHUNK_BYTES.to_bytes(4, "little") + b"\x1fA\x01\x00" + b"\xff" * 9999),
    "gzip": ("gzip", lambda: deflated(31)),
    "zlib": ("zlib", lambda: deflated(15)),
    "a file of 64 MiB": ("none", None),
}


def cost(path: Path) -> dict[str, object]:
    """Open and read; the error, the memory that Python and NumPy allocated, and the growth of the resident set."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        dgd.open_dataset(path).read(0)
        error = "none"
    except DgdError as refused:
        error = f"{type(refused).__name__}: {refused}"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"error": error, "allocated": peak, "grown": grown * 1024}


def main(folder: Path) -> None:
    found: dict[str, dict[str, object]] = {}
    for number, (name, (codec, chunk)) in enumerate(CHUNKS.items()):
        path = folder / f"{number}.zarr"
        write(path, Format(2, False, codec, "C"), rows=ROWS, chunk_rows=ROWS)
        if chunk is None:
            with (path / "X" / "0.0").open("r+b") as file:
                file.truncate(CLAIM)
        else:
            (path / "X" / "0.0").write_bytes(chunk())
        found[name] = cost(path)
    write(folder / "s.zarr", Format(3, True, "zstd", "C"), rows=ROWS, chunk_rows=ROWS // 2)
    index_entries(folder / "s.zarr")
    found["a shard index"] = cost(folder / "s.zarr")
    write(folder / "m.zarr", Format(2, False, "none", "C"))
    edit(folder / "m.zarr", chunks=[2**24, 2**14], compressor={"id": "zstd"})
    found["a chunk shape"] = cost(folder / "m.zarr")
    edit(folder / "m.zarr", shape=[2**40, 5], chunks=[1, 5])
    found["a chunk grid"] = cost(folder / "m.zarr")
    edit(folder / "m.zarr", shape=[2**27, 5], chunks=[8, 5])
    found["more rows than y"] = cost(folder / "m.zarr")
    edit(folder / "m.zarr", shape=[2**24 + 1, 5], chunks=[1, 5])
    found["a chunk more than allowed"] = cost(folder / "m.zarr")
    (folder / "m.zarr" / "X" / ".zarray").write_text("[" * 60_000)
    found["a nested document"] = cost(folder / "m.zarr")
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
