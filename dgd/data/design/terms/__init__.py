"""The terms that a design is made of: what each makes of a column.

design = dgd.Design(["distance", dgd.terms.Categorical("carrier"), dgd.terms.Spline("hour", segments=4)])
"""

from dgd.data.design.terms.base import Term
from dgd.data.design.terms.categories import Categorical, Hashed
from dgd.data.design.terms.interaction import Interaction
from dgd.data.design.terms.numbers import Numeric, Ordinal, Time
from dgd.data.design.terms.polynomial import Polynomial
from dgd.data.design.terms.splines import Spline

TERMS: dict[str, type[Term]] = {
    kind.kind: kind for kind in (Numeric, Time, Ordinal, Categorical, Hashed, Polynomial, Spline, Interaction)
}
"""Every kind by its name in a document."""

__all__ = [
    "Categorical",
    "Hashed",
    "Interaction",
    "Numeric",
    "Ordinal",
    "Polynomial",
    "Spline",
    "Term",
    "Time",
]
