"""One writer at a path: the second is refused, and what another one wrote is never sealed."""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.data.buffers import Buffers
from dgd.data.zarr.group import open_array
from dgd.data.zarr.row_writer import RowWriter
from dgd.errors import ConfigurationError, DataError, OutputInUseError

X = np.random.default_rng(0).random((50, 2))
y = X @ [1.0, 1.0]


def begun(path: Path, *, shift: float = 0.0) -> dgd.DatasetWriter:
    writer = dgd.DatasetWriter(path, chunk_rows=10, overwrite=True)
    writer.append(X[:30] + shift, y[:30])
    return writer


def test_the_second_is_refused_and_the_first_is_whole(tmp_path: Path) -> None:
    first = begun(tmp_path / "a.zarr")
    with pytest.raises(OutputInUseError, match=rf"process {os.getpid()} on .*; commit or close that writer first"):
        begun(tmp_path / "a.zarr", shift=5.0)
    with pytest.raises(ConfigurationError, match="exists"):
        dgd.DatasetWriter(tmp_path / "a.zarr")
    first.append(X[30:], y[30:])
    first.commit()
    np.testing.assert_allclose(dgd.fit(tmp_path / "a.zarr").theta, [0, 1, 1], atol=1e-12)
    begun(tmp_path / "a.zarr").close()


def test_another_may_begin_where_one_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    closed = begun(path)
    closed.close()
    with pytest.raises(ConfigurationError, match="it was closed"):
        closed.commit()
    with pytest.raises(RuntimeError, match="in the block"), begun(path):
        raise RuntimeError("in the block")
    begun(path)
    gc.collect()
    writer = begun(path)
    writer.commit()
    assert os.listdir(tmp_path) == ["a.zarr"]
    assert "owner" not in json.loads((path / "zarr.json").read_bytes())["attributes"]["dgd"]


def test_a_writer_in_another_process_is_named_and_its_death_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    program = f"import dgd, sys; w = dgd.DatasetWriter({str(path)!r}); print('begun', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"begun\n"
        with pytest.raises(OutputInUseError, match=rf"process {other.pid} on .*; wait for it, or end it"):
            begun(path)
        other.kill()
    begun(path).commit()


def test_ingest_beside_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n2,3\n")
    writer = begun(tmp_path / "a.zarr")
    command = ["ingest", str(tmp_path / "a.csv"), "--target", "b", "--overwrite", str(tmp_path / "a.zarr")]
    assert main(command) == 2
    assert "is being written by another writer" in capsys.readouterr().err
    writer.commit()
    assert main(command) == 0


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)


def test_without_locks_the_one_that_was_replaced_seals_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch)
    path = tmp_path / "a.zarr"
    first = begun(path, shift=5.0)
    second = begun(path)
    with pytest.raises(OutputInUseError, match="was taken over by another writer, process"):
        first.commit()
    second.append(X[30:], y[30:])
    second.commit()
    np.testing.assert_allclose(dgd.fit(path).theta, [0, 1, 1], atol=1e-12)


@pytest.mark.parametrize("rows", [10, 20])
def test_without_locks_what_another_wrote_between_is_not_sealed_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    without_locks(monkeypatch)
    path = tmp_path / "a.zarr"
    first = begun(path, shift=5.0)
    second = begun(path)
    second.append(X[30 : 30 + rows], y[30 : 30 + rows])
    first.append(X[30:] + 7.0, y[30:])

    def commit_and_fit() -> None:
        second.commit()
        dgd.fit(path)

    with pytest.raises((OutputInUseError, DataError)):
        commit_and_fit()


def test_predictions_have_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "p.zarr"
    model, dataset = dgd.fit(X, y).model, dgd.open_dataset(X, y)
    options = {"row_shape": (), "dtype": np.dtype("f8"), "overwrite": True}
    with RowWriter.created(dataset, out, **options) as writer:  # type: ignore[arg-type]
        with pytest.raises(OutputInUseError, match="is being written"):
            dgd.predict_to(model, X, out, overwrite=True)
        writer.write(0, np.zeros(50))
        writer.commit(fingerprint="f")
    without_locks(monkeypatch)
    with RowWriter.created(dataset, out, **options) as writer:  # type: ignore[arg-type]
        dgd.predict_to(model, X, out, overwrite=True)
        with pytest.raises(OutputInUseError, match="was taken over"):
            writer.write(0, np.zeros(50))
        with pytest.raises(OutputInUseError, match="was taken over"):
            writer.commit(fingerprint="f")
    written = open_array(out, "predictions").read(0, 50, Buffers())[0]
    np.testing.assert_array_equal(written, dgd.predict(model, X))


@pytest.mark.slow
def test_many_that_begin_at_once_leave_one_whole_dataset(tmp_path: Path) -> None:
    program = (
        "import dgd, numpy as np, sys\n"
        "k = int(sys.argv[2])\n"
        "try:\n"
        "    with dgd.DatasetWriter(sys.argv[1], chunk_rows=5, overwrite=True) as w:\n"
        "        for _ in range(20): w.append(np.full((5, 2), k), np.full(5, k))\n"
        "except dgd.errors.OutputInUseError: sys.exit(9)\n"
    )
    for _ in range(5):
        writers = [
            subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "a.zarr"), str(k)]) for k in range(6)
        ]
        codes = [writer.wait() for writer in writers]
        assert set(codes) <= {0, 9}
        assert 0 in codes
        dataset = dgd.open_dataset(tmp_path / "a.zarr")
        values = {float(value) for k in range(20) for value in np.unique(dataset.read(k).X)}
        assert len(values) == 1
