"""The tables of what data mean: a part of them here, all by `python -m tests.meaning` and `--doors`."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.meaning import __main__ as tables
from tests.meaning.cases import CASES, Case
from tests.meaning.doors import DOORS, has_way_out
from tests.meaning.formats import FORMATS

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = ("S1.1-v2", "S1.3", "S1.4-mask", "S1.5", "S2.1-counts", "S2.3", "S2.6", "S3.8", "S3.10")
NEEDS = {"S3": "moto", "icechunk": "icechunk"}
"""Packages that are no part of the project; `python -m tests.meaning --doors` says which were not tried."""
HERE = [name for name in FORMATS if name not in NEEDS or find_spec(NEEDS[name]) is not None]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_a_case(name: str) -> None:
    now, right = tables.seen(CASES[name])
    assert now == right


@pytest.mark.each(8)
@pytest.mark.parametrize("name", HERE)
def test_a_format_at_every_door(name: str) -> None:
    cells, wrong = tables.visited(name)
    assert not wrong, {door: cells[door] for door in wrong}


def test_what_is_not_right_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def crash(folder: object) -> tuple[str, str]:
        raise TypeError("cannot be")

    cases = [Case("A", "one", "0", lambda folder: ("1", "1")), Case("B", "two", "0", lambda folder: ("1", "2"))]
    assert tables.show_cases([*cases, Case("C", "three", "0", crash)]) == 1
    said = capsys.readouterr().out
    assert "ok  A" in said
    assert "NO  B" in said
    assert "TypeError: cannot be" in said
    assert "1 of 3 right" in said


def test_a_door_that_gives_another_number_is_not_right(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    import dgd

    monkeypatch.setattr(dgd, "predict", lambda *given, **named: np.zeros(230))
    cells, wrong = tables.visited("NumPy")
    assert wrong == ["predict, object"]
    assert cells["predict, object"].startswith("WRONG predicted")
    assert len(cells) == len(DOORS)
    assert not has_way_out("this cannot be fitted")
