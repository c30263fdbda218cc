"""Roles of a dataset's arrays, and what is done for each chunk."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.resident_chunks import ResidentMemory
from dgd.data.roles import ROLES
from dgd.data.transforms.selected_rows import Selection, select
from dgd.passes.effects import for_each
from dgd.passes.executor import Executor, InlineExecutor
from dgd.passes.threads import ThreadExecutor
from dgd.testing import MemoryChunks

BOUNDS = [0, 4, 9, 10]
NAMES = [role.name for role in ROLES]


def whole() -> Dataset:
    """An array for each role, so that a further one takes part in every test here."""
    arrays = {}
    for number, role in enumerate(ROLES):
        shape = (10, 3)[: role.dimensions[0]]
        arrays[role.name] = MemoryChunks(role.name, np.random.default_rng(number).random(shape), BOUNDS)
    return Dataset(**arrays)  # type: ignore[arg-type]


def test_every_role_is_a_field_of_dataset_and_chunk() -> None:
    for kind in (Dataset, Chunk):
        assert set(NAMES) <= {field.name for field in fields(kind)}


def test_every_role_is_read_selected_taken_copied_and_pickled() -> None:
    data = whole()
    assert list(data.by_role) == NAMES
    assert data.row_bytes == sum(rows.array[:1].nbytes for rows in data.arrays)  # type: ignore[attr-defined]
    chunk = data.read(1)
    arrays = {name: rows.array for name, rows in data.by_role.items()}  # type: ignore[attr-defined]
    assert list(chunk.arrays) == NAMES
    order = np.array([3, 0])
    taken = chunk.take(order)
    resident = ResidentMemory(data, 1).copy(chunk, 0)
    copy: Dataset = pickle.loads(pickle.dumps(data))
    some = select(data, Selection.of_rows(np.array([1, 5, 6]), data.bounds))
    for name, array in arrays.items():
        assert (chunk.arrays[name] == array[4:9]).all()
        assert (taken.arrays[name] == array[4:9][order]).all()
        assert (resident.arrays[name] == array[4:9]).all()
        assert (copy.read(1).arrays[name] == array[4:9]).all()
        assert (np.concatenate([some.read(k).arrays[name] for k in range(some.n_chunks)]) == array[[1, 5, 6]]).all()
    assert [taken.number(k) for k in (0, 1)] == [7, 4]
    assert [chunk.number(k) for k in (0, 1)] == [4, 5]


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_value_of_any_role_is_named(name: str) -> None:
    data = whole()
    data.by_role[name].array[6] = np.nan  # type: ignore[attr-defined]
    with pytest.raises(dgd.errors.ValueRangeError, match=f"array '{name}', chunk 1: row 6"):
        dgd.fit(data, solver="lbfgs", max_iter=2)


@dataclass(frozen=True)
class Note:
    """An effect that leaves a file for each chunk."""

    folder: str

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None:
        Path(self.folder, f"{chunk.index}").write_text(str(chunk.rows))


@pytest.mark.usefixtures("tiny_data_are_divided_too")
@pytest.mark.parametrize("executor", [InlineExecutor(), ThreadExecutor(2)], ids=["inline", "threads"])
def test_an_effect_is_called_for_each_chunk_and_counts_rows(executor: Executor, tmp_path: Path) -> None:
    for _ in range(2):
        assert for_each(executor, whole(), Note(str(tmp_path))) == 10
    noted = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert noted == {"0": "(0, 4)", "1": "(4, 9)", "2": "(9, 10)"}
    executor.close()
