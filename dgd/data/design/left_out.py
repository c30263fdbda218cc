"""Missing cells by the columns of a table, from those by the columns of X."""

from __future__ import annotations

from collections.abc import Mapping

from dgd.data.design.design import Design
from dgd.data.design.terms.base import Term
from dgd.data.design.terms.interaction import product_names


def cells_by_column(design: Design, counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of missing cells, most first; those of a product only where one of its terms stands nowhere else."""
    found: dict[str, int] = {}
    rest, alone = dict(counts), set[Term]()
    for factors in sorted((each for products in design.products for each in products), key=len):
        most = max((rest.pop(name, 0) for name in product_names(list(factors))), default=0)
        terms = [factor for factor, _ in factors]
        if len(terms) == 1:
            alone.add(terms[0])
        if most and (len(terms) == 1 or not alone.issuperset(terms)):
            label = ":".join(", ".join(term.columns) for term in terms)
            found[label] = max(most, found.get(label, 0))
    return dict(sorted({**found, **rest}.items(), key=lambda item: -item[1]))
