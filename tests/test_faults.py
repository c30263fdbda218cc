"""The table of faults: its quick rows here, all of it by `python -m tests.faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import __main__ as table
from tests.faults import data, strangers, writing
from tests.faults.rows import ROWS, Row

QUICK = {data: ("A1", "F15"), writing: ("A4",), strangers: ("A10", "zip", "shard", "link")}


@pytest.mark.parametrize("name", [name for names in QUICK.values() for name in names])
def test_a_row_of_the_table(name: str, tmp_path: Path) -> None:
    found = ROWS[name].inject(tmp_path)
    assert found.startswith(ROWS[name].expected), found


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [
        (0.01, "nothing within 0.01 s: it hangs"),
        pytest.param(60.0, "it ended with code 1: KeyError: 'no such row'", marks=pytest.mark.slow),
    ],
)
def test_a_row_that_hangs_or_fails_is_a_result(seconds: float, seen: str) -> None:
    assert table.run_alone(Row("no such row", "nothing", "all is well", "", seconds, str)) == seen


def test_the_table_says_what_is_not_as_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row(name, "a fault", "same bits", "same bits", 1.0, str) for name in ("F1", "F2")]
    monkeypatch.setattr(table, "run_alone", lambda row: "same bits" if row.name == "F1" else "other bits")
    assert table.run_all(rows) == 1
    said = capsys.readouterr().out
    assert "ok  F1" in said
    assert "NO  F2" in said
    assert "1 of 2 as expected" in said
    assert table.run_all(rows[:1]) == 0
