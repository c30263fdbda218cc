"""Every method: a pass reads each chunk once, or never again if it stays; threads change no bit, inputs no value."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from methods import CASES, OFFSET, WEIGHT, Case, M, X

import dgd
from dgd.data.resident_chunks import is_resident
from dgd.data.rows import regular_bounds
from dgd.passes.executor import InlineExecutor
from dgd.passes.threads import ThreadExecutor
from dgd.solvers import SOLVERS
from dgd.testing import CountingExecutor, CountingRows, MemoryChunks

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

BOUNDS = np.array([0, 1, 20, 41, 60, 90, 91, 120, 150, 180, 200, M])
STARTS = BOUNDS[:-1].tolist()
CHUNK_BYTES = -(-30 * X.shape[1] * 8 // 64) * 64
"""What the largest chunk takes while it stays: 30 rows of X in cache lines, for the targets are in memory anyhow."""
PASSES = 6
each_method = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)


def dataset(case: Case, *, weight: bool = False, offset: bool = False) -> dgd.Dataset:
    """The case's rows in eleven chunks, one of them of a single row; all reads of X are counted."""
    more: dict[str, Any] = {}
    if weight:
        more["weight"] = MemoryChunks("weight", WEIGHT, BOUNDS)
    if offset:
        values = OFFSET if outputs(case) is None else np.column_stack([OFFSET * k for k in range(outputs(case) or 0)])
        more["offset"] = MemoryChunks("offset", values, BOUNDS)
    return dgd.Dataset(
        X=CountingRows(MemoryChunks("X", X, BOUNDS)), y=MemoryChunks("y", case.y, regular_bounds(M, 33)), **more
    )


def outputs(case: Case) -> int | None:
    return 3 if case.loss == "softmax" else case.y.shape[1] if case.y.ndim == 2 else None


def fit(case: Case, data: Any, *arrays: Any, **options: Any) -> dgd.Result:
    everything = {"loss": case.loss, "max_iter": PASSES, "tol": 0, "threads": 2, **case.options, **options}
    return dgd.fit(data, *arrays, **everything)


def counts(data: dgd.Dataset) -> Counter[int]:
    assert isinstance(data.X, CountingRows)
    return Counter(start for start, _ in data.X.reads)


def each_read(times: int) -> Counter[int]:
    """Every chunk as many times."""
    return Counter(dict.fromkeys(STARTS, times))


def test_every_solver_is_among_the_cases() -> None:
    assert {fit(case, dataset(case), max_iter=1).as_json()["solver"] for case in CASES} == {
        *SOLVERS,
        "gd-exact",
        "gd-backtracking",
    }


@each_method
@pytest.mark.parametrize("standardize", [True, False])
def test_a_pass_reads_each_chunk_once(case: Case, standardize: bool) -> None:
    """Not standardising, not targets, not Hessians, not line searches, not the answer cost a read of their own."""
    data = dataset(case)
    result = fit(case, data, standardize=standardize, execution=dgd.Execution(resident=0))
    assert result.n_iter_ == PASSES or result.status in {dgd.Status.STALLED, dgd.Status.CONVERGED}
    assert counts(data) == each_read(result.n_iter_)


@each_method
def test_with_room_each_chunk_is_read_once_in_the_whole_fit(case: Case) -> None:
    data = dataset(case)
    result = fit(case, data)
    two_passes_will_do = case.label in {"newton", "newton, several outputs", "auto"}
    assert result.plan.resident_share == (0 if two_passes_will_do else 1)
    assert counts(data) == each_read(result.n_iter_ if two_passes_will_do else 1)
    asked_for = dataset(case)
    fit(case, asked_for, execution=dgd.Execution(resident=len(STARTS) * CHUNK_BYTES))
    assert counts(asked_for) == each_read(1)


@each_method
def test_with_little_room_some_are_read_once_and_the_others_once_a_pass(case: Case) -> None:
    data = dataset(case)
    result = fit(case, data, execution=dgd.Execution(resident=5 * CHUNK_BYTES - 1))
    assert (result.plan.resident_chunks, result.plan.resident_bytes) == (4, 4 * CHUNK_BYTES)
    stays = {start: is_resident(index, len(STARTS), 4) for index, start in enumerate(STARTS)}
    assert counts(data) == Counter({start: 1 if stays[start] else result.n_iter_ for start in STARTS})


@pytest.mark.each(4)
@each_method
def test_rows_held_out_are_scored_in_the_same_read(case: Case) -> None:
    """But for an iterate that is not the point evaluated: with a prox, or after an epoch, it is scored by itself."""
    data = dataset(case)
    result = fit(case, data, validation_fraction=0.3, seed=1, execution=dgd.Execution(resident=0))
    assert all(record.validation_loss is not None for record in result.history)
    apart = ("penalty" in case.options and not case.options["penalty"].is_smooth) or "minibatch" in case.label
    times = set(counts(data).values())
    assert times == {result.n_iter_} or (apart and len(times) == 1 and max(times) <= 2 * result.n_iter_)
    assert result.rows_held_out == pytest.approx(0.3 * M, abs=1)
    some = dataset(case)
    fit(case, some, validation_fraction=0.3, seed=1, execution=dgd.Execution(resident=2**20))
    assert counts(some) == each_read(1)


@each_method
def test_a_validation_dataset_is_read_once_a_pass_and_changes_no_bit(case: Case) -> None:
    data, beside = dataset(case), dataset(case)
    result = fit(case, data, validation=beside, execution=dgd.Execution(resident=0))
    assert counts(data) == counts(beside) == each_read(result.n_iter_)
    without = fit(case, dataset(case), execution=dgd.Execution(resident=0))
    assert result.theta.tobytes() == without.theta.tobytes()
    # Without rows to validate a summary may need no second pass.
    least = 1 if result.explain().startswith("solver summary") else result.n_iter_
    assert result.n_iter_ >= without.n_iter_ >= least
    both = list(zip(result.history, without.history, strict=False))
    assert [r.loss for r, _ in both] == [r.loss for _, r in both]
    assert [r.bytes_read for r, _ in both] == [2 * r.bytes_read for _, r in both]


@each_method
@pytest.mark.parametrize("resident", [0, len(STARTS) * CHUNK_BYTES])
def test_counted_by_the_executor_it_is_one_sweep_a_pass(
    case: Case, resident: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = CountingExecutor(ThreadExecutor(2))
    monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: executor)
    result = fit(case, dataset(case), execution=dgd.Execution(resident=resident))
    rate = getattr(case.options.get("solver"), "learning_rate", case.options.get("learning_rate", "auto"))
    by_the_book = not isinstance(rate, str)
    reads_targets_first = 0 if by_the_book or result.explain().startswith("solver summary") else 1
    assert executor.sweeps == result.n_iter_ + reads_targets_first
    assert set(executor.reads.values()) == {(1 if resident else result.n_iter_) + reads_targets_first}


@pytest.mark.each(4)
@each_method
def test_same_bits_inline_and_on_threads(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(case, weight=True, offset=True)
    found = {bits(fit(case, data, threads=threads, execution=dgd.Execution(resident=0))) for threads in (1, 2, 4)}
    monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: InlineExecutor())
    found.add(bits(fit(case, data)))
    assert len(found) == 1


def bits(result: dgd.Result) -> bytes:
    """θ and all that was found on the way."""
    numbers = [(r.loss, r.grad_norm, r.learning_rate, r.bytes_read) for r in result.history]
    return result.theta.tobytes() + np.array(numbers).tobytes() + result.status.name.encode()


def test_bits_tell_results_apart() -> None:
    case = CASES[0]
    assert len({bits(fit(case, dataset(case), max_iter=k)) for k in (3, 4, 5)}) == 3


@each_method
def test_inputs_are_read_only_and_stay_as_they_are(case: Case) -> None:
    data = dataset(case, weight=True, offset=True)
    assert data.offset is not None
    offset, _ = data.offset.read(0, M, None)  # type: ignore[arg-type]
    theta0 = np.full((X.shape[1] + 1, *([] if outputs(case) is None else [outputs(case)])), 0.1)
    arrays = [np.array(a) for a in (X, case.y, WEIGHT, offset, theta0)]
    kept = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    fit(case, *arrays[:2], weight=arrays[2], offset=arrays[3], theta0=arrays[4])
    for a in arrays:
        a.setflags(write=True)
    fit(case, *arrays[:2], weight=arrays[2], offset=arrays[3], theta0=arrays[4])
    for a, before in zip(arrays, kept, strict=True):
        assert (a == before).all()


@each_method
def test_the_answer_shares_no_memory_with_the_start(case: Case) -> None:
    theta0 = np.full((X.shape[1] + 1, *([] if outputs(case) is None else [outputs(case)])), 0.1)
    result = fit(case, X, case.y, theta0=theta0, max_iter=1)
    assert not np.shares_memory(result.theta, theta0)
    assert (theta0 == 0.1).all()
