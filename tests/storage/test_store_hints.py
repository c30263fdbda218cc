"""Reading ahead of local files: hints while the disk is waited for, and none otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from slow import local, store, sweep

import dgd
from dgd.data.buffers import Buffers
from dgd.data.zarr import read_ahead as reading
from dgd.data.zarr.locations import source_of


class TestHints:
    """Local files: hints to the kernel."""

    @pytest.fixture
    def hinted(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What is hinted at; all of it is said to have been out of memory."""
        found: list[str] = []

        def prefetch_file(path: str, at_most: int) -> bool:
            found.append(path.partition("a.zarr/")[2])
            return True

        monkeypatch.setattr("dgd.data.zarr.sources.prefetch_file", prefetch_file)
        monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
        return found

    def test_none_where_a_read_was_held_up_by_another_thread(
        self, tmp_path: Path, hinted: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The clock calls it slow, and the file was in memory."""
        monkeypatch.setattr(reading, "WARM_SECONDS", -1.0)
        monkeypatch.setattr(os, "RWF_NOWAIT", 8, raising=False)
        monkeypatch.setattr(os, "preadv", lambda file, parts, offset, flag: os.readv(file, parts), raising=False)
        sweep(local(tmp_path))
        assert not hinted

    def test_none_while_reads_are_fast(
        self, tmp_path: Path, hinted: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "WARM_SECONDS", 60.0)
        sweep(local(tmp_path))
        assert not hinted

    def test_each_file_once_where_reads_are_slow(
        self, tmp_path: Path, hinted: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = local(tmp_path)
        monkeypatch.setattr(reading, "WARM_SECONDS", 60.0)
        expected = sweep(dataset)
        assert not hinted
        monkeypatch.setattr(reading, "WARM_SECONDS", -1.0)
        assert sweep(dataset) == expected
        X = [key for key in hinted if key.startswith("X/")]
        assert [f"X/c/{k}/0" for k in range(1, 24)] == X, "all but the first, which shows that reads are slow"
        assert sorted(set(hinted) - set(X)) == sorted(f"y/c/{k}" for k in range(1, 24))

    def test_a_plan_which_requests_nothing_leaves_them(
        self, tmp_path: Path, hinted: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local(tmp_path)
        monkeypatch.setattr(reading, "WARM_SECONDS", -1.0)
        dgd.fit(tmp_path / "a.zarr", solver="gd", learning_rate=1e-3, max_iter=1, threads=1)
        assert "X/c/1/0" in hinted

    def test_hints_that_are_not_needed_end(self) -> None:
        hints = reading.Hints()
        assert hints.wanted(7) == 0
        hints.measured("0", 2**20, 1.0)
        assert hints.wanted(7) == 2
        given = 0
        for k in range(100):
            if hints.wanted(7):
                given += hints.give(str(k), lambda: False)
            hints.measured(str(k), 2**20, 1e-5)
        assert given == reading.PATIENCE
        assert hints.wanted(7) == 0

    def test_what_is_still_waited_for_doubles_the_depth(self) -> None:
        hints, depths = reading.Hints(), []
        for k in range(6):
            hints.give(str(k), lambda: True)
            hints.measured(str(k), 2**20, 1.0)
            depths.append(hints.depth)
        assert depths == [2, 4, 7, 7, 7, 7]
        assert (hints.wanted(7), hints.wanted(2), hints.wanted(0)) == (8, 3, 0)

    @pytest.mark.parametrize("known", [True, False, None])
    def test_the_kernel_is_asked_for_what_it_does_not_have(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool | None
    ) -> None:
        path, n_bytes = tmp_path / "file", 5 * reading.HINT_BYTES - 5
        path.write_bytes(bytes(n_bytes + 100))
        questions: list[int] = []
        asked: list[tuple[int, int, int]] = []

        def in_memory(file: int, offset: int) -> bool | None:
            questions.append(offset)
            return known

        monkeypatch.setattr(reading, "in_memory", in_memory)
        monkeypatch.setattr(os, "posix_fadvise", lambda file, *rest: asked.append(rest), raising=False)
        monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
        assert reading.prefetch_file(str(path), n_bytes) is (known is False)
        assert questions == [n_bytes - 1], "the end is what is fetched last"
        starts = [] if known else list(range(0, n_bytes, reading.HINT_BYTES))
        assert asked == [(start, min(reading.HINT_BYTES, n_bytes - start), 3) for start in starts]

    def test_what_was_just_written_is_in_memory(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(bytes(2**20))
        assert not reading.prefetch_file(str(tmp_path / "file"), 2**20)

    @pytest.mark.parametrize(
        ("answer", "expected"), [(1, True), (BlockingIOError(), False), (OSError("not supported"), None)]
    )
    def test_whether_a_byte_is_in_memory_is_what_a_read_without_waiting_finds(
        self, monkeypatch: pytest.MonkeyPatch, answer: int | OSError, expected: bool | None
    ) -> None:
        def preadv(file: int, buffers: list[bytearray], offset: int, flags: int) -> int:
            assert (file, [len(buffer) for buffer in buffers], offset, flags) == (7, [1], 40, 8)
            if isinstance(answer, OSError):
                raise answer
            return answer

        monkeypatch.setattr(os, "preadv", preadv, raising=False)
        monkeypatch.setattr(os, "RWF_NOWAIT", 8, raising=False)
        assert reading.in_memory(7, 40) is expected
        monkeypatch.delattr(os, "RWF_NOWAIT")
        assert reading.in_memory(7, 40) is None

    @pytest.mark.parametrize("found", [5, 3, BlockingIOError(), OSError("not supported")])
    def test_a_file_that_is_not_all_in_memory_is_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: int | OSError
    ) -> None:
        (tmp_path / "file").write_bytes(b"12345")
        waited, memory, hints = [], bytearray(9), reading.Hints()

        def preadv(file: int, parts: list[bytearray], offset: int, flag: int) -> int:
            if isinstance(found, OSError):
                raise found
            return os.pread(file, found, offset).__len__()

        def readv(file: int, parts: list[bytearray]) -> int:
            waited.append(file)
            parts[0][:5] = os.read(file, 9)
            return 5

        monkeypatch.setattr(os, "preadv", preadv, raising=False)
        monkeypatch.setattr(os, "RWF_NOWAIT", 8, raising=False)
        monkeypatch.setattr(os, "readv", readv)
        monkeypatch.setattr(reading, "WARM_SECONDS", -1.0)
        with (tmp_path / "file").open("rb", buffering=0) as file:
            assert reading.read_file(file.fileno(), [memory], 5, "key", hints) == 5
        assert bool(waited) is (found != 5) is hints.are_given
        assert not waited or memory[:5] == b"12345"

    @pytest.mark.parametrize("tells", [True, False])
    def test_a_file_that_grows_while_it_is_read_is_read_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tells: bool
    ) -> None:
        path = tmp_path / "key"
        path.write_bytes(b"ABCDE")

        def grows(*arguments: Any) -> int:
            done = reading.read_file(*arguments)
            path.write_bytes(b"ABCDE12345")
            return done

        monkeypatch.setattr("dgd.data.zarr.sources.read_file", grows)
        if not tells:
            monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
        found: Any = source_of(tmp_path).get("key", Buffers(), at_most=100)
        assert found.tobytes() == b"ABCDE12345"

    def test_nothing_happens_where_there_is_nothing_to_hint_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.mkfifo(tmp_path / "pipe")
        for name in ("none", "pipe", "."):
            assert not reading.prefetch_file(str(tmp_path / name), 100)
        (tmp_path / "file").write_bytes(b"x")
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
        assert not reading.prefetch_file(str(tmp_path / "file"), 100)
        assert source_of(tmp_path).read_ahead == "none"


class TestInfo:
    def test_files(self, tmp_path: Path) -> None:
        local(tmp_path)
        table = dgd.info(tmp_path / "a.zarr").table()
        assert (
            "read path    files, read directly, decoded by dgd; read-ahead by page cache hints, while the disk is "
            "waited for" in table.splitlines()
        )

    def test_stores(self) -> None:
        slow = store()
        found = dgd.info(slow)
        assert {array.read_ahead for array in found.arrays} == {"by requests, while a chunk computes"}
        assert found.table().count("read path    values of the store, asked for through zarr, decoded by dgd") == 1
        assert {array["read_ahead"] for array in dgd.info(slow._store).as_json()["arrays"]} == {"none"}
