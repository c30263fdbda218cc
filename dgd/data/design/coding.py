"""Which categories of a design leave out a level: those for which something else in the design makes up.

A category f is what 1 + f₋ spans, f₋ being f without a level. So a product a:b spans 1, a₋, b₋ and a₋b₋; what earlier
terms span already is left out of it, and what is left is put together to as few products as can be. The rule is that of
patsy and formulaic (and of R where it is not redundant): columns that do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from dgd.data.design.terms.base import Term
from dgd.data.design.terms.interaction import Interaction

Product = tuple[tuple[Term, bool], ...]
"""Terms that are multiplied, each with whether it is full."""


def coded(terms: Iterable[Term], *, intercept: bool) -> list[list[Product]]:
    """The products that each term is made of."""
    spanned: set[tuple[frozenset[Term], frozenset[Term]]] = set()
    if intercept:
        spanned.add((frozenset(), frozenset()))
    found = []
    for term in terms:
        factors = term.factors if isinstance(term, Interaction) else (term,)
        # A category without a reference spans all of its levels by itself.
        varying = [factor for factor in factors if factor.is_category and not getattr(factor, "full", False)]
        rest = frozenset(factor for factor in factors if factor not in varying)
        subsets = [frozenset(each) for k in range(len(varying) + 1) for each in combinations(varying, k)]
        new = [each for each in subsets if (rest, each) not in spanned]
        spanned |= {(rest, each) for each in subsets}
        found.append([_product(factors, set(rest) | full, reduced) for reduced, full in _together(new)])
    return found


def _product(factors: tuple[Term, ...], full: set[Term], reduced: frozenset[Term]) -> Product:
    return tuple((factor, factor in full) for factor in factors if factor in full or factor in reduced)


def _together(subsets: list[frozenset[Term]]) -> list[tuple[frozenset[Term], set[Term]]]:
    """Subsets of reduced factors as products of reduced and full ones: S and S ∪ {f} are S with f full."""
    left: list[tuple[frozenset[Term], frozenset[Term]]] = [(each, frozenset()) for each in subsets]
    while True:
        pair = next(
            (
                (short, long)
                for short in left
                for long in left
                if short[1] == long[1] and short[0] < long[0] and len(long[0]) == len(short[0]) + 1
            ),
            None,
        )
        if pair is None:
            return [(reduced, set(full)) for reduced, full in left]
        short, long = pair
        left[left.index(long)] = (short[0], short[1] | (long[0] - short[0]))
        left.remove(short)
