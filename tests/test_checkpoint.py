"""A fit that goes on from a checkpoint ends, to the bit, as one without a break."""

from __future__ import annotations

import itertools
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from methods import CASES, TARGETS, WEIGHT, Case, X

import dgd
from dgd.errors import ConfigurationError
from dgd.fitting.checkpoint.encoding import OWN
from dgd.fitting.record import SPLIT
from dgd.fitting.state import FitState
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative, NoPenalty
from dgd.solvers import SOLVERS, Constant, MiniBatch
from dgd.solvers.base import State
from dgd.testing import MemoryChunks

PASSES = 8
PENALTIES = [NoPenalty(), L2(0.1), L1(0.1), ElasticNet(l1=[0.1, 0, 0.1, 0.2], l2=0.2), Box(lower=-0.2), NonNegative()]
VALIDATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "fraction": {"validation_fraction": 0.2, "patience": 3},
    "dataset": {"validation": (X, TARGETS["squared"]), "patience": 2},
}


def chunked(y: np.ndarray, **others: np.ndarray) -> dgd.Dataset:
    """The rows in seven chunks."""
    bounds = [0, 30, 60, 61, 100, 150, 200, len(X)]
    arrays = {"X": X, "y": y, **others}
    return dgd.Dataset(**{name: MemoryChunks(name, values, bounds) for name, values in arrays.items()})


def bits(result: dgd.Result) -> Any:
    """All of a result but the time it took."""
    untimed = dict.fromkeys(("seconds", "rows_per_second", *SPLIT), 0.0)
    history = [replace(record, **untimed) for record in result.history]
    return (
        result.theta.tobytes(), repr(result.loss), result.status, repr(history), repr(result.certificate),
        repr(result.explained), result.advice, result.model.provenance["fingerprint"],
    )  # fmt: skip


def checkpoints_of_each_pass(path: Path, *data: Any, **options: Any) -> tuple[dgd.Result, list[bytes]]:
    """A fit, and its checkpoint after each pass but the last."""
    found: list[bytes] = []

    def look(record: dgd.Record) -> None:
        if record.iteration > 1:
            found.append(path.read_bytes())

    path.unlink(missing_ok=True)
    return dgd.fit(*data, **options, checkpoint=path, checkpoint_every="pass", callbacks=[look]), found


def check_resumed(path: Path, *data: Any, every: int = 1, **options: Any) -> int:
    """Go on from every so manieth pass; the number of fits that went on."""
    expected = bits(dgd.fit(*data, **options))
    result, found = checkpoints_of_each_pass(path, *data, **options)
    assert bits(result) == expected, "writing checkpoints changed the fit"
    validation = options.get("validation")
    for content in found[::every]:
        path.write_bytes(content)
        assert bits(dgd.resume(path, *data, validation=validation)) == expected
    return len(found[::every])


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.label, marks=[] if k % 2 == 0 else pytest.mark.slow) for k, case in enumerate(CASES)],
)
def test_every_method_goes_on_to_the_same_bits(case: Case, tmp_path: Path) -> None:
    data = chunked(case.y)
    check_resumed(tmp_path / "c", data, loss=case.loss, max_iter=PASSES, threads=1, every=4, **case.options)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared", "logistic", "softmax", "poisson", "huber", "two"])
def test_every_solver_penalty_and_validation(solver: str, loss: str, tmp_path: Path) -> None:
    done = 0
    data = chunked(TARGETS[loss], weight=WEIGHT)
    for penalty, (name, validation) in itertools.product(PENALTIES, VALIDATIONS.items()):
        options = {"solver": solver, "loss": "squared" if loss == "two" else loss, "penalty": penalty, "max_iter": 9}
        if name == "dataset":
            validation = {**validation, "validation": (X, TARGETS[loss])}
        try:
            dgd.fit(data, **{**options, "max_iter": 1})
        except ConfigurationError:
            continue
        done += check_resumed(tmp_path / "c", data, threads=1, every=2, **options, **validation)
    assert done or (solver in {"cg", "summary"} and loss != "squared") or loss == "two"


RNG = np.random.default_rng(0)
COLUMN = RNG.normal(size=400)
COLLINEAR = np.column_stack([COLUMN, COLUMN + 1e-9 * RNG.normal(size=400), RNG.normal(size=400)])


@pytest.mark.each(2)
@pytest.mark.parametrize(
    ("y", "options"),
    [
        (COLLINEAR @ [1, 2, 3] + RNG.normal(size=400), {"solver": "newton"}),
        ((COLLINEAR[:, 2] > 0).astype(float), {"loss": "logistic", "solver": "lbfgs", "tol": 1e-3}),
    ],
    ids=["from newton to cg", "from lbfgs to newton"],
)
def test_a_fit_that_was_handed_over_goes_on_with_that_solver(y: Any, options: Any, tmp_path: Path) -> None:
    path = tmp_path / "c"
    _, found = checkpoints_of_each_pass(path, COLLINEAR, y, **options)
    assert b'"running": {"class"' in found[-1]
    assert check_resumed(path, COLLINEAR, y, every=6, **options) > 2


def test_mini_batches_go_on_in_mid_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    options: dict[str, Any] = {"solver": MiniBatch(Constant(0.01), batch_size=7, averaging=True), "max_iter": 3}
    options |= {"validation_fraction": 0.2, "threads": 1}
    data = chunked(TARGETS["squared"])
    expected = bits(dgd.fit(data, **options))
    found: list[bytes] = []
    write = dgd.fitting.checkpoint.reached.write_checkpoint

    def keep(*arguments: Any, **options: Any) -> None:
        write(*arguments, **options)
        found.append(path.read_bytes())

    monkeypatch.setattr("dgd.fitting.checkpoint.reached.write_checkpoint", keep)
    assert bits(dgd.fit(data, **options, checkpoint=path, checkpoint_every=1e-9)) == expected
    within = [content for content in found if b'"epoch": {"class"' in content]
    assert len(within) == 6 * 3
    chunks_read = []
    for content in within[:4]:
        path.write_bytes(content)
        data.X.reads.clear()  # type: ignore[attr-defined]
        assert bits(dgd.resume(path, data, checkpoint_every=1e9)) == expected
        chunks_read.append(len(data.X.reads))  # type: ignore[attr-defined]
    assert chunks_read == [chunks_read[0] - k for k in range(4)], "what was done of an epoch was done again"


def test_a_limit_is_not_the_end(tmp_path: Path) -> None:
    data, path = (X, TARGETS["squared"]), tmp_path / "c"
    options: dict[str, Any] = {"solver": "nesterov", "tol": 0}
    short = dgd.fit(*data, **options, max_iter=4, checkpoint=path)
    assert short.checkpoint == str(path)
    again = dgd.resume(path, *data, callbacks=[lambda record: pytest.fail("a pass was made")])
    assert bits(again) == bits(short)
    assert bits(dgd.resume(path, *data, max_iter=9)) == bits(dgd.fit(*data, **options, max_iter=9))


def test_what_was_a_path_is_found_there(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, options = tmp_path / "c", {"weight": "weight", "solver": "gd", "max_iter": 6}
    expected = bits(dgd.fit(store, **options))
    monkeypatch.chdir(Path(store).parent)
    _, found = checkpoints_of_each_pass(path, Path(store).name, **options, validation=store)
    path.write_bytes(found[2])
    monkeypatch.chdir(tmp_path)
    result = dgd.resume(path)
    assert result.theta.tobytes() == expected[0]
    assert result.n_iter_ == 6


def test_several_stores_are_found_again(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    monkeypatch.chdir(Path(store).parent)
    part = dgd.fit([Path(store).name, store], solver="gd", tol=0, max_iter=2, checkpoint=path)
    monkeypatch.chdir(tmp_path)
    assert part.checkpoint
    again = dgd.fit([store, store], solver="gd", tol=0, max_iter=4)
    assert dgd.resume(path, max_iter=4).theta.tobytes() == again.theta.tobytes()


def test_functions_and_classes_of_ones_own_are_given_again(tmp_path: Path) -> None:
    data, path = (X, TARGETS["squared"]), tmp_path / "c"
    options: dict[str, Any] = {"solver": "gd", "learning_rate": lambda t: 0.02 / (1 + t), "max_iter": 6, "tol": 0}
    expected, found = checkpoints_of_each_pass(path, *data, **options)
    path.write_bytes(found[2])
    with pytest.raises(ConfigurationError, match=r"resume\(solver=\.\.\.\)` is missing"):
        dgd.resume(path, *data)
    assert bits(dgd.resume(path, *data, learning_rate=options["learning_rate"])) == bits(expected)


def test_rows_that_are_left_out_are_left_out_again(tmp_path: Path) -> None:
    data = X.copy()
    data[::20, 1] = np.nan
    check_resumed(tmp_path / "c", data, TARGETS["squared"], missing="drop", solver="nesterov", max_iter=4, every=2)


def test_whatever_a_state_may_hold_can_be_read_again() -> None:
    """Every dataclass in the annotations of a state, and in those of their fields, is of a module that may be made."""
    kinds, seen = [FitState, *_subclasses(State)], set()
    while kinds:
        kind = kinds.pop()
        if kind not in seen:
            seen.add(kind)
            assert any(kind.__module__.startswith(own) for own in OWN), kind
            kinds += [each for hint in get_type_hints(kind).values() for each in _dataclasses(hint)]
    assert {"Coordinates", "Centre", "LeftOut", "LBFGSState", "EpochSoFar"} <= {kind.__name__ for kind in seen}


def _subclasses(kind: type) -> list[type]:
    return [found for each in kind.__subclasses__() for found in (each, *_subclasses(each))]


def _dataclasses(hint: Any) -> list[type]:
    inner = [found for each in get_args(hint) for found in _dataclasses(each)]
    return [hint, *inner] if isinstance(hint, type) and is_dataclass(hint) else inner
