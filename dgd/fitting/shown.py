"""A result as a notebook shows it: a few lines of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgd.errors.markup import facts
from dgd.models.shown import coefficients_html

if TYPE_CHECKING:
    from dgd.fitting.result import Result


def result_html(result: Result) -> str:
    """How the fit ended, how good it is, and its largest coefficients."""
    pairs: list[tuple[str, object]] = [
        ("status", result.message),
        ("loss", f"{result.loss:.8g} ({result.model.loss})"),
        ("passes", f"{result.n_iter_:,} in {result.seconds:.3f} s"),
    ]
    if result.explained is not None:
        pairs.append(("R²" if result.model.loss == "squared" else "D²", f"{result.explained:.6g}"))
    if result.choice is not None:
        pairs.append(("solver", result.choice.name))
    if result.rows_left_out:
        pairs.append(("rows left out", f"{result.rows_left_out:,}"))
    return facts("dgd.Result", pairs) + coefficients_html(result.model)
