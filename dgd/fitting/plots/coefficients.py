"""Coefficients as dots, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors.checks import checked_integer, checked_number
from dgd.fitting.plots.axes import axes_of
from dgd.fitting.result import Result
from dgd.models.inference.distributions import t_quantile
from dgd.models.predictor import Predictor


class CoefficientsDisplay:
    """The largest coefficients of one output, in the order of the columns.

    names, coef: of those that are shown; lower, upper: their intervals, None where the model has no covariance.
    """

    def __init__(self, names: Sequence[str], coef: Vector, lower: Vector | None, upper: Vector | None) -> None:
        self.names, self.coef, self.lower, self.upper = tuple(names), coef, lower, upper

    @classmethod
    def from_result(
        cls, result: Result, *, conf: float = 0.95, output: int = 0, most: int = 30, ax: Any = None
    ) -> CoefficientsDisplay:
        """Of a result, whose model has no intervals by itself; see `from_model`."""
        return cls.from_model(result.model, conf=conf, output=output, most=most, ax=ax)

    @classmethod
    def from_model(
        cls, model: Predictor, *, conf: float = 0.95, output: int = 0, most: int = 30, ax: Any = None
    ) -> CoefficientsDisplay:
        """Of a model. conf: of the intervals, which a model has that was made by `result.inference().model`; output: of
        several outputs or classes the one to show; most: coefficients at most; ax: the axes, by default new ones.
        """
        checked_integer("from_model(most", most, least=1)
        checked_number("from_model(conf", conf, above=0)
        values = np.atleast_2d(model.coef)[output]
        names = model.feature_names or tuple(f"x{j}" for j in range(model.n_features))
        some = np.sort(np.argsort(-np.abs(values), kind="stable")[:most])
        lower = upper = None
        if model.uncertainty is not None:
            root = model.uncertainty.user_root()[output]
            times = t_quantile(1 - conf, model.uncertainty.df)
            width = times * np.sqrt((root**2).sum(axis=1))[1:][some]
            lower, upper = values[some] - width, values[some] + width
        return cls([names[j] for j in some], values[some], lower, upper).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> CoefficientsDisplay:
        """Draw it; returns itself, with `ax_` and `figure_`."""
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        rows = np.arange(len(self.coef))
        if self.lower is not None and self.upper is not None:
            self.ax_.hlines(rows, self.lower, self.upper)
        self.ax_.plot(self.coef, rows, "o")
        self.ax_.axvline(0, color="0.7", linewidth=1, zorder=0)
        # A name is no formula, whatever dollars stand in it.
        self.ax_.set_yticks(rows, [name.replace("$", r"\$") for name in self.names])
        self.ax_.invert_yaxis()
        self.ax_.set_xlabel("coefficient")
        return self
