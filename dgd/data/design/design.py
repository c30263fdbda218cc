"""A design: which terms of a table's columns are the columns of X, and all that was learned of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.design.coding import Product, coded
from dgd.data.design.columns import Frame
from dgd.data.design.expressions import Expression
from dgd.data.design.formula import Others, parsed
from dgd.data.design.parts import kinds_of, merged
from dgd.data.design.terms import TERMS
from dgd.data.design.terms.base import Piece, Term, as_tuple
from dgd.data.design.terms.categories import Categorical, Levels
from dgd.data.design.terms.interaction import Interaction, is_coded, product, product_names
from dgd.data.kinds import Kinds
from dgd.data.mixed import Mixed
from dgd.data.rows import as_made
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag
from dgd.errors.words import counted, shown

MOST_SHOWN = 8
MOST_COLUMNS = 2**24
"""Of X: their names are in memory."""


@dataclass(frozen=True)
class Facts:
    """What is to be learned of some rows, for each term that is not known."""

    each: tuple[Any, ...]
    rows: int

    def __add__(self, other: Self) -> Self:
        return type(self)(tuple(a + b for a, b in zip(self.each, other.each, strict=True)), self.rows + other.rows)


@dataclass(frozen=True)
class Design:
    """From the columns of a table to those of X: terms, in order. A value, which a model carries with it.

    terms: a formula, or a list of terms of `dgd.terms` and of texts, each of which is a formula's right side.

        y ~ a + b        the columns a and b; text is a category        a:b        the product        a*b    a + b + a:b
        C(b)             a category, whatever it holds                  (a + b)^2  a + b + a:b        .      all others
        log(a), I(a*b)   arithmetic                                     - a, - 1   without it, without an intercept
        poly(a, 3), bs(a, knots=[1, 2]), ns(a, segments=4), hashed(a, 1024), ordered(a, ['S', 'M']), time(a, 'days')

    intercept: whether the model has one; without it the first category keeps all of its levels.
    target: y's column, or arithmetic on columns, where the formula says so.

    Levels, means, boundaries and the coefficients of orthogonal polynomials are learned from the data of the fit, in
    one pass over the columns that are used, unless they are given.
    """

    terms: tuple[Term, ...]
    intercept: bool = True
    target: str | None = None
    without: tuple[Term, ...] = ()
    """What a formula takes from its `.`, until a table says what that is."""
    resolved: bool = False
    """Whether a table has said what each column holds."""

    def __post_init__(self) -> None:
        given: Any = self.terms
        checked_flag("Design(intercept", self.intercept)
        found: list[Term] = []
        for each in [given] if isinstance(given, (str, Term)) else given:
            if isinstance(each, str):
                formula = parsed(each)
                found = [term for term in (*found, *formula.terms) if term not in formula.without]
                if formula.target is not None:
                    object.__setattr__(self, "target", formula.target)
                object.__setattr__(self, "without", (*self.without, *formula.without))
                if not formula.intercept:
                    object.__setattr__(self, "intercept", False)
            elif isinstance(each, Term):
                found.append(each)
            else:
                raise ConfigurationError(f"`Design(...)` is of terms (`dgd.terms`) and formulas, got {shown(each)}")
        object.__setattr__(self, "terms", tuple(dict.fromkeys(found)))
        if self.target is not None:
            Expression(self.target)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def factors(self) -> tuple[Term, ...]:
        """The terms, and those that are multiplied in them, each once."""
        parts = (term.factors if isinstance(term, Interaction) else (term,) for term in self.terms)
        return tuple(dict.fromkeys(factor for each in parts for factor in each))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table that it reads, without those of the target."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term.columns))

    @property
    def not_filled(self) -> tuple[str, ...]:
        """Columns of which a missing cell has no value."""
        return tuple(dict.fromkeys(name for each in self.factors if not each.fills for name in each.columns))

    @property
    def is_known(self) -> bool:
        """Whether nothing must be learned from data."""
        return all(term.is_known for term in self.terms)

    def facts(self, frame: Frame, whole: Sequence[str] = ()) -> Facts:
        """What some rows teach, without those in which a cell of the columns `whole` is missing.

        The sum over all rows goes to `learned`.
        """
        kept = frame.without_missing(whole)
        found = []
        for factor in self.factors:
            if not factor.is_known:
                fact = factor.facts(kept)
                if kept is not frame and isinstance(fact, Levels):
                    fact = replace(fact, elsewhere=factor.facts(frame).values)
                found.append(fact)
        return Facts(tuple(found), len(kept))

    def learned(self, facts: Facts) -> Self:
        """The design with what the data have taught."""
        found = iter(facts.each)
        known = {factor: factor if factor.is_known else factor.learned(next(found)) for factor in self.factors}
        return self.changed(known.__getitem__)

    def changed(self, change: Any) -> Self:
        """The design with each factor replaced by a function of it."""
        terms = tuple(
            Interaction(tuple(change(factor) for factor in term.factors))
            if isinstance(term, Interaction)
            else change(term)
            for term in self.terms
        )
        return replace(self, terms=terms)

    @property
    def has_unresolved(self) -> bool:
        """Whether it stands for columns that only a table has."""
        return any(isinstance(factor, Others) for factor in self.factors)

    @cached_property
    def products(self) -> list[list[Product]]:
        """What is multiplied for each term, and which categories leave out a level."""
        return coded(self.terms, intercept=self.intercept)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of X."""
        self.check_width()
        return tuple(
            name for products in self.products for factors in products for name in product_names(list(factors))
        )

    def check_width(self) -> None:
        """Raise ConfigurationError if there are too many columns of X."""
        products = [factors for products in self.products for factors in products]
        width = sum(math.prod(len(factor.names(full=full)) for factor, full in factors) for factors in products)
        if width > MOST_COLUMNS:
            raise ConfigurationError(
                f"{self} has {width:,} columns, at most {MOST_COLUMNS:,}; leave out an interaction of many levels, or "
                f"hash them (`hashed(…, 65536)`)"
            )

    @cached_property
    def is_mixed(self) -> bool:
        """Whether rows are `Mixed`, of several kinds of columns; else they are arrays."""
        return any(map(is_coded, self.factors))

    @cached_property
    def kinds(self) -> Kinds | None:
        """The parts of its rows, where they are `Mixed`."""
        return kinds_of([each for products in self.products for each in products]) if self.is_mixed else None

    @cached_property
    def _numbered(self) -> list[list[tuple[int, Term, bool]]]:
        """What is multiplied; a term is one object wherever it stands, so that it is made once, with its number."""
        numbers = {factor: (number, factor) for number, factor in enumerate(self.factors)}
        return [
            [(*numbers[factor], full) for factor, full in factors] for products in self.products for factors in products
        ]

    def rows(self, frame: Frame, buffers: Buffers | None = None) -> Array | Mixed:
        """The rows of X for some rows of a table; their numbers may lie in `buffers`."""
        known: dict[tuple[int, bool], list[Piece]] = {}
        pieces: list[Piece] = []
        for factors in self._numbered:
            each = []
            for number, factor, full in factors:
                if (number, full) not in known:
                    known[number, full] = factor.pieces(frame, full=full)
                each.append(known[number, full])
            pieces += product(each)
        parts = merged(pieces, Buffers() if buffers is None else buffers)
        if not parts:
            return np.zeros((len(frame), 0))
        if not self.is_mixed and isinstance(parts[0], np.ndarray):
            return parts[0]
        return Mixed(tuple(parts))

    @cached_property
    def digest(self) -> str:
        """Of all it says."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()

    def for_new_rows(self) -> Self:
        """The design without what it knows of rows that the fit left out."""
        return self.changed(lambda term: replace(term, left_out=()) if isinstance(term, Categorical) else term)

    def without_target(self) -> Self:
        """The design for another target than the formula's."""
        return replace(self, target=None)

    def unknown_as_missing(self) -> Self:
        """The design for predictions in which a level that is not known is a missing cell."""
        return self.changed(
            lambda term: (
                replace(term, unknown="missing") if isinstance(term, Categorical) and term.unknown == "error" else term
            )
        )

    def as_json(self) -> dict[str, Any]:
        """Everything, in the types JSON has."""
        return {
            "terms": [term.as_json() for term in self.terms],
            "intercept": self.intercept,
            "target": self.target,
        }

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """From what `as_json` gave. Raises ConfigurationError for anything else."""
        try:
            terms = tuple(_term(each) for each in document["terms"])
            found = cls(terms, document["intercept"], document["target"], resolved=True)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ConfigurationError(f"the document is not that of a design: {error}") from error
        if len(found.terms) != len(terms):
            raise ConfigurationError("the document is not that of a design: a term is there twice")
        found.check_width()
        return found

    def __str__(self) -> str:
        return f"{self.target or 'y'} ~ {' + '.join(term.label for term in self.terms) or '1'}" + (
            "" if self.intercept else " - 1"
        )

    def line(self) -> str:
        """It in a line or two: how many columns of which kind, and the levels of categories."""
        categories = [each for each in self.factors if isinstance(each, Categorical)]
        levels = [f"{each.column} {len(each.levels or ()):,}" for each in categories[:MOST_SHOWN]]
        more = f" and {counted(len(categories) - MOST_SHOWN, 'more column')}" if len(categories) > MOST_SHOWN else ""
        kinds = f"; levels: {', '.join(levels)}{more}" if levels else ""
        columns = f"{counted(len(self.columns), 'column')} of the table: {counted(len(self.names), 'column')} of X"
        return f"{columns}{kinds}"


def _term(document: Any) -> Term:
    kind = TERMS[document["kind"]]
    given = {name: as_tuple(value) for name, value in document.items() if name != "kind"}
    if kind is Interaction:
        return Interaction(tuple(_term(each) for each in document["factors"]))
    return kind(**given)


def design_of(given: Any) -> Design:
    """A design, or the formula of one. Raises ConfigurationError for anything else."""
    if isinstance(given, Design):
        return given
    if isinstance(given, dict):
        return Design.from_json(given)
    if isinstance(given, str) or (isinstance(given, Sequence) and given):
        return Design(given)  # type: ignore[arg-type]
    raise ConfigurationError(f"`design=...` must be a formula or a `dgd.Design`, got {shown(given)}")
