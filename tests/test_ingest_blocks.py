"""CSV cut into blocks for all processors: the rows of the csv module, whatever the quotes and the cuts."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import dgd
from dgd.data.tables.ahead import ahead
from dgd.data.tables.text import csv_blocks
from dgd.data.tables.text.dialect import Dialect
from dgd.errors import IngestError

DIALECT = Dialect(delimiter=",", decimal=".", thousands="", quote='"', encoding="utf-8", comment="", header=True)
TYPES = {"n": pa.float64(), "t": pa.string(), "m": pa.float64()}


def rows_of(text: bytes, block_bytes: int) -> list[tuple[float, str, float]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
        batches = list(csv_blocks.parsed(pa.BufferReader(text), DIALECT, TYPES, tuple(TYPES)))
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def by_the_csv_module(text: bytes) -> list[tuple[float, str, float]]:
    found = list(csv.reader(io.StringIO(text.decode(), newline="")))[1:]
    return [(float(n), t, float(m)) for n, t, m in (row for row in found if row)]


cell = st.one_of(
    st.text('ab",\n\r', max_size=6).map(lambda text: '"' + text.replace('"', '""') + '"'),
    st.text("ab ", max_size=4),
    st.just('""'),
    st.just('5" pipe'),
    st.just('a"b"'),
)


@example(cells=['""', '"aaaa"""', '"aa""\r\n"'], end="\n", last=False, block_bytes=40)
@settings(max_examples=150, deadline=None)
@given(
    cells=st.lists(cell, min_size=1, max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    block_bytes=st.integers(40, 120),
)
def test_rows_are_those_of_the_csv_module_wherever_the_text_is_cut(
    cells: list[str], end: str, last: bool, block_bytes: int
) -> None:
    lines = ["n,t,m", *(f"{k},{text},{k / 8}" for k, text in enumerate(cells))]
    text = (end.join(lines) + end * last).encode()
    assert rows_of(text, block_bytes) == by_the_csv_module(text)


class Dripping(io.RawIOBase):
    """As a pipe: a read brings less than it asks for."""

    def __init__(self, text: bytes, most: int) -> None:
        self._text, self._most = io.BytesIO(text), most

    def read(self, size: int = -1) -> bytes:
        return self._text.read(self._most if size < 0 else min(size, self._most))


@pytest.mark.parametrize("beginning", [0, 1, 7])
@pytest.mark.parametrize("most", [1, 2, 5, 100])
@pytest.mark.parametrize("size", [2, 3, 8, 19])
def test_no_read_ends_between_the_bytes_of_a_line_end(size: int, most: int, beginning: int) -> None:
    text = b"a\r\n\r\r\nbcd\r\n\r\r\r\nef\r\n\r"
    joined = csv_blocks._Joined(text[:beginning], Dripping(text[beginning:], most))
    reads = list(iter(lambda: joined.read(size), b""))
    assert b"".join(reads) == text
    assert max(map(len, reads)) <= size
    assert not any(one.endswith(b"\r") and two.startswith(b"\n") for one, two in pairwise(reads))


def test_a_quoted_line_end_that_looks_like_a_row_is_none() -> None:
    """The first quote stands within a cell, so that the second opens one that goes on in the next line."""
    lines = ["n,t,m"] + ["1,u,2"] * 20 + ['3,x"y,"4', '5,v,6"'] + ["7,w,8"] * 20
    with pytest.raises(pa.ArrowInvalid):
        rows_of("\n".join(lines).encode(), 64)


def test_quotes_around_whole_cells_are_parsed_by_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ("n,t,m\n" + "".join(f'{k},"a, {k}",{k / 4}\n' for k in range(500))).encode()
    monkeypatch.setattr(csv_blocks.pa.csv, "open_csv", None)
    assert rows_of(text, 256) == by_the_csv_module(text)


@pytest.mark.parametrize("ending", ["", "\n\n\n" * 100, "\r\n" * 200])
def test_empty_lines_at_the_end_are_no_rows(ending: str) -> None:
    text = ("n,t,m\n" + "1,u,2\n" * 30 + ending).encode()
    assert len(rows_of(text, 64)) == 30


def test_a_row_of_another_width_in_a_later_block_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 64)
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "1,2\n" * 300 + "1,2,3\n" * 100)
    with pytest.raises(IngestError, match=r"row 301 \(line 302\) has 3 cells, the header has 2"):
        dgd.ingest([path], tmp_path / "o.zarr", target="y")


def test_the_order_and_the_bits_are_those_of_one_thread(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(40_000, 4))
    np.savetxt(tmp_path / "t.csv", values, delimiter=",", header="a,b,c,y", comments="", fmt="%.17g")
    dgd.ingest([tmp_path / "t.csv"], tmp_path / "o.zarr", target="y", chunk_rows=7_000)
    dataset = dgd.open_dataset(tmp_path / "o.zarr")
    X = np.concatenate([np.asarray(dataset.read(k).X).copy() for k in range(dataset.n_chunks)])
    assert X.tobytes() == values[:, :3].tobytes()


# ---------------------------------------------------------------- items ahead


def test_items_come_in_order_and_an_error_where_it_arose() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("after five")

    seen: list[int] = []
    with pytest.raises(ValueError, match="after five"):
        seen.extend(ahead(items(), 2))
    assert seen == list(range(5))


def test_no_more_items_are_made_than_may_wait_and_the_thread_ends_with_the_reader() -> None:
    made = []
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            for k in range(1000):
                made.append(k)
                yield k
        finally:
            closed.set()

    found = ahead(items(), 2)
    assert next(found) == 0
    time.sleep(0.05)
    assert len(made) <= 4
    found.close()
    assert closed.is_set()
    assert not any(thread.name == "dgd-tables" for thread in threading.enumerate())
