"""An ingest that was interrupted goes on: finished files are not read again, and the dataset has the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dgd
from dgd.cli import main
from dgd.data.tables import restart
from dgd.data.tables.text import csv as csv_table

FILES, ROWS = 4, 130


@pytest.fixture(autouse=True)
def every_file_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "NOTED_SECONDS", -1.0)


def files(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    for k in range(FILES):
        frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["a", "b", "y"])
        frame.insert(0, "name", [f"row {k}/{row}" for row in range(ROWS)])
        frame.loc[7, "b"] = None
        frame.to_csv(folder / f"{k}.csv", index=False)
    return [folder / f"{k}.csv" for k in range(FILES)]


def command(paths: list[Path], out: Path, *more: str) -> list[str]:
    options = ["--target", "y", "--id", "name", "--missing", "drop", *more]
    return ["ingest", *map(str, paths), str(out), *options]


def content(out: Path) -> dict[str, bytes]:
    """Every file but the root, whose marker names the command."""
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "zarr.json"}


def break_file(path: Path, row: int) -> str:
    """Make a cell infinite, which is found when its row is read; the text as it was."""
    text = path.read_text()
    lines = text.splitlines()
    lines[row] = lines[row].rpartition(",")[0] + ",inf"
    path.write_text("\n".join(lines))
    return text


@pytest.mark.each(2)
@pytest.mark.parametrize("more", [[], ["--chunk-rows", "40"], ["--chunk-rows", "50", "--compression", "zstd"]])
def test_finished_files_are_not_read_again(
    tmp_path: Path, more: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = files(tmp_path)
    assert main(command(paths, tmp_path / "whole.zarr", *more)) == 0
    text = break_file(paths[2], 60)
    assert main(command(paths, tmp_path / "o.zarr", *more)) == 3
    assert (tmp_path / "o.zarr" / "dgd.reached").is_file()
    paths[2].write_text(text)
    read = []
    batches = csv_table.CsvTable.batches
    monkeypatch.setattr(csv_table.CsvTable, "batches", lambda self, *a: (read.append(self.path), batches(self, *a))[1])
    capfd.readouterr()
    assert main(command(paths, tmp_path / "o.zarr", *more)) == 0
    said = capfd.readouterr().out
    assert "kept: 2 files that the interrupted run had read" in said
    assert "left out: 4 rows with a missing cell (b 4)" in said
    assert read == list(map(str, paths[2:]))
    assert content(tmp_path / "o.zarr") == content(tmp_path / "whole.zarr")
    assert dgd.verify(tmp_path / "o.zarr").whole
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_changed_file_is_read_again_with_all_after_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = files(tmp_path)
    text = break_file(paths[3], 60)
    assert main(command(paths, tmp_path / "o.zarr")) == 3
    paths[3].write_text(text)
    os.utime(paths[1], ns=(1, 1))
    assert main(command(paths, tmp_path / "o.zarr")) == 0
    assert "kept: 1 file that" in capfd.readouterr().out
    assert dgd.open_dataset(tmp_path / "o.zarr").shape == (FILES * (ROWS - 1), 2)


def test_what_is_damaged_or_of_another_command_is_not_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = files(tmp_path)
    out, text = tmp_path / "o.zarr", break_file(paths[3], 60)
    assert main(command(paths, out, "--chunk-rows", "40")) == 3
    chunk = out / "X" / "c" / "4" / "0"
    chunk.write_bytes(b"x" + chunk.read_bytes()[1:])
    paths[3].write_text(text)
    assert main(command(paths, out, "--chunk-rows", "40")) == 0
    assert "kept: 1 file that" in capfd.readouterr().out
    break_file(paths[3], 60)
    assert main(command(paths, tmp_path / "p.zarr")) == 3
    assert main(command(paths[:3], tmp_path / "p.zarr", "--overwrite")) == 0
    assert "kept:" not in capfd.readouterr().out


@pytest.mark.slow
def test_it_may_fail_twice_and_be_killed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths, out = files(tmp_path), tmp_path / "o.zarr"
    assert main(command(paths, tmp_path / "whole.zarr")) == 0
    texts = [break_file(paths[k], 60) for k in (1, 3)]
    assert main(command(paths, out)) == 3
    paths[1].write_text(texts[0])
    assert main(command(paths, out)) == 3
    paths[3].write_text(texts[1])
    killed = (
        "import os, sys; from dgd.cli import main; from dgd.data.tables import restart\n"
        "finish = restart.Restart.append_to\n"
        "restart.Restart.append_to = lambda *a: (finish(*a), os._exit(9))\n"
        f"main({command(paths, out)!r})"
    )
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    capfd.readouterr()
    assert main(command(paths, out)) == 0
    assert "kept: 3 files that" in capfd.readouterr().out
    assert content(out) == content(tmp_path / "whole.zarr")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
