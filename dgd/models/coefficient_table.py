"""The coefficients of a model as a table: in order, by size or by name; with standard errors where it has them.

se = ‖row of L‖      t = b/se      b ± t* se        L as in `Uncertainty`, of columns less their centre c: the
intercept's row is that of L less cᵀ times the others.
"""

from __future__ import annotations

import csv as csv_format
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors.columns_text import LEAST_NAME, table_lines
from dgd.errors.words import visible
from dgd.models.inference.distributions import t_quantile, t_tail
from dgd.models.inference.uncertainty import Uncertainty
from dgd.models.predictor import Predictor

ORDERS = ("order", "size", "name")
INTERCEPT = "intercept"
DIGITS = 6
"""Significant ones of a number that is shown to a person."""


@dataclass(frozen=True)
class CoefficientTable:
    """A row for the intercept and each column; `columns` are the headings of the numbers."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    values: Vector
    """(rows, columns)."""
    sizes: Vector
    """The largest |coefficient| of each row, over the outputs."""

    def sorted_by(self, order: str) -> CoefficientTable:
        """The intercept first, then as the columns lie, the largest first, or by name."""
        rest = range(1, len(self.names))
        if order == "size":
            rest = sorted(rest, key=lambda row: -self.sizes[row])  # type: ignore[assignment]
        elif order == "name":
            rest = sorted(rest, key=lambda row: self.names[row])  # type: ignore[assignment]
        return self._rows([0, *rest])

    def matching(self, patterns: Sequence[str]) -> CoefficientTable:
        """Those rows whose names fit one of the patterns, such as `dep_*`; all without a pattern."""
        if not patterns:
            return self
        fits = [any(fnmatchcase(name, pattern) for pattern in patterns) for name in self.names]
        return self._rows([row for row, found in enumerate(fits) if found])

    def first(self, count: int | None) -> CoefficientTable:
        """The intercept, if it is here, and so many of the other rows."""
        if count is None:
            return self
        return self._rows(range(min(len(self.names), count + (self.names[:1] == (INTERCEPT,)))))

    def text(self, width: int | None = None) -> str:
        """Lines for a person: names to the left, numbers of six digits to the right; no heading above one column.

        width: columns of the terminal.
        """
        cells = self._cells()
        if len(self.columns) == 1:
            cells = [["", " " * len(cells[0][1])], *cells[1:]]  # The heading's width stays, as that of a table of two.
        lines = table_lines(cells, width, least=LEAST_NAME)
        return "\n".join(lines if len(self.columns) > 1 else lines[1:])

    def markdown(self) -> str:
        """A table for a page; names cannot break it."""
        escaped = [[cell.replace("\\", "\\\\").replace("|", "\\|") for cell in row] for row in self._cells()]
        lines = [f"| {' | '.join(row)} |" for row in escaped]
        return "\n".join([lines[0], "|---|" + "---:|" * len(self.columns), *lines[1:]]) + "\n"

    def csv(self) -> str:
        """All digits of each number."""
        text = io.StringIO()
        writer = csv_format.writer(text, lineterminator="\n")
        writer.writerow(["name", *self.columns])
        for name, row in zip(self.names, self.values, strict=True):
            writer.writerow([name, *("" if math.isnan(value) else repr(value) for value in row.tolist())])
        return text.getvalue()

    def as_json(self) -> list[dict[str, Any]]:
        """A dictionary a row, with all digits; a number that there is not is None."""
        return [
            {"name": name, **{c: v if math.isfinite(v) else None for c, v in zip(self.columns, row, strict=True)}}
            for name, row in zip(self.names, self.values.tolist(), strict=True)
        ]

    def _rows(self, rows: Sequence[int]) -> CoefficientTable:
        chosen = list(rows)
        names = tuple(self.names[row] for row in chosen)
        return replace(self, names=names, values=self.values[chosen], sizes=self.sizes[chosen])

    def _cells(self) -> list[list[str]]:
        head = ["", *(visible(column) for column in self.columns)]
        rows = zip(self.names, self.values.tolist(), strict=True)
        return [head, *([visible(name), *map(rounded, row)] for name, row in rows)]


def rounded(value: float) -> str:
    """A number of six digits; nothing for one that there is not."""
    return "" if math.isnan(value) else f"{value:.{DIGITS}g}"


def coefficient_table(model: Predictor, *, conf: float = 0.95) -> CoefficientTable:
    """The coefficients of each output or class; with errors, tests and intervals where the model has a covariance."""
    coef = np.atleast_2d(model.coef)
    level = np.atleast_1d(np.asarray(model.intercept, dtype=np.float64))
    theta = np.column_stack([level, coef])
    names = (INTERCEPT, *(model.feature_names or (f"x{j}" for j in range(model.n_features))))
    labels = _labels(model, len(theta))
    found = [_of_output(theta[k], model.uncertainty, k, conf) for k in range(len(theta))]
    columns = [f"{label}{' ' * bool(label)}{name}" for label, each in zip(labels, found, strict=True) for name in each]
    if model.uncertainty is None and len(theta) > 1:
        columns = list(labels)
    values = np.column_stack([column for each in found for column in each.values()])
    return CoefficientTable(tuple(columns), names, values, np.abs(theta).max(axis=0))


def _labels(model: Predictor, outputs: int) -> list[str]:
    """What each output is called; nothing where there is but one."""
    if not model.outputs:
        return [""]
    return [str(label) for label in (range(outputs) if model.classes is None else model.classes)]


def _of_output(theta: Vector, uncertainty: Uncertainty | None, output: int, conf: float) -> dict[str, Vector]:
    """The columns of one output's numbers."""
    if uncertainty is None:
        return {"coefficient": theta}
    L = uncertainty.root[output]
    L = np.vstack([L[:1] - uncertainty.centre @ L[1:], L[1:]])
    errors = np.linalg.norm(L, axis=1)
    if not uncertainty.root[:, 0].any() and not uncertainty.centre.any():
        errors[0] = math.nan  # There is no intercept.
    with np.errstate(divide="ignore", invalid="ignore"):
        t = theta / errors
    half = t_quantile(1 - conf, uncertainty.df) * errors
    p = np.array([t_tail(each, uncertainty.df) if math.isfinite(each) else math.nan for each in t.tolist()])
    statistic = "z" if math.isinf(uncertainty.df) else "t"
    return {
        "coefficient": theta,
        "std_err": errors,
        statistic: t,
        "p": p,
        "lower": theta - half,
        "upper": theta + half,
    }
