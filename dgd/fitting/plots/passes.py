"""What each pass found, as curves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from dgd.errors.checks import checked_word
from dgd.fitting.callbacks.reading import read_events
from dgd.fitting.plots.axes import axes_of
from dgd.fitting.record import Record
from dgd.fitting.result import Result

SHOWN = ("loss", "gradient")


class PassesDisplay:
    """Loss or gradient norm by pass or by second.

    passes, seconds, loss, grad_norm, validation_loss: a number for each pass; NaN where there is none.
    """

    def __init__(self, records: Sequence[Record], elapsed: Sequence[float]) -> None:
        self.passes = np.array([record.iteration for record in records])
        self.seconds = np.array(elapsed, dtype=np.float64)
        self.loss = np.array([record.loss for record in records])
        self.grad_norm = np.array([record.grad_norm for record in records])
        self.validation_loss = np.array(
            [np.nan if record.validation_loss is None else record.validation_loss for record in records]
        )

    @classmethod
    def from_result(cls, result: Result, *, show: str = "loss", by: str = "pass", ax: Any = None) -> PassesDisplay:
        """Of a result. show: "loss" or "gradient"; by: "pass" or "second"; ax: the axes, by default new ones."""
        found = cls(result.history, list(accumulate(record.seconds for record in result.history)))
        return found.plot(show=show, by=by, ax=ax)

    @classmethod
    def from_events(
        cls, path: str | os.PathLike[str], *, show: str = "loss", by: str = "pass", ax: Any = None
    ) -> PassesDisplay:
        """Of an event file, also while its fit runs."""
        found = read_events(path)
        return cls(found.passes, found.elapsed).plot(show=show, by=by, ax=ax)

    def plot(self, *, show: str = "loss", by: str = "pass", ax: Any = None) -> PassesDisplay:
        """Draw it; returns itself, with `ax_` and `figure_`."""
        checked_word("plot(show", show, SHOWN)
        checked_word("plot(by", by, ("pass", "second"))
        self.ax_ = axes_of(ax)
        self.figure_ = self.ax_.figure
        x = self.passes if by == "pass" else self.seconds
        if show == "gradient":
            self.ax_.semilogy(x, self.grad_norm, marker=".")
        else:
            self.ax_.plot(x, self.loss, marker=".", label="training")
            if not np.isnan(self.validation_loss).all():
                self.ax_.plot(x, self.validation_loss, marker=".", label="validation")
                self.ax_.legend()
        self.ax_.set(xlabel="pass" if by == "pass" else "seconds", ylabel="loss" if show == "loss" else "‖∇F‖")
        return self
