"""Passes of a fit, counted: to several parts of the first gradient, and how many of them summed a Hessian."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dgd
from dgd.fitting.objective import Objective
from dgd.fitting.question import Question
from dgd.fitting.sampled import planned, size
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.row_sums import RowSums

LEVELS = (1e-6, 1e-8, 1e-12)
COLUMNS = ("to 1e-6", "to 1e-8", "to 1e-12", "H")
COLUMNS_A_PASS = 16
"""Summing a Hessian of p columns takes as long as p/16 gradients, in memory."""


@dataclass(frozen=True)
class Count:
    """What a fit took, from its first pass on."""

    solver: str
    parameters: int
    norms: tuple[float, ...]
    """Of the gradient at each pass, as parts of the first."""
    hessians: tuple[bool, ...]
    """Whether a pass summed one, or products of columns."""
    converged: bool
    seconds: float
    result: Any
    sampled: str
    """What became of a sample of the rows: "", "taken", "not begun from", "gone back from"."""

    def to(self, level: float) -> int | None:
        """The passes until the gradient is that part of the first; None: never. Rounding may end a fit before."""
        reached = next((k for k, norm in enumerate(self.norms, 1) if norm <= level), None)
        return len(self.norms) if reached is None and self.converged else reached

    def hessians_to(self, level: float) -> int:
        """Those of `to`; of all passes where that is never."""
        return sum(self.hessians[: self.to(level)])

    def work_to(self, level: float) -> float | None:
        """The same in memory, as a number of gradient passes."""
        passes = self.to(level)
        return None if passes is None else passes + self.hessians_to(level) * self.parameters / COLUMNS_A_PASS

    @property
    def columns(self) -> tuple[int | str, ...]:
        """Passes to each level, and the Hessians among those of all."""
        passes = (f"> {len(self.norms)}" if n is None else n for n in map(self.to, LEVELS))
        return (*passes, sum(self.hessians))

    @property
    def said(self) -> str:
        """The same in a word, such as 5/6/7 3H."""
        *passes, hessians = map(str, self.columns)
        return "/".join(passes) + f" {hessians}H" * (hessians != "0")


def counted(X: Any, y: Any, **options: Any) -> Count:
    """A fit, counted; options: of `dgd.fit`."""
    with _hessians_noted() as noted:
        began = time.perf_counter()
        result = dgd.fit(X, y, **options)
        seconds = time.perf_counter() - began
    norms = [record.grad_norm for record in result.history]
    first = norms[0] or 1.0
    return Count(
        solver=result.choice.name,
        parameters=result.theta.size,
        norms=tuple(norm / first for norm in norms),
        hessians=tuple(noted[: len(norms)]),
        converged=result.converged,
        seconds=seconds,
        result=result,
        sampled=_sampled(result.explain()),
    )


def _sampled(said: str) -> str:
    if "sample of" not in said:
        return ""
    return next((word for word in ("not begun from", "gone back from") if word in said), "taken")


@contextmanager
def no_sample() -> Iterator[None]:
    """Fits in here begin at the best constant, without a sample of the rows."""
    sample_size = planned.sample_size
    planned.sample_size = lambda *_: None
    try:
        yield
    finally:
        planned.sample_size = sample_size


@contextmanager
def any_size() -> Iterator[None]:
    """Fits in here take a sample of small data as well, where there are rows enough for each parameter."""
    least, size.LEAST_NUMBERS = size.LEAST_NUMBERS, 1
    try:
        yield
    finally:
        size.LEAST_NUMBERS = least


@contextmanager
def _hessians_noted() -> Iterator[list[bool]]:
    """For each pass of the objective whether it is asked for a Hessian."""
    noted: list[bool] = []
    rows: list[int] = []
    sweep = Objective.sweep

    def noting(objective: Objective, question: Question) -> Any:
        sums = question.sums
        rows.append(objective.dataset.shape[0])
        if rows[-1] < rows[0]:
            # Over a sample of the rows, on the driver.
            return sweep(objective, question)
        noted.append(not isinstance(sums, RowSums) or any(isinstance(part, Hessian) for part in sums.parts))
        return sweep(objective, question)

    Objective.sweep = noting  # type: ignore[method-assign]
    try:
        yield noted
    finally:
        Objective.sweep = sweep  # type: ignore[method-assign]
