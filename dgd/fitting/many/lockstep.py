"""Many models per pass: each fit asks its question, and one sweep over the data answers all of them.

    ask θ₁ … θ_K → one sweep: each chunk read once → tell each fit its own sums → those that have ended leave

Each fit is `loop.descend`, as it would run alone. What differs is rounding: raw predictions and gradients of all models
are one matrix product, whose sums a BLAS adds in another order than those of a lone vector; and Newton's method shares
Hessians between models that are near one another (`references`), which changes its steps and not where they lead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dgd.data.folds import Folds
from dgd.fitting.loop import Descent, Run
from dgd.fitting.many.batch import Batch, stored_theta
from dgd.fitting.many.references import Reference, References
from dgd.fitting.question import Question
from dgd.losses import Loss
from dgd.passes.executor import PassResult
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.many import ManySums, ManyTotals

Sweep = Callable[[ManySums], PassResult[ManyTotals]]


@dataclass(eq=False)
class Member:
    """A fit that runs with others; `without`: the fold it leaves out."""

    descent: Descent
    without: int | None = None
    asked: Question | None = None
    """What it waits for; None before it has begun and after its end."""
    run: Run | None = None
    """How it ended."""
    scored: dict[bytes, float] = field(default_factory=dict)
    """The mean loss on the rows that it leaves out, by the θ at which it was evaluated."""

    def begin(self) -> Member:
        """Ask the first question."""
        self.asked = next(self.descent)
        return self

    def tell(self, result: PassResult[Any]) -> None:
        """The answer to a question; the next one is asked, or the fit has ended."""
        try:
            self.asked = self.descent.send(result)
        except StopIteration as end:
            self.asked, self.run = None, end.value

    @property
    def held_out_loss(self) -> float | None:
        """At the point where the run ended; None if it was not evaluated there."""
        assert self.run is not None
        return self.scored.get(self.run.state.known.coordinates.to_user(self.run.point).tobytes())


@dataclass
class Lockstep:
    """Fits in lock-step, and what they cost."""

    sweep: Sweep
    loss: Loss
    precision: str
    folds: Folds | None
    references: References
    models: list[int] = field(default_factory=list)
    """How many took part in each pass."""
    bytes_read: int = 0
    _last: tuple[Batch, PassResult[ManyTotals]] | None = None
    """The last sweep: fits that begin where it was made need no other."""

    @property
    def passes(self) -> int:
        """Sweeps over the data."""
        return len(self.models)

    def step(self, members: Sequence[Member]) -> None:
        """One pass for all members that have not ended."""
        waiting = [(member, member.asked) for member in members if member.asked is not None]
        batch, result = self.answered([asked for _, asked in waiting])
        for place, (member, asked) in enumerate(waiting):
            if member.without is not None:
                member.scored[asked.theta.tobytes()] = batch.held_out(place, result.value, member.without)
            member.tell(with_value(result, batch.sums_of(place, result.value, member.without, self.references)))

    def answered(self, questions: Sequence[Question]) -> tuple[Batch, PassResult[ManyTotals]]:
        """Make a pass for some questions; none, if it was the last one that was made."""
        batch = Batch.of(questions, self.references)
        if self._last is not None and self._last[0].key == batch.key:
            return replace(batch, parts=self._last[0].parts), self._last[1]
        result = self.sweep(batch.sums(self.loss, self.precision, self.folds))
        self.models.append(len(questions))
        self.bytes_read += result.bytes_read
        self._remember(batch, result.value)
        self._last = batch, result
        return self._last

    def score(self, sums: ManySums) -> ManyTotals:
        """One more pass, of sums that no fit asks for."""
        result = self.sweep(sums)
        self.models.append(sums.coef.shape[1])
        self.bytes_read += result.bytes_read
        return result.value

    def _remember(self, batch: Batch, totals: ManyTotals) -> None:
        """The Hessians that a sweep has summed, and after the first one how to measure distances."""
        about = batch.about(totals)
        summed = [
            Reference(stored_theta(batch.thetas[column], about), folds, about)
            for (column, part), folds in zip(batch.parts, totals.parts, strict=True)
            if isinstance(part, Hessian)
        ]
        self.references.add(summed)
        if not batch.own and self.passes == 2:
            self.references.measure([each.known.coordinates for each in batch.questions], batch.centre_columns)


def with_value(result: PassResult[Any], value: Any) -> PassResult[Any]:
    """The cost of a pass, and a part of what it found."""
    return replace(result, value=value)
