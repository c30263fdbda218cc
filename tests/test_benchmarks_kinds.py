"""The bare loops of `kinds` make what dgd makes, and the table is filled, at sizes that measure nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import _elementwise_kinds, _matrix_kinds, kinds
from benchmarks._elementwise_kinds import Case
from benchmarks._kind import Kind, Machine
from benchmarks._matrix_kinds import Shape

from dgd.passes.threads import ThreadExecutor


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with closing(ThreadExecutor(2)) as executor, ThreadPoolExecutor(2) as pool:
        yield Machine(executor, pool)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_bare_products_are_those_of_a_pass(machine: Machine, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_matrix_kinds, "BLOCK_ROWS", 64)
    monkeypatch.setattr(_matrix_kinds, "SOFTMAX_ROWS", 10)
    shape, near = Shape(300, 8, 5, "f4", dtype), {"rtol": 1e-4, "atol": 1e-4}
    for ours, bare in (
        _matrix_kinds.of_classes(shape, _matrix_kinds.softmax, machine),
        _matrix_kinds.of_targets(shape, machine),
        _matrix_kinds.of_wide(replace(shape, q=0), machine),
    ):
        np.testing.assert_allclose(bare(), ours().value.parts[0].gradient[1:].T, **near)
    ours, bare = _matrix_kinds.of_hessian(replace(shape, q=0), machine)
    np.testing.assert_allclose(bare(), ours().value.parts[1].values[1:, 1:], **near)


@pytest.mark.parametrize("loss", _elementwise_kinds.LOSSES)
def test_bare_sweeps_are_those_of_a_pass(machine: Machine, loss: str) -> None:
    for stored, dtype in (("f8", "f8"), ("f4", "f4"), ("i1", "f8"), ("f2", "f4")):
        ours, bare = _elementwise_kinds.of_loss(Case(loss, 301, 4, stored, dtype), machine)
        found = ours().value.parts[0].gradient[1:]
        np.testing.assert_allclose(bare(), found, rtol=1e-4, atol=1e-4 * np.abs(found).max())


def test_a_bare_conversion_takes_all_numbers(machine: Machine) -> None:
    for converted in _elementwise_kinds.of_conversion(1000, machine):
        converted()


def test_the_table_has_a_row_for_each_chosen_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    small = (
        Kind("squared, one", 1.15, lambda machine: _matrix_kinds.of_targets(Shape(30, 4, 2, "f4", "f8"), machine)),
        Kind("softmax, another", 1.4, lambda machine: (_fails, _fails)),
    )
    monkeypatch.setattr(kinds, "KINDS", small)
    (row,) = kinds.measure(pairs=1, only=["squared"])
    assert row["case"] == "squared, one"
    assert row["ok"] == (row["ratio"] <= row["asked"])


def _fails() -> None:
    raise AssertionError("not chosen")
