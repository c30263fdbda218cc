"""A flipped bit anywhere in what dgd wrote is noticed, or changes nothing: never another value, never a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.errors import DgdError

COMPRESSIONS = ("none", "zstd", "blosc", "gzip")
Opened = tuple[Any, ...]


def write(path: Path, compression: str) -> None:
    """A dataset of several chunks of a few kilobytes, with weights and names."""
    rng = np.random.default_rng(3)
    with dgd.DatasetWriter(
        path, chunk_rows=64, compression=compression, feature_names=list("abcd"), target_name="price", redo="again"
    ) as writer:
        X = np.round(rng.normal(size=(200, 4)), 2)
        writer.append(X, X.sum(axis=1), rng.integers(0, 3, size=200).astype("float32"))


def as_dataset(path: Path) -> Opened:
    """Everything a fit sees of a dataset."""
    dataset = dgd.open_dataset(path, weight="weight")
    chunks = [dataset.read(k) for k in range(dataset.n_chunks)]
    arrays = [np.concatenate([getattr(chunk, role) for chunk in chunks]) for role in ("X", "y", "weight")]
    names = (dataset.feature_names, dataset.target_name, dataset.bounds.tolist())
    return (*names, *((array.dtype, array.shape, array.tobytes()) for array in arrays))


def as_arrays(path: Path) -> Opened:
    """The same dataset's X and y, opened as two arrays."""
    dataset = dgd.open_dataset(path / "X", path / "y")
    chunks = [dataset.read(k) for k in range(dataset.n_chunks)]
    return tuple(np.concatenate([getattr(chunk, role) for chunk in chunks]).tobytes() for role in ("X", "y"))


def described(path: Path) -> Opened:
    """What `info` says."""
    found = dgd.info(path)
    return found.table(), found.as_json()


@contextmanager
def bit_flipped(file: Path, bit: int) -> Iterator[None]:
    """One bit of a file the other way round, for a while."""
    content = file.read_bytes()
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    file.write_bytes(damaged)
    try:
        yield
    finally:
        file.write_bytes(content)


def outcomes(path: Path, flips: int, seed: int, look: Callable[[Path], Opened]) -> Counter[str]:
    """Flip random bits, one at a time, of random files; what became of each. Anything but a DgdError goes through."""
    rng = np.random.default_rng(seed)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    before = look(path)
    counts: Counter[str] = Counter()
    for _ in range(flips):
        file = files[rng.integers(len(files))]
        with bit_flipped(file, int(rng.integers(8 * file.stat().st_size))):
            try:
                after = look(path)
            except DgdError as error:
                counts[type(error).__name__] += 1
            else:
                counts["harmless" if after == before else f"silent: {file.relative_to(path)}"] += 1
    assert look(path) == before
    return counts


def check(path: Path, compression: str, flips: int, look: Callable[[Path], Opened]) -> None:
    write(path, compression)
    counts = outcomes(path, flips, COMPRESSIONS.index(compression), look)
    assert not [outcome for outcome in counts if outcome.startswith("silent")], counts
    assert sum(counts.values()) == flips
    assert counts["CorruptChunkError"] > 0
    assert counts["MetadataError"] > 0


@pytest.mark.each(2)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_dataset(compression: str, tmp_path: Path) -> None:
    check(tmp_path / "a.zarr", compression, 100, as_dataset)


@pytest.mark.each(2)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_arrays_alone(compression: str, tmp_path: Path) -> None:
    check(tmp_path / "a.zarr", compression, 50, as_arrays)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_dataset_at_length(compression: str, tmp_path: Path) -> None:
    check(tmp_path / "a.zarr", compression, 2500, as_dataset)


def test_predictions(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", "none")
    model = dgd.fit(tmp_path / "a.zarr", max_iter=1).model
    dgd.predict_to(model, tmp_path / "a.zarr", tmp_path / "p.zarr")

    def look(path: Path) -> Opened:
        predictions = dgd.open_dataset(tmp_path / "a.zarr", path)
        chunks = [predictions.read(k) for k in range(predictions.n_chunks)]
        return tuple(chunk.y.tobytes() for chunk in chunks if chunk.y is not None)

    counts = outcomes(tmp_path / "p.zarr", 100, 5, look)
    assert not [outcome for outcome in counts if outcome.startswith("silent")], counts
    assert counts["MetadataError"] > 0


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_every_byte_of_the_metadata(step: int, tmp_path: Path) -> None:
    """One bit of each, one after the other: no byte of a document is decoration."""
    write(tmp_path / "a.zarr", "none")
    before = as_dataset(tmp_path / "a.zarr")
    for document in ("zarr.json", "y/zarr.json"):
        file = tmp_path / "a.zarr" / document
        for byte in range(0, file.stat().st_size, step):
            with bit_flipped(file, 8 * byte + byte % 8), pytest.raises(DgdError):
                dgd.open_dataset(tmp_path / "a.zarr", weight="weight")
    assert as_dataset(tmp_path / "a.zarr") == before


@pytest.mark.parametrize("document", ["zarr.json", "X/zarr.json"])
def test_info_never_crashes(document: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", "none")
    file = tmp_path / "a.zarr" / document
    described(tmp_path / "a.zarr")
    for bit in range(0, 8 * file.stat().st_size, 29):
        with bit_flipped(file, bit), pytest.raises(DgdError):
            described(tmp_path / "a.zarr")
