"""A fit's result in lines: an overview for whoever reads it on a terminal, and all that is known of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dgd.errors.columns_text import folded
from dgd.errors.words import counted, visible
from dgd.models.coefficient_table import coefficient_table
from dgd.solvers.base import Status

if TYPE_CHECKING:
    from dgd.fitting.result import Result
    from dgd.models.model import Model

SHOWN = 20
"""Coefficients that are printed."""
MOST_BLAMED = 6
"""Columns with missing cells that are named."""
NAMED = 4
"""Columns of X that the first line names."""
LONG_SECONDS = 1.0
"""What took less is not worth a word."""
METHODS = {
    "gd": "gradient descent",
    "momentum": "gradient descent with momentum",
    "nesterov": "Nesterov's accelerated gradient",
    "fista": "accelerated gradient with a prox (FISTA)",
    "barzilai-borwein": "gradient descent with Barzilai-Borwein steps",
    "cg": "conjugate gradients",
    "lbfgs": "L-BFGS",
    "newton": "Newton's method",
    "quasi-newton": "a quasi-Newton method",
    "summary": "solved exactly from sums of products",
    "minibatch": "mini-batches",
}
"""Each solver in the words of the field."""


def overview(
    result: Result,
    *,
    order: str = "order",
    words: Callable[[str], str] = str,
    coefficients: bool = True,
    width: int | None = None,
) -> str:
    """What was fitted, how, what came out, how sure it is: numbers rounded, the coefficients in an order of `ORDERS`.

    words: what says of arguments in the reader's words. coefficients: False where a table of them follows. width:
    columns of the terminal.
    """
    lines = [
        f"data          {visible(_data(result))}",
        f"left out      {visible(left_out(result))}" if result.rows_left_out else "",
        f"filled        {filled(result)}" if result.chunks_filled else "",
        f"method        {visible(_method(result))}",
        f"loss          {result.loss:.6g}{before_last_step(result)}",
        _explained(result),
        _validation(result, 6),
        f"status        {visible(words(_status(result)))}",
    ]
    found = [line for line in lines if line]
    facts = folded("\n".join(found), width)
    return "\n".join([facts, "", *_rounded_coefficients(result, order, width)] if coefficients else [facts])


def summary(result: Result) -> str:
    """The fit in a few lines, with twelve digits."""
    last = result.history[-1] if result.history else None
    rejected = sum(not record.accepted for record in result.history[1:-1])
    lines = [
        f"status        {visible(result.message)}",
        f"solver        {result.choice.name}: {result.choice.because}" if result.choice else "",
        f"passes        {result.n_iter_}" + (f", {rejected} of them without a step" if rejected else ""),
        f"seconds       {result.seconds:.3f}",
        _split(result),
        f"design        {visible(result.model.design.line())}" if result.model.design else "",
        f"left out      {visible(left_out(result))}" if result.rows_left_out else "",
        f"filled        {filled(result)}" if result.chunks_filled else "",
        f"loss          {result.loss:.12g}{before_last_step(result)}",
        "" if last is None else f"grad_norm     {last.grad_norm:.3e}",
        _validation(result, 12),
        _explained(result),
        f"certificate   {result.certificate or 'none: strong convexity is not known here'}",
    ]
    return "\n".join([line for line in lines if line] + _all_digits(result))


def _split(result: Result) -> str:
    """Where the threads of its passes spent their time."""
    split = result.time_split()
    parts = (f"{seconds / sum(split.values()):.0%} {name}" for name, seconds in split.items())
    return f"threads       {', '.join(parts)} of {sum(split.values()):.3f} s" if split else ""


def before_last_step(result: Result) -> str:
    """A word of warning beside a number that is not of the last point."""
    return " (before the last step)" if result.loss_is_before_last_step else ""


def filled(result: Result) -> str:
    """How many chunks were not there."""
    return f"{counted(result.chunks_filled, 'chunk')} that are not in the store were taken as their fill value"


def left_out(result: Result) -> str:
    """How many rows were left out, and the columns to blame."""
    rows = result.model.provenance.get("rows", 0)
    cells = [f"{name} {count:,}" for name, count in result.missing_cells.items()]
    more = f" and {len(cells) - MOST_BLAMED} more columns" if len(cells) > MOST_BLAMED else ""
    return (
        f"{result.rows_left_out:,} of {rows:,} rows, which have a missing cell: {', '.join(cells[:MOST_BLAMED])}{more}"
    )


def measure(result: Result) -> str:
    """What `explained` is called."""
    return "R²" if result.model.loss == "squared" else "D²"


def loss_in_words(model: Model) -> str:
    """The loss's name, or as it is written where it has parameters."""
    written = str(model.provenance.get("loss", model.loss))
    return model.loss.replace("_", " ") if written == model.loss or written.endswith("()") else written


def passes_made(count: int) -> str:
    """`1 pass`, `2 passes`."""
    return f"{count:,} pass{'es' * (count != 1)}"


def _data(result: Result) -> str:
    """Rows, columns, target."""
    model, provenance = result.model, result.model.provenance
    names = model.columns
    columns = counted(len(names) if names else model.n_features, "column")
    if names and len(names) <= NAMED:
        columns += f" ({', '.join(names)})"
    target = f", target {model.target_name}" if model.target_name else ""
    return f"{provenance.get('rows', 0):,} rows × {columns}{target}"


def _method(result: Result) -> str:
    """Loss, penalty, method, passes, in one line of plain words."""
    penalty = str(result.model.provenance.get("penalty", "NoPenalty()"))
    parts = [f"{loss_in_words(result.model)} loss"] + ([] if penalty == "NoPenalty()" else [penalty])
    how = METHODS.get(result.choice.name, result.choice.name) if result.choice else ""
    passes = f"in {passes_made(result.n_iter_)}" if result.plan else "without a pass"
    seconds = f", {result.seconds:.3g} s" if result.seconds >= LONG_SECONDS else ""
    return f"{' + '.join(parts)}: {how}{', ' * bool(how)}{passes}{seconds}"


def _status(result: Result) -> str:
    """Why it ended and how far the optimum can be, in one line."""
    if result.status is not Status.CONVERGED:
        message: str = result.message
        return message
    sure = "converged to `tol`"
    if result.certificate is not None and result.certificate.distance < math.inf:
        sure = f"converged; coefficients within {_power_above(result.certificate.distance)} of the optimal ones"
    return sure + (f"; {result.caution}" if result.caution else "")


def _power_above(bound: float) -> str:
    """The next power of ten: what bounds it bounds this as well."""
    return f"1e{math.ceil(math.log10(bound)):+03d}" if bound > 0 else "0"


def _explained(result: Result) -> str:
    if result.explained is None:
        return ""
    about = "" if result.uncentered_r2 is None else f" about the mean, {result.uncentered_r2:.6g} about 0"
    return f"{measure(result):<14}{result.explained:.6g}{about}{before_last_step(result)}"


def _validation(result: Result, digits: int) -> str:
    loss = result.history[-1].validation_loss if result.history else None
    held_out = f" ({result.rows_held_out:,} rows held out)" if result.rows_held_out else ""
    return "" if loss is None else f"validation    {loss:.{digits}g}{held_out}"


def _rounded_coefficients(result: Result, order: str, width: int | None) -> list[str]:
    table = coefficient_table(result.model).sorted_by(order)
    more = len(table.names) - 1 - SHOWN
    lines = table.first(SHOWN).text(width).splitlines()
    if more > 0:
        lines.append(f"… and {counted(more, 'more coefficient')}")
    return lines


def _all_digits(result: Result) -> list[str]:
    model = result.model
    names = tuple(map(visible, model.feature_names or (f"x{j}" for j in range(model.n_features))))
    width = max([12, *(len(name) for name in names)]) if len(names) <= SHOWN else 12
    rows = [("intercept", np.atleast_1d(result.intercept_))]
    rows += [(name, np.atleast_1d(result.coef_[..., j])) for j, name in enumerate(names[:SHOWN])]
    lines = [f"{name:<{width}}  " + "  ".join(f"{value:.12g}" for value in values) for name, values in rows]
    if model.outputs and model.classes is not None:
        lines.insert(0, f"{'class':<{width}}  " + "  ".join(visible(str(label)) for label in model.classes))
    if len(names) > SHOWN:
        lines.append(f"… and {len(names) - SHOWN} more coefficients")
    return lines
