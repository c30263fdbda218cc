"""What a row of the table is, and what rows share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dgd

ROW_COUNT, COLUMNS, CHUNK_ROWS = 4000, 8, 100
METHOD: dict[str, Any] = {"solver": "gd", "learning_rate": 0.05, "tol": 0.0}
"""Gradient descent of as many passes as a row wants."""

Inject = Callable[[Path], str]


@dataclass(frozen=True)
class Row:
    """One fault: injected in a folder by a function that returns what was seen."""

    name: str
    fault: str
    expected: str
    """How what is seen must begin."""
    before: str
    """What was seen in the first 0.1.0."""
    seconds: float
    inject: Inject


ROWS: dict[str, Row] = {}


def row(name: str, fault: str, *, expected: str, before: str, seconds: float = 120.0) -> Callable[[Inject], Inject]:
    """Adds a function to the table."""

    def added(inject: Inject) -> Inject:
        assert name not in ROWS
        ROWS[name] = Row(name, fault, expected, before, seconds, inject)
        return inject

    return added


def written(path: Path, *, seed: int = 0, rows: int = ROW_COUNT, overwrite: bool = False) -> Path:
    """A dataset of 40 chunks."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    with dgd.DatasetWriter(path, chunk_rows=CHUNK_ROWS, overwrite=overwrite) as writer:
        writer.append(X, X @ np.arange(1.0, COLUMNS + 1) + rng.normal(size=rows))
    return path


def bits(result: dgd.Result) -> bytes:
    """θ, to the last bit."""
    return result.theta.tobytes()


def undisturbed(path: Path, passes: int) -> bytes:
    """θ of the same fit on threads of this process, without any fault."""
    return bits(dgd.fit(path, max_iter=passes, threads=2, **METHOD))


def compared(result: dgd.Result, expected: bytes) -> str:
    """Whether a disturbed fit came out the same."""
    return "same bits" if bits(result) == expected else f"other bits, status {result.status.name}"


def outcome(call: Callable[[], Any]) -> str:
    """The error that a call ends in, by its name and its first words, and the seconds until then; or its value."""
    began = time.monotonic()
    try:
        value = call()
    except Exception as error:
        return f"{type(error).__name__} after {time.monotonic() - began:.1f} s: {' '.join(str(error).split())[:150]}"
    return f"accepted: {value!r:.80}"


@contextmanager
def seconds_at_most(limit: float) -> Iterator[None]:
    """An error if what is within takes longer."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took <= limit, f"it took {took:.1f} s, at most {limit:g} s were expected"
