"""Every example runs as a process of its own, says what it should within a minute, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import EXAMPLES
from leftovers import Surroundings

MIB = 2**20


@dataclass(frozen=True)
class Run:
    """A finished example: what it printed, and the most memory it was seen to hold."""

    output: str
    errors: str
    peak: int

    def number(self, pattern: str) -> float:
        """The number in the first line of output that matches."""
        found = re.search(pattern, self.output)
        assert found is not None, f"{pattern!r} is not in:\n{self.output}"
        return float(found[1].replace(",", ""))

    def claims(self) -> list[str]:
        return [line.strip().removeprefix("✓ ") for line in self.output.splitlines() if "✓" in line]


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    found = Surroundings(tmp_path)
    yield found
    found.kill()


def run_example(name: str, surroundings: Surroundings) -> Run:
    """Run an example, watch its memory, and hold it to what holds for all of them."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        env={**surroundings.environment, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    peak = 0
    while process.poll() is None:
        assert time.monotonic() - began < 60, f"{name} takes longer than a minute"
        peak = max(peak, resident(process.pid))
        time.sleep(0.02)
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert surroundings.leftovers() == []
    assert max(map(len, output.splitlines())) <= 160
    return Run(output, errors, peak)


def resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def test_flights(surroundings: Surroundings) -> None:
    run = run_example("flights.py", surroundings)
    assert run.number(r"([\d,]+) rows of dep_delay, distance and arr_delay") == 327_346
    assert run.output.count("-5.89949348 +1.01909292 · dep_delay") == 2  # ours, and R's
    assert "arr_delay = -3.212779 +1.018077 · dep_delay -0.002551 · distance" in run.output
    assert run.number(r"R² (\S+)") == 0.838632
    assert run.number(r"RMSE (\S+) min") == 17.929
    assert len(run.claims()) == 5
    assert run.errors == ""


@pytest.mark.slow
def test_bigger_than_memory(surroundings: Surroundings) -> None:
    run = run_example("bigger_than_memory.py", surroundings)
    assert run.number(r"the data are (\S+) × the cap") >= 4
    planned = run.number(r"planned +(\S+) MiB") * MIB
    measured = run.number(r"measured +(\S+) MiB") * MIB
    cap = run.number(r"cap +(\S+) MiB") * MIB
    assert measured <= 1.1 * planned
    assert measured <= cap
    # The example measures itself; that it does so truly is seen from outside.
    assert 0.9 * measured <= run.peak <= 1.01 * measured
    assert len(run.claims()) == 4
    assert run.errors == ""


@pytest.mark.slow
def test_cluster(surroundings: Surroundings) -> None:
    run = run_example("cluster.py", surroundings)
    assert run.claims().count("θ is the same to the bit") == 2
    died = run.number(r"was killed during pass (\d+)")
    assert 5 < died < run.number(r"was killed during pass \d+ of (\d+)")
    assert len(run.claims()) == 4
