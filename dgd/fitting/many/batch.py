"""The questions of many fits as one sweep: their θ side by side, what is equal asked once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dgd._typing import Vector
from dgd.data.centre import Centre
from dgd.data.folds import Folds
from dgd.fitting.many.references import References
from dgd.fitting.question import Question
from dgd.losses import Loss
from dgd.passes.sums.gradient import AtNull, LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.many import ManySums, ManyTotals
from dgd.passes.sums.row_sums import Part, RowSums, Sums


@dataclass(frozen=True, eq=False)
class Batch:
    """Some questions; all for columns less one centre, that of the first.

    thetas: different ones; columns: which of them is that of each question. parts: further sums, each with its θ;
    slots: where those of each question are, None for a Hessian, which may be that of a θ nearby.
    """

    questions: Sequence[Question]
    centre: Centre | None
    own: bool
    thetas: list[Vector]
    columns: list[int]
    parts: list[tuple[int, Part]]
    slots: list[tuple[int | None, ...]]

    @classmethod
    def of(cls, questions: Sequence[Question], references: References) -> Self:
        """The questions together; the references say where Hessians are to be summed."""
        centre, own = _sums(questions[0]).centre, _sums(questions[0]).own
        assert all(_sums(each).own == own for each in questions), "all fits make their first pass together"
        seen: dict[bytes, int] = {}
        thetas = [_about(each, centre) for each in questions]
        columns = [seen.setdefault(theta.tobytes(), len(seen)) for theta in thetas]
        different = [thetas[columns.index(column)] for column in range(len(seen))]
        parts: dict[Any, tuple[int, Part]] = {}
        slots = []
        for column, question in zip(columns, questions, strict=True):
            assert isinstance(_sums(question).parts[0], LossAndGradient), "loss and gradient come first"
            keys = [_key(part, column) for part in _sums(question).parts[1:]]
            for key, part in zip(keys, _sums(question).parts[1:], strict=True):
                if key is not None:
                    parts.setdefault(key, (column, part))
            slots.append(tuple(None if key is None else list(parts).index(key) for key in keys))
        wanting = sorted({column for column, each in zip(columns, slots, strict=True) if None in each})
        if wanting:
            columns_at = None if centre is None else centre.columns
            stored = [stored_theta(different[column], columns_at) for column in wanting]
            for chosen in references.chosen(stored):
                parts["hessian", wanting[chosen]] = wanting[chosen], Hessian()
        return cls(questions, centre, own, different, columns, list(parts.values()), slots)

    @property
    def centre_columns(self) -> Vector | None:
        """What is subtracted from the columns, known before the sweep."""
        return None if self.centre is None else self.centre.columns

    def about(self, totals: ManyTotals) -> Vector | None:
        """What was subtracted from the columns."""
        return totals.about if self.own else self.centre_columns

    @property
    def key(self) -> bytes:
        """A digest of what is summed, but for Hessians."""
        others = [key for column, part in self.parts if (key := _key(part, column)) is not None]
        digest = hashlib.sha256(repr((self.own, others, [None in each for each in self.slots[:1]])).encode())
        for array in (*self.thetas, self.centre_columns, None if self.centre is None else self.centre.level):
            digest.update(b"" if array is None else np.asarray(array).tobytes())
        return digest.digest()

    def sums(self, loss: Loss, precision: str, folds: Folds | None) -> ManySums:
        """What the sweep is to sum."""
        first = _sums(self.questions[0])
        intercepts = np.zeros((len(self.thetas), *first.coef.shape[1:]))
        coefs = self.thetas
        if self.intercept:
            intercepts = np.array([theta[0] for theta in self.thetas])
            coefs = [theta[1:] for theta in self.thetas]
        return ManySums(
            loss, intercepts, np.stack(coefs, axis=1), tuple(self.parts), folds, precision, self.centre, self.own
        )

    @property
    def intercept(self) -> bool:
        """Whether θ has one."""
        return _has_intercept(self.questions[0])

    def sums_of(self, place: int, totals: ManyTotals, without: int | None, references: References) -> Sums:
        """What a lone pass would answer to one question."""
        question, slots = self.questions[place], self.slots[place]
        about = self.about(totals)
        sums = totals.sums(self.columns[place], [slot for slot in slots if slot is not None], without=without)
        loss, *others = sums.parts
        if None in slots:
            near = references.nearest(stored_theta(self.thetas[self.columns[place]], about))
            others.insert(slots.index(None), near.without(without, about))
        sums = replace(sums, parts=(loss, *others), about=about)
        if self.own:
            return sums
        centre = _sums(question).centre
        return sums.moved_to(None if centre is None else centre.columns)

    def held_out(self, place: int, totals: ManyTotals, fold: int) -> float:
        """The mean loss of a question's θ on one fold."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(totals.loss[fold, self.columns[place]] / totals.weight[fold])


def stored_theta(theta: Vector, about: Vector | None) -> Vector:
    """θ for columns as they are stored, but for the targets' level."""
    return theta if about is None else Centre(about).to_user(theta)


def _about(question: Question, centre: Centre | None) -> Vector:
    """The question's θ for columns less another centre than its own."""
    own = _sums(question).centre
    ours, theirs = (0.0 if each is None or each.columns is None else each.columns for each in (centre, own))
    step = np.subtract(ours, theirs)
    if not np.any(step):
        return question.theta
    theta = question.theta.copy()
    theta[0] += step @ theta[1:]
    return theta


def _sums(question: Question) -> RowSums:
    """What a question asks for; fits in lock-step ask for no products."""
    assert isinstance(question.sums, RowSums)
    return question.sums


def _has_intercept(question: Question) -> bool:
    return len(question.theta) > len(_sums(question).coef)


def _key(part: Part, column: int) -> Any:
    """Equal for parts that are equal sums; None for a Hessian."""
    if isinstance(part, Hessian):
        return None
    if isinstance(part, AtNull):
        constant = part.constant
        return ("null", column) if constant is None else ("constant", np.asarray(constant).tobytes())
    return type(part).__name__
