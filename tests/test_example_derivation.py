"""The lesson in examples/derivation.py runs, and no line of it can be wrong unnoticed."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "derivation.py"


@pytest.fixture
def lesson() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derivation_lesson", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_runs_to_its_last_line() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},  # as on a terminal that does not speak UTF-8
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    rules = [text[2:18].strip() for text in lines if text.endswith("✓")]
    first_way = [
        "constant factor",
        "sum rule",
        "chain rule",
        "power rule",
        "constant factor",
        "all j at once",
    ]
    second_way = ["constant, sum", "chain, power", "dθᵀ in front", "the bracket"]
    use = ["sums of sums", "binary tree", "2/m, once", "one update", "just below", "just above"]
    remaining = iter(rules)
    assert all(rule in remaining for rule in first_way + second_way + use), rules
    assert "∇MSE(θ) = 2/m Xᵀ(Xθ − y)" in run.stdout
    assert lines[-1].startswith("Every line marked ✓ was checked")
    assert max(map(len, lines)) <= 80


def test_every_line_is_held(lesson: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of one line at a time are put off by a millionth: the lesson stops at that line."""
    line = lesson.line
    current = wrong = 0

    def perturbed(rule: str, formula: str, value: Any, expected: Any, **options: float) -> None:
        nonlocal current
        current += 1
        off = 1e-6 * (1 + np.abs(value)) if current == wrong else 0.0
        line(rule, formula, np.asarray(value) + off, expected, **options)

    monkeypatch.setattr(lesson, "line", perturbed)
    lesson.main()
    total = current
    assert total > 35
    for wrong in range(1, total + 1):
        current = 0
        with pytest.raises(AssertionError, match="this line is not true"):
            lesson.main()
        assert current == wrong


def test_a_line_does_not_broadcast(lesson: ModuleType) -> None:
    with pytest.raises(AssertionError, match="this line is not true"):
        lesson.line("rule", "formula", np.ones(3), 1.0)


MISTAKES: dict[str, tuple[str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "gradient of half the MSE": ("gradient", lambda right: lambda *given: right(*given) / 2),
    "gradient as a sum, not a mean": ("gradient", lambda right: lambda X, y, t: right(X, y, t) * len(y)),
    "gradient uphill": ("gradient", lambda right: lambda *given: -right(*given)),
    "residual the wrong way round": ("residual", lambda right: lambda *given: -right(*given)),
    "MSE with a half": ("mse", lambda right: lambda *given: right(*given) / 2),
    "stencil with another step": ("slope", lambda right: lambda *given, **at: right(*given, **at) / 2),
    "2/m in every chunk": ("chunk_sum", lambda right: lambda X, y, t: 2 / len(y) * right(X, y, t)),
    "the last chunk forgotten": ("next_level", lambda right: lambda sums: right(sums[: len(sums) // 2 * 2])),
    "an update uphill": ("step", lambda right: lambda X, y, t, eta: right(X, y, t, -eta)),
    "a limit too low": ("learning_rate_limit", lambda right: lambda X: 0.5 * right(X)),
    "a limit too high": ("learning_rate_limit", lambda right: lambda X: 1.02 * right(X)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_stops_the_lesson(lesson: ModuleType, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    name, spoil = MISTAKES[mistake]
    monkeypatch.setattr(lesson, name, spoil(getattr(lesson, name)))
    with pytest.raises(AssertionError, match="this line is not true"):
        lesson.main()
