"""Summaries on two workers: the bits of one thread, whatever is summed and kept apart; updates read what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_factor_hand_over import FACTOR, NOISE, POWERS
from test_summary import WEIGHT, M, X, Y
from test_summary_kept import same

import dgd
from dgd.penalties import L1, L2

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

METHODS: list[dict[str, Any]] = [
    {},
    {"method": "qr"},
    {"precision": "single"},
    {"folds": 3},
    {"folds": 3, "method": "qr"},
    {"folds": 4, "by": "chunks"},
    {"folds": 3, "by": np.arange(M) % 7},
    {"by_chunk": True},
    {"by_chunk": True, "method": "qr"},
]


def write(path: Path, rows: int = M, values: Any = X) -> Path:
    with dgd.DatasetWriter(path, chunk_rows=100) as writer:
        writer.append(values[:rows], Y[:rows], weight=WEIGHT[:rows] + 0.5)
    return path


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("summaries") / "a.zarr")


@pytest.mark.slow
def test_each_method_has_the_bits_of_one_thread(stored: Path, two_workers: Any) -> None:
    for how in METHODS:
        one = dgd.summarize(stored, weight="weight", threads=1, **how)
        two = dgd.summarize(stored, weight="weight", client=two_workers.client, **how)
        same(one, two)
        assert (one.bytes_read, one.identity) == (two.bytes_read, two.identity)
        for penalty in (None, L2(0.1), L1(0.1)):
            fitted = [each.fit(penalty=penalty).theta.tobytes() for each in (one, two)]
            assert fitted[0] == fitted[1]
    for penalty in (None, L1(0.1)):
        fits = [dgd.fit(stored, weight="weight", penalty=penalty, **w) for w in places(two_workers)]
        assert fits[0].theta.tobytes() == fits[1].theta.tobytes()
        assert [fit.n_iter_ for fit in fits] == [1, 1]
        assert [fit.plan.processes for fit in fits if fit.plan is not None] == [1, 2]


def places(two_workers: Any) -> list[dict[str, Any]]:
    return [{"threads": 1}, {"client": two_workers.client}]


def test_an_update_reads_the_chunks_that_were_appended(two_workers: Any, tmp_path: Path) -> None:
    short, whole = write(tmp_path / "short.zarr", 800), write(tmp_path / "whole.zarr")
    for how in ({}, {"method": "qr"}, {"by_chunk": True}):
        found = []
        for where in places(two_workers):
            first = dgd.summarize(short, weight="weight", **how, **where)
            later = first.update(whole, weight="weight", **where)
            anew = dgd.summarize(whole, weight="weight", **how, **where)
            assert first.bytes_read > 0
            assert first.bytes_read + later.bytes_read == anew.bytes_read
            assert later.update(whole, weight="weight", **where).bytes_read == 0
            found.append(later)
        same(*found)


def test_a_curve_and_a_fit_that_is_handed_over(two_workers: Any, stored: Path, tmp_path: Path) -> None:
    curves = [dgd.learning_curve(stored, sizes=(0.1, 0.45, 1.0), folds=3, **w) for w in places(two_workers)]
    for name in ("thetas", "train_losses", "validation_losses"):
        assert getattr(curves[0], name).tobytes() == getattr(curves[1], name).tobytes()
    with dgd.DatasetWriter(tmp_path / "powers.zarr", chunk_rows=100) as writer:
        writer.append(POWERS, POWERS @ np.ones(7) + NOISE)
    fits = [dgd.fit(tmp_path / "powers.zarr", **where) for where in places(two_workers)]
    assert fits[0].theta.tobytes() == fits[1].theta.tobytes()
    assert all(FACTOR in fit.explain() for fit in fits)
    assert sum(record.bytes_read for record in fits[1].history) == sum(record.bytes_read for record in fits[0].history)
