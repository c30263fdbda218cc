"""Formulas: `y ~ a + C(b) + poly(c, 2) + a:b`, of Wilkinson and Rogers (1973), as R, patsy and formulaic write them.

    formula  [target ~] sum            sum      product {+|- product}      product  crossed {*|/ crossed}
    crossed  power {: power}           power    atom [^ n]                 atom     name, call, number, (sum), .

a*b is a + b + a:b, a/b is a + a:b, (a + b)^2 what a + b has up to products of two. Terms come by the number of their
factors, then in their order.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

from dgd.data.design.expressions import FUNCTIONS, Expression, quoted
from dgd.data.design.terms.base import Piece, Term, as_tuple
from dgd.data.design.terms.categories import Categorical, Hashed
from dgd.data.design.terms.interaction import Interaction
from dgd.data.design.terms.numbers import Numeric, Ordinal, Time
from dgd.data.design.terms.polynomial import Polynomial
from dgd.data.design.terms.splines import Spline
from dgd.errors import ConfigurationError
from dgd.errors.words import shown

TOKEN = re.compile(r"\s*(`[^`]*`|\*\*|[~+\-*/:^().]|\d+(?!\w)|[^\W\d]\w*)")
KEYWORD = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)")
MOST_TERMS = 10_000
HIGHEST_POWER = 10

Product = tuple[Term, ...]
"""Factors of a term; none is the intercept."""


@dataclass(frozen=True)
class Others(Term):
    """The `.` of a formula: all columns of the table that are not named in it."""

    kind: ClassVar[str] = "others"

    @property
    def label(self) -> str:
        return "."

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def names(self, *, full: bool) -> tuple[str, ...]:
        raise ConfigurationError("the `.` of a formula stands for columns that only a table has")

    def pieces(self, frame: Any, *, full: bool) -> list[Piece]:
        raise ConfigurationError("the `.` of a formula stands for columns that only a table has")


@dataclass(frozen=True)
class Formula:
    """What a formula says."""

    target: str | None
    terms: tuple[Term, ...]
    without: tuple[Term, ...]
    """Terms that are taken away, such as columns of `.`."""
    intercept: bool


CALLS: dict[str, Callable[..., Term]] = {
    "C": lambda of, **given: Categorical(_column("C", of), **given),
    "poly": Polynomial,
    "bs": Spline,
    "ns": lambda of, **given: Spline(of, natural=True, **given),
    "hashed": lambda of, buckets=1024, **given: Hashed(_column("hashed", of), buckets, **given),
    "ordered": lambda of, levels, **given: Ordinal(_column("ordered", of), levels, **given),
    "time": lambda of, unit="days", **given: Time(_column("time", of), unit, **given),
}
"""What makes a term of the text of its first argument, and of the others."""


def _column(call: str, of: str) -> str:
    column = Expression(of).column
    if column is None:
        raise ConfigurationError(f"`{call}({of})` is of a column, and not of arithmetic")
    return column


def parsed(text: str) -> Formula:
    """What a formula says. Raises ConfigurationError where it is none."""
    left, tilde, right = text.rpartition("~")
    if "~" in left:
        raise ConfigurationError(f"the formula {shown(text)} has more than one ~")
    target = left.strip() if tilde else None
    if target == "":
        target = None
    if target is not None:
        Expression(target)
    reader = _Reader(text, right)
    products, gone = reader.sum(intercept=True)
    reader.end()
    order = sorted((each for each in products if each), key=len)
    return Formula(
        target,
        tuple(_term(each) for each in order),
        tuple(_term(each) for each in gone if each),
        () in products,
    )


def _term(product: Product) -> Term:
    return product[0] if len(product) == 1 else Interaction(product)


class _Reader:
    """The right side of a formula, from left to right."""

    def __init__(self, formula: str, text: str) -> None:
        self._formula, self._text, self._place, self._depth = formula, text, 0, 0

    def _refused(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the formula {shown(self._formula)}: {what}; names of other letters stand in backticks, as `my column`"
        )

    def _next(self, *, take: bool = True) -> str:
        """The next token, empty at the end."""
        rest = self._text[self._place :]
        if not rest.strip():
            return ""
        found = TOKEN.match(rest)
        if found is None:
            raise self._refused(f"cannot go on at {shown(rest.strip()[:20])}")
        if take:
            self._place += found.end()
        return found[1]

    def end(self) -> None:
        """Raise ConfigurationError unless all was read."""
        if self._next(take=False):
            raise self._refused(f"cannot go on at {shown(self._text[self._place :].strip()[:20])}")

    def sum(self, *, intercept: bool = False) -> tuple[list[Product], list[Product]]:
        """Terms that are added up, and those that are taken away."""
        found: dict[Product, None] = {(): None} if intercept else {}
        gone: list[Product] = []
        sign = self._next() if self._next(take=False) in ("+", "-") else "+"
        while True:
            if self._next(take=False) in ("0", "1"):
                number = self._next()
                if (number == "1") == (sign == "+"):
                    found[()] = None
                else:
                    found.pop((), None)
            else:
                for each in self._products():
                    if sign == "+":
                        found[_sorted(each, found)] = None
                    else:
                        found.pop(_sorted(each, found), None)
                        gone.append(each)
            if len(found) > MOST_TERMS:
                raise self._refused(f"it has more than {MOST_TERMS:,} terms")
            if self._next(take=False) not in ("+", "-"):
                return list(found), gone
            sign = self._next()

    def _products(self) -> list[Product]:
        """a*b*c, a/b."""
        found = self._crossed()
        while (operator := self._next(take=False)) in ("*", "/"):
            self._next()
            other = self._crossed()
            both = _crossed(found, other)
            found = _unique([*found, *(other if operator == "*" else []), *both])
        return found

    def _crossed(self) -> list[Product]:
        found = self._power()
        while self._next(take=False) == ":":
            self._next()
            found = _crossed(found, self._power())
        return found

    def _power(self) -> list[Product]:
        found = self._atom()
        if self._next(take=False) in ("^", "**"):
            self._next()
            power = self._next()
            if not power.isdecimal() or not 1 <= int(power) <= HIGHEST_POWER:
                raise self._refused(f"a power is a whole number from 1 to {HIGHEST_POWER}, got {power or 'nothing'!r}")
            several: list[Product] = []
            for k in range(1, int(power) + 1):
                several += [_unique_factors(each) for each in combinations(found, k)]
                if len(several) > MOST_TERMS:
                    raise self._refused(f"it has more than {MOST_TERMS:,} terms")
            found = _unique(several)
        return found

    def _atom(self) -> list[Product]:
        token = self._next()
        if token == "(":
            self._depth += 1
            if self._depth > 50:
                raise self._refused("too many parentheses")
            found, _ = self.sum()
            if self._next() != ")":
                raise self._refused("a parenthesis is not closed")
            self._depth -= 1
            return [each for each in found if each]
        if token == ".":
            return [(Others(),)]
        if token.startswith("`"):
            return [(Numeric(token),)]
        if not token.isidentifier():
            raise self._refused(f"expected a column, got {token or 'the end'!r}")
        if self._next(take=False) != "(":
            return [(Numeric(quoted(token)),)]
        return [(self._call(token),)]

    def _call(self, name: str) -> Term:
        """A function's term; its arguments are read as text."""
        arguments = self._arguments()
        if name in FUNCTIONS:
            return Numeric(f"{name}({', '.join(arguments)})")
        if name not in CALLS:
            raise self._refused(f"there is no {name}(…); there are {', '.join((*CALLS, *FUNCTIONS))}")
        given: dict[str, Any] = {}
        positional: list[Any] = []
        for text in arguments[1:]:
            keyword = KEYWORD.match(text)
            try:
                value = as_tuple(ast.literal_eval((text[keyword.end() :] if keyword else text).strip()))
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
                raise self._refused(f"{name}(…) has an argument {shown(text.strip())} that is no value") from error
            if keyword:
                given[keyword[1]] = value
            else:
                positional.append(value)
        try:
            return CALLS[name](arguments[0].strip(), *positional, **given)
        except TypeError as error:
            raise self._refused(f"{name}(…) has other arguments: {error}") from error

    def _arguments(self) -> list[str]:
        """The texts between the commas of a call."""
        start = self._text.index("(", self._place) + 1
        depth, quote, begin, found = 0, "", start, []
        for place in range(start, len(self._text)):
            letter = self._text[place]
            if quote:
                quote = "" if letter == quote else quote
            elif letter in "`'\"":
                quote = letter
            elif letter in "([{":
                depth += 1
            elif letter == "," and not depth:
                found.append(self._text[begin:place])
                begin = place + 1
            elif letter in ")]}" and depth:
                depth -= 1
            elif letter == ")":
                self._place = place + 1
                return [*found, self._text[begin:place]]
        raise self._refused("a parenthesis is not closed")


def _unique_factors(products: tuple[Product, ...]) -> Product:
    return tuple(dict.fromkeys(factor for product in products for factor in product))


def _unique(products: list[Product]) -> list[Product]:
    found: dict[Product, None] = {}
    for each in products:
        found[_sorted(each, found)] = None
    return list(found)


def _sorted(product: Product, found: dict[Product, None]) -> Product:
    """The product as it stands among those that were found, where its factors are in another order."""
    return next((each for each in found if len(each) == len(product) and set(each) == set(product)), product)


def _crossed(left: list[Product], right: list[Product]) -> list[Product]:
    return _unique([_unique_factors((a, b)) for a in left for b in right])
