"""Residuals of a model on a dataset, from one pass."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_word
from dgd.fitting.plots.axes import axes_of
from dgd.models.diagnose import diagnose
from dgd.models.prediction.model_of import model_of
from dgd.models.scoring.diagnosis import Diagnosis
from dgd.passes.execution import Execution, execution_of

KINDS = ("residuals", "by_prediction")
EDGES = 40


class ResidualsDisplay:
    """How the residuals y − ŷ are distributed, or the mean target of rows beside their mean prediction.

    diagnosis: what the pass found, of which `residuals` and `predicted` are drawn.
    """

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis

    @classmethod
    def from_model(
        cls,
        model: Any,
        data: Any,
        y: Any = None,
        *,
        weight: Any = None,
        offset: Any = None,
        kind: str = "residuals",
        ax: Any = None,
        client: Any = None,
        threads: int | None = None,
        execution: Execution | None = None,
        **reading: Unpack[ReadingOptions],
    ) -> ResidualsDisplay:
        """Of a model on rows, which are read once; data and the rest as for `dgd.score`.

        kind: "residuals" or "by_prediction"; ax: the axes, by default new ones.
        """
        checked_word("from_model(kind", kind, KINDS)
        found = model_of("from_model", model)
        if found.classes is not None or found.outputs:
            raise ConfigurationError(
                "`ResidualsDisplay` is of a model of numbers with one output; draw a report of others: `dgd.report`"
            )
        where = execution_of(execution, client, threads)
        made = diagnose(found, data, y, weight=weight, offset=offset, execution=where, reading=reading)
        return cls(made).plot(kind=kind, ax=ax)

    def plot(self, *, kind: str = "residuals", ax: Any = None) -> ResidualsDisplay:
        """Draw it; returns itself, with `ax_` and `figure_`."""
        checked_word("plot(kind", kind, KINDS)
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        assert self.diagnosis.residuals is not None
        assert self.diagnosis.predicted is not None
        if kind == "residuals":
            values, shares = self.diagnosis.residuals
            low, high = self.diagnosis.quantile(0.001), self.diagnosis.quantile(0.999)
            edges = np.linspace(low, max(high, np.nextafter(low, np.inf)), EDGES + 1)
            below = np.interp(edges, values, shares, left=0.0)
            self.ax_.stairs(np.diff(below), edges, fill=True)
            self.ax_.set(xlabel="residual y − ŷ", ylabel="part of the weight")
        else:
            predicted, observed = self.diagnosis.predicted
            self.ax_.axline((predicted[0], predicted[0]), slope=1, color="0.7", linewidth=1)
            self.ax_.plot(predicted, observed, "o")
            self.ax_.set(xlabel="mean prediction", ylabel="mean target")
        return self
