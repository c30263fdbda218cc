"""`overwrite=True` replaces what dgd wrote, and never removes a file that dgd did not write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

import dgd
from dgd.errors import ConfigurationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A dataset."""
    write(tmp_path / "a.zarr", 1.0)
    return tmp_path / "a.zarr"


def write(path: Path, value: float, *, overwrite: bool = False) -> None:
    with dgd.DatasetWriter(path, chunk_rows=2, overwrite=overwrite) as writer:
        writer.append(np.full((5, 2), value), np.full(5, value), np.ones(5))


def value_of(path: Path) -> float:
    return float(dgd.open_dataset(path).read(2).X[0, 0])


def everything(path: Path) -> dict[str, bytes | None]:
    """Every name below a path, and the files' contents."""
    return {str(entry): entry.read_bytes() if entry.is_file() else None for entry in sorted(path.rglob("*"))}


def test_an_existing_dataset_is_not_replaced_by_accident(path: Path) -> None:
    before = everything(path)
    with pytest.raises(ConfigurationError, match=r"a\.zarr exists; give another path, or overwrite=True"):
        write(path, 2.0)
    assert everything(path) == before


def test_overwrite_replaces_it(path: Path) -> None:
    write(path, 2.0, overwrite=True)
    assert value_of(path) == 2.0


def test_overwrite_of_nothing_is_a_new_dataset(tmp_path: Path) -> None:
    write(tmp_path / "new" / "a.zarr", 2.0, overwrite=True)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", 3.0, overwrite=True)
    assert value_of(tmp_path / "new" / "a.zarr") == 2.0
    assert value_of(tmp_path / "empty") == 3.0


def test_an_empty_folder_is_no_exception_without_overwrite(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="exists"):
        write(tmp_path, 1.0)


def notes(path: Path) -> str:
    (path / "notes.txt").write_text("mine")
    return "holds notes.txt, which was not written by dgd"


def notes_in_an_array(path: Path) -> str:
    (path / "X" / "notes.txt").write_text("mine")
    return "holds X/notes.txt, which was not written by dgd"


def a_file_among_chunks(path: Path) -> str:
    (path / "y" / "c" / "backup of 0").write_text("mine")
    return "holds y/c/backup of 0, which"


def a_download(path: Path) -> str:
    (path / "video.partial").write_text("mine")
    return "holds video.partial, which"


def a_folder(path: Path) -> str:
    (path / "figures").mkdir()
    (path / "figures" / "1.png").write_text("mine")
    return "holds figures, which"


def an_array_of_somebody_else(path: Path) -> str:
    zarr.create_array(path / "mine", data=np.ones(3))
    return "holds mine, which"


def a_link(path: Path) -> str:
    (path / "c").symlink_to(path.parent, target_is_directory=True)
    return "holds c, which"


def a_link_among_chunks(path: Path) -> str:
    (path / "X" / "c" / "9").symlink_to(path.parent, target_is_directory=True)
    return "holds X/c/9, which"


@pytest.mark.parametrize(
    "add",
    [
        notes,
        notes_in_an_array,
        a_file_among_chunks,
        a_download,
        a_folder,
        an_array_of_somebody_else,
        a_link,
        a_link_among_chunks,
    ],
)
def test_what_dgd_did_not_write_is_never_removed(add: Callable[[Path], str], path: Path) -> None:
    what = add(path)
    before = everything(path)
    with pytest.raises(ConfigurationError, match=f"exists and {what}.*remove it yourself, or give another path"):
        write(path, 2.0, overwrite=True)
    assert everything(path) == before


def test_a_foreign_store_is_never_removed(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "g.zarr", mode="w").create_array("X", data=np.ones((3, 2)))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "zarr.json").write_text("{}")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "folder", target_is_directory=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = everything(tmp_path)
    for name, what in [
        ("g.zarr", "exists and was not written by dgd"),
        ("folder", "exists and was not written by dgd"),
        ("file", "exists and is not a folder"),
        ("link", "exists and is a link"),
        ("dangling", "exists and is a link"),
    ]:
        with pytest.raises(ConfigurationError, match=what):
            write(tmp_path / name, 1.0, overwrite=True)
    assert everything(tmp_path) == before


def test_a_link_to_a_dataset_is_left_alone(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.zarr").symlink_to(path, target_is_directory=True)
    with pytest.raises(ConfigurationError, match="is a link"):
        write(tmp_path / "link.zarr", 2.0, overwrite=True)
    assert value_of(path) == value_of(tmp_path / "link.zarr") == 1.0


def test_a_path_below_a_file_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigurationError, match="cannot be created"):
        write(tmp_path / "file" / "a.zarr", 1.0)


def test_the_path_means_what_it_means_in_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("~/home.zarr", f"file://{tmp_path}/file.zarr", "relative.zarr"):
        writer = dgd.DatasetWriter(name)
        monkeypatch.chdir("/")
        writer.append(np.ones((2, 1)), np.ones(2))
        writer.commit()
        monkeypatch.chdir(tmp_path)
        assert dgd.open_dataset(name).shape == (2, 1)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file.zarr", "home.zarr", "relative.zarr"]


def test_what_is_no_path_is_not_written_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    before = everything(path.parent)
    name = "~nobody-of-that-name/a.zarr"
    with pytest.raises(ConfigurationError, match="is no path"):
        dgd.DatasetWriter(name)
    with pytest.raises(ConfigurationError, match="is no path"):
        dgd.predict_to(dgd.fit(path, max_iter=1).model, path, name)
    with pytest.raises(ConfigurationError, match="storage_options go with a URL"):
        dgd.DatasetWriter(path.parent / "b.zarr", storage_options={"anon": True})
    assert everything(path.parent) == before


def test_predictions_replace_predictions_and_nothing_else(path: Path, tmp_path: Path) -> None:
    model = dgd.fit(path, max_iter=1).model
    dgd.predict_to(model, path, tmp_path / "p.zarr")
    with pytest.raises(ConfigurationError, match="exists"):
        dgd.predict_to(model, path, tmp_path / "p.zarr")
    dgd.predict_to(model, path, tmp_path / "p.zarr", overwrite=True)
    (tmp_path / "p.zarr" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"holds notes\.txt"):
        dgd.predict_to(model, path, tmp_path / "p.zarr", overwrite=True)
