"""Products of terms: each column of one times each of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd.data.design.columns import Frame
from dgd.data.design.terms.base import Piece, Term
from dgd.data.design.terms.categories import Hashed, small
from dgd.data.mixed import MISSING_CODE, NO_COLUMN, Coded
from dgd.errors import ConfigurationError
from dgd.errors.words import shown


@dataclass(frozen=True)
class Interaction(Term):
    """The product of terms, `a:b`: of numbers their product, of categories a column for each pair of levels."""

    factors: tuple[Term, ...]
    kind: ClassVar[str] = "interaction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        for each in self.factors:
            if not isinstance(each, Term) or isinstance(each, Interaction):
                raise ConfigurationError(f"`Interaction(...)` is of terms that are none itself, got {shown(each)}")
        if len(self.factors) < 2 or len(set(self.factors)) < len(self.factors):
            raise ConfigurationError("`Interaction(...)` is of two or more different terms")

    @property
    def label(self) -> str:
        return ":".join(factor.label for factor in self.factors)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for factor in self.factors for name in factor.columns))

    @property
    def is_known(self) -> bool:
        return all(factor.is_known for factor in self.factors)

    def names(self, *, full: bool) -> tuple[str, ...]:
        return product_names([(factor, full) for factor in self.factors])

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        return product([factor.pieces(frame, full=full) for factor in self.factors])

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "factors": [factor.as_json() for factor in self.factors]}


def product_names(factors: list[tuple[Term, bool]]) -> tuple[str, ...]:
    """The names of a product's columns, each factor with whether it is full: those of `product`, in its order."""
    blocks: list[tuple[bool, list[str]]] = [(False, [""])]
    for factor, full in factors:
        names = factor.names(full=full)
        # A category is one block of columns, a column of numbers another.
        mine = [(True, list(names))] if is_coded(factor) and names else [(False, [name]) for name in names]
        blocks = [
            (left_coded or coded, [f"{a}:{b}" if a else b for a in left for b in right])
            for left_coded, left in blocks
            for coded, right in mine
        ]
    return tuple(name for _, names in blocks for name in names)


def is_coded(term: Term) -> bool:
    """Whether its columns are those of a category."""
    return term.is_category or isinstance(term, Hashed)


def product(factors: list[list[Piece]]) -> list[Piece]:
    """The pieces of the product of some terms' pieces; the columns of the last vary fastest within a category."""
    found = factors[0]
    for pieces in factors[1:]:
        found = [times(a, b) for a in _apart(found) for b in _apart(pieces)]
    return found


def _apart(pieces: list[Piece]) -> list[Piece]:
    """Each column of numbers by itself, and categories."""
    found: list[Piece] = []
    for piece in pieces:
        found += [piece] if isinstance(piece, Coded) else [piece[:, j : j + 1] for j in range(piece.shape[1])]
    return found


def times(a: Piece, b: Piece) -> Piece:
    """The product of a column or category and another."""
    if not isinstance(a, Coded) and not isinstance(b, Coded):
        return a * b
    if isinstance(a, Coded) and isinstance(b, Coded):
        columns = a.columns * b.columns
        wide = small(columns)
        codes = a.codes.astype(wide) * wide.type(b.columns) + b.codes.astype(wide)
        codes[(a.codes == NO_COLUMN) | (b.codes == NO_COLUMN)] = NO_COLUMN
        codes[(a.codes == MISSING_CODE) | (b.codes == MISSING_CODE)] = MISSING_CODE
        given = [each.values for each in (a, b) if each.values is not None]
        values = None if not given else given[0] if len(given) == 1 else given[0] * given[1]
        return Coded(codes, columns, values)
    coded, numbers = (a, b) if isinstance(a, Coded) else (b, a)
    assert isinstance(coded, Coded)
    assert isinstance(numbers, np.ndarray)
    values = numbers[:, 0] if coded.values is None else coded.values * numbers[:, 0]
    return Coded(coded.codes, coded.columns, np.ascontiguousarray(values))
