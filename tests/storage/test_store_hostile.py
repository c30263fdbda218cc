"""A chunk of a few kilobytes that claims to decode to 64 MiB is refused, and nothing like it is allocated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from foreign import V3
from formats import write

import dgd
from dgd.data.buffers import Buffers
from dgd.errors import ReadError

CASES = {
    "zstd, stated": "CorruptChunkError: .* it says it decodes to 67,108,864 bytes, expected 327,680",
    "zstd, not stated": "CorruptChunkError: .* it does not decompress",
    "zstd, stated wrongly": "CorruptChunkError: .* it does not decompress",
    "zstd, too short": "CorruptChunkError: .* it does not decompress",
    "blosc, stated": "CorruptChunkError: .* it says it decodes to 67,108,864 bytes, expected 327,680",
    "blosc, stated wrongly": "CorruptChunkError: .* it does not decompress",
    "lz4, stated": "CorruptChunkError: .* it says it decodes to 67,108,864 bytes, expected 327,680",
    "lz4, stated wrongly": "CorruptChunkError: .* it does not decompress",
    "gzip": "CorruptChunkError: .* it decodes to more than 327,680 bytes",
    "zlib": "CorruptChunkError: .* it decodes to more than 327,680 bytes",
    "a file of 64 MiB": "CorruptChunkError: .* it has 67,108,864 bytes, expected at most 327,680",
    "a shard index": "CorruptChunkError: .* lies beyond the end of the shard",
    "a chunk shape": "UnsupportedFormatError: .* 1 TiB",
    "a chunk grid": "UnsupportedFormatError: .* chunks",
    "more rows than y": "SchemaError: array 'y' has 11 rows and 'X' has 134217728",
    "a chunk more than allowed": "UnsupportedFormatError: .* more than 16,777,216 chunks",
    "a nested document": "MetadataError: .* is not JSON",
}
ALLOWED = 8 * 2**20


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    program = Path(__file__).with_name("hostile_chunks.py")
    ran = subprocess.run(
        [sys.executable, program, tmp_path_factory.mktemp("hostile")], capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    assert found.keys() == CASES.keys()
    return found


@pytest.mark.each(1)
@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_for_what_it_is(case: str, costs: dict[str, dict[str, Any]]) -> None:
    assert re.match(CASES[case], costs[case]["error"]), costs[case]["error"]


@pytest.mark.each(1)
@pytest.mark.parametrize("case", CASES)
def test_it_costs_no_memory(case: str, costs: dict[str, dict[str, Any]]) -> None:
    assert costs[case]["allocated"] < ALLOWED
    assert costs[case]["grown"] < ALLOWED


def test_memory_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.zarr", V3)
    dataset = dgd.open_dataset(tmp_path / "a.zarr")

    def take(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Buffers, "take", take)
    with pytest.raises(ReadError, match="memory is not there; use fewer threads") as caught:
        dataset.read(1)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/1/0", (4, 8))
