"""What a killed writer leaves is refused on opening, with what the writer noted of how to redo it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from foreign import sweep
from killed_writer import REDO

import dgd
from dgd.data.zarr import outputs as writer_module
from dgd.errors import ConfigurationError, DataError, IncompleteDatasetError, MetadataError

STEPS = ("appending", "truncating", "syncing", "marking")
EVERY_STEP = ("beginning", *STEPS, "overwriting")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What each of six killed processes left."""
    program = Path(__file__).with_name("killed_writer.py")
    paths = {step: tmp_path_factory.mktemp("killed") / "a.zarr" for step in EVERY_STEP}
    running = {
        step: subprocess.Popen([sys.executable, program, path, step], stdout=subprocess.PIPE, text=True)
        for step, path in paths.items()
    }
    for step, process in running.items():
        assert process.stdout is not None
        if step == "appending":
            while int(process.stdout.readline()) < 1000:
                pass
            process.send_signal(signal.SIGKILL)
        process.stdout.read()
        process.stdout.close()
        assert process.wait(timeout=60) == -signal.SIGKILL, step
    return paths


@pytest.mark.each(2)
@pytest.mark.parametrize("step", STEPS)
def test_it_is_refused_with_what_its_writer_noted(step: str, killed: dict[str, Path]) -> None:
    path = killed[step]
    assert any((path / "X" / "c").iterdir()), "it was in the middle of writing"
    for opened in (lambda: dgd.open_dataset(path), lambda: dgd.fit(path), lambda: dgd.info(path)):
        with pytest.raises(IncompleteDatasetError, match="never completed, its writer was interrupted") as caught:
            opened()
        assert f"{path / 'zarr.json'}: " in str(caught.value)
        assert str(caught.value).endswith(f"(its writer noted, unchecked by dgd: “{REDO}”)")


@pytest.mark.parametrize("step", STEPS)
def test_its_arrays_are_refused_by_themselves(step: str, killed: dict[str, Path]) -> None:
    path = killed[step]
    with pytest.raises(IncompleteDatasetError, match="write it again"):
        dgd.open_dataset(path / "X", path / "y")
    with pytest.raises(IncompleteDatasetError):
        dgd.open_dataset(np.ones((10, 2)), path / "y")


@pytest.mark.parametrize("step", ["beginning", "overwriting"])
def test_a_beginning_and_a_removal_cut_short_are_noticed(step: str, killed: dict[str, Path]) -> None:
    with pytest.raises(DataError):
        sweep(killed[step])


@pytest.mark.parametrize("step", EVERY_STEP)
def test_it_can_be_written_again(step: str, killed: dict[str, Path]) -> None:
    path = killed[step]
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        dgd.DatasetWriter(path)
    with dgd.DatasetWriter(path, chunk_rows=4, overwrite=True) as again:
        again.append(np.arange(20.0).reshape(10, 2), np.ones(10))
    assert dgd.open_dataset(path).read(1).X.tolist() == [[8, 9], [10, 11], [12, 13], [14, 15]]
    assert not list(path.rglob("*.partial"))


class Stop(BaseException):
    """Not an Exception, as KeyboardInterrupt is not one."""


@pytest.mark.parametrize("error", [ValueError, Stop, KeyboardInterrupt])
def test_an_exception_within_the_block_commits_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def write() -> None:
        with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2) as writer:
            writer.append(np.ones((10, 2)), np.ones(10))
            raise error

    with pytest.raises(error):
        write()
    with pytest.raises(IncompleteDatasetError, match="write it again, with overwrite=True"):
        dgd.open_dataset(tmp_path / "a.zarr")


def test_a_writer_that_is_left_commits_nothing(tmp_path: Path) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2)
    with pytest.raises(IncompleteDatasetError):
        dgd.open_dataset(tmp_path / "a.zarr")
    writer.append(np.ones((10, 2)), np.ones(10))
    del writer
    with pytest.raises(IncompleteDatasetError):
        dgd.open_dataset(tmp_path / "a.zarr")


@pytest.mark.parametrize("step", ["sync_tree", "replace_file"])
def test_a_commit_that_fails_cannot_be_repeated_in_vain(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2)
    writer.append(np.ones((3, 2)), np.ones(3))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, step, full)
    with pytest.raises(OSError, match="No space left"):
        writer.commit()
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="could not be written, so this writer has ended"):
        writer.commit()
    with pytest.raises(IncompleteDatasetError):
        dgd.open_dataset(tmp_path / "a.zarr")


def test_a_block_that_could_not_be_written_ends_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X has the block's rows and y has not: they must never be committed together."""
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2)
    writer.append(np.ones((2, 2)), np.ones(2))

    def full(block: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._columns["y"], "append", full)
    with pytest.raises(OSError, match="No space left"):
        writer.append(np.ones((4, 2)), np.ones(4))
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="a block could not be written, so this writer has ended"):
        writer.append(np.ones((4, 2)), np.ones(4))
    with pytest.raises(ConfigurationError, match="has ended"):
        writer.commit()
    with pytest.raises(IncompleteDatasetError):
        dgd.open_dataset(tmp_path / "a.zarr")


def test_predictions_that_were_never_completed_are_refused(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dgd.data.zarr.row_writer import RowWriter

    model = dgd.fit(store, max_iter=1, learning_rate=0.0001).model

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RowWriter, "commit", killed)
    with pytest.raises(KeyboardInterrupt):
        dgd.predict_to(model, store, tmp_path / "p.zarr")
    monkeypatch.undo()
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(store, tmp_path / "p.zarr")
    dgd.predict_to(model, store, tmp_path / "p.zarr", overwrite=True)
    predicted = dgd.open_dataset(store, tmp_path / "p.zarr").read(0).y
    assert predicted is not None
    document = tmp_path / "p.zarr" / "zarr.json"
    document.write_text(document.read_text().replace("1003", "1002"))
    with pytest.raises(MetadataError, match="its seal does not fit"):
        dgd.open_dataset(store, tmp_path / "p.zarr")
