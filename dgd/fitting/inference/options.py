"""What may be asked of an inference, checked, and refused where no honest number answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from dgd.data.any_rows import open_column
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.design.design import design_of
from dgd.data.opening import open_data
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.transforms.summed_rows import SummedRows
from dgd.errors import ConfigurationError, PlanError
from dgd.errors.checks import checked_number, checked_word
from dgd.errors.words import shown, size
from dgd.fitting.auto_solver import NEWTON_MOST
from dgd.fitting.inference.fitted import Fitted
from dgd.losses import Loss
from dgd.models.inference.inference import Inference
from dgd.models.inference.uncertainty import COVARIANCES
from dgd.penalties import NoPenalty, Penalty
from dgd.solvers.base import Status

WEIGHTS = ("precision", "frequency")
DISPERSIONS = ("model", "pearson")
PENALIZED = ("refuse", "ignore")
INFORMATIONS = ("expected", "observed")
LARGEST_ROOT = 2**30
"""Bytes of the covariances of all outputs together."""


@dataclass(frozen=True, eq=False)
class InferenceOptions:
    """The arguments of `Result.inference`."""

    cov: str = "classical"
    groups: Any = None
    conf: float = 0.95
    weights: str = "precision"
    dispersion: str = "model"
    penalized: str = "refuse"
    only: Sequence[str] | None = None
    information: str = "expected"

    def __post_init__(self) -> None:
        checked_word("inference(cov", self.cov, COVARIANCES)
        checked_word("inference(weights", self.weights, WEIGHTS)
        checked_word("inference(dispersion", self.dispersion, DISPERSIONS)
        checked_word("inference(penalized", self.penalized, PENALIZED)
        checked_word("inference(information", self.information, INFORMATIONS)
        if not 0 < checked_number("inference(conf", self.conf, above=0) < 1:
            raise ConfigurationError(f"`inference(conf=...)` must be above 0 and below 1, got {self.conf!r}")
        if (self.cov == "cluster") != (self.groups is not None):
            raise ConfigurationError(
                "`inference(cov='cluster')` needs `groups=`, the group of each row"
                if self.groups is None
                else "`inference(groups=...)` goes with cov='cluster'"
            )
        if self.only is not None:
            names = tuple(self.only) if not isinstance(self.only, str) else ()
            if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
                raise ConfigurationError(
                    f"`inference(only=...)` must be a list of different names, got {shown(self.only)}"
                )
            object.__setattr__(self, "only", names)

    def check_problem(self, loss: Loss, penalty: Penalty, *, weighted: bool) -> None:
        """Raise ConfigurationError for a problem whose coefficients have no such covariance; before or after a fit."""
        if self.penalized == "refuse" and not isinstance(penalty, NoPenalty):
            raise ConfigurationError(
                f"a fit with the penalty {penalty!r} has no standard errors: its coefficients are biased towards what "
                f"the penalty or the bounds prefer, and the usual formulas know nothing of that. Fit without, or take "
                f"the formulas of an unpenalised fit at this θ with penalized='ignore'"
            )
        if loss.is_likelihood or loss.has_dispersion or self.cov != "classical":
            pass
        elif not loss.of_difference:
            raise ConfigurationError(
                f"no classical covariance is known for the loss {loss.name!r}; take cov='HC1', which needs no model"
            )
        elif weighted and self.weights == "precision":
            raise ConfigurationError(
                f"the classical covariance of {loss.name!r} is for rows of one variance, and weights are taken as "
                f"precisions; take cov='HC1', or weights='frequency' if a weight is a number of rows"
            )
        if self.dispersion == "pearson" and (loss.shift_is_free or not (loss.is_likelihood or loss.has_dispersion)):
            raise ConfigurationError(f"Pearson's dispersion is not defined for the loss {loss.name!r}; leave it out")

    def expects(self, loss: Loss) -> bool:
        """Whether Fisher's information is asked for, and is another than the Hessian at θ."""
        return self.cov == "classical" and self.information == "expected" and not loss.canonical

    def check(self, fitted: Fitted) -> None:
        """Raise ConfigurationError where this fit has no such inference."""
        method = fitted.method
        self.check_problem(method.loss, method.penalty, weighted=fitted.dataset.weight is not None)
        if fitted.status in (Status.DIVERGED, Status.NO_OPTIMUM):
            raise ConfigurationError(f"there is no optimum to make inference at: {fitted.status.value}")
        if self.cov != "classical" and isinstance(fitted.dataset.X, SummedRows):
            raise ConfigurationError(f"{self.cov} is of rows, and a summary has none; fit the data")
        if self.only is not None:
            for name in self.only:
                self.index(fitted, name)

    def index(self, fitted: Fitted, name: str) -> int:
        """The number of the parameter of that name."""
        if name not in fitted.names:
            names = fitted.names
            listed = ", ".join(names[:8]) + ("" if len(names) <= 8 else f" and {len(names) - 8} more")
            raise ConfigurationError(f"`inference(only=...)`: there is no {name!r}; there are {listed}")
        return fitted.names.index(name)

    def is_wide(self, fitted: Fitted) -> bool:
        """Whether columns are too many for a Hessian; then only some coefficients can be asked for."""
        classes = fitted.method.loss.shift_is_free
        count = fitted.parameters * (fitted.outputs if classes else 1)
        if count <= NEWTON_MOST:
            return False
        if self.only is None:
            raise ConfigurationError(
                f"a covariance of {count:,} parameters is too large to sum (at most {NEWTON_MOST:,}); name the "
                f"coefficients that matter, `inference(only=[...])`: each is solved for by conjugate gradients"
            )
        if self.cov in ("HC2", "HC3"):
            raise ConfigurationError(
                f"{self.cov} needs the leverage of each row, and with {count:,} parameters no inverse to have it from; "
                f"take cov='HC1'"
            )
        return True

    def group_rows(self, fitted: Fitted) -> Rows | None:
        """The groups as rows: an array, or the name of one beside the data."""
        if self.groups is None:
            return None
        reading = Reading.of("inference", {**fitted.reading, "missing": "error"})
        if hasattr(self.groups, "asks_ahead"):
            return cast(Rows, self.groups)
        if not isinstance(self.groups, str):
            return open_column("groups", self.groups, reading)
        if isinstance(fitted.data, Dataset) or fitted.data is None:
            raise ConfigurationError(
                f"`inference(groups={self.groups!r})` names an array beside the data, and the fit was given an opened "
                f"dataset; give the groups as an array, or their path as a `pathlib.Path`"
            )
        if reading.design is not None:
            reading = replace(reading, design=design_of(reading.design).without_target())
        return open_data(fitted.data, self.groups, None, need_target=True, reading=reading).y

    def selected(self, found: Inference) -> Inference:
        """The rows of the features that were asked for."""
        assert self.only is not None
        index = [found.names.index(name) for name in self.only]
        first = int(found.statistics.intercept)
        vif = found.vif
        if vif is not None:
            padded = np.concatenate([np.full((first, *vif.shape[1:]), np.nan), vif])
            vif = padded[index]
        return replace(
            found,
            names=tuple(self.only),
            estimates=found.estimates[index],
            root=found.root[:, index],
            vif=vif,
            condition=None,
            refit=None,
        )

    def notes(self, fitted: Fitted) -> list[str]:
        """What is to be known of what was asked for."""
        notes = []
        if not isinstance(fitted.method.penalty, NoPenalty):
            notes.append(f"as if there were no penalty {fitted.method.penalty!r}; its bias is in no number here")
        if fitted.dataset.weight is not None:
            meaning = "of variance φ/w" if self.weights == "precision" else "that stands for w rows"
            notes.append(f"a weight w is that of a row {meaning} (weights={self.weights!r})")
        return notes


def check_size(fitted: Fitted) -> None:
    """Raise PlanError where the covariances of all outputs are more than fits."""
    p, q = fitted.parameters, fitted.outputs
    needed = 8 * q * p * p * (q if fitted.method.loss.shift_is_free else 1)
    if q > 1 and needed > LARGEST_ROOT:
        raise PlanError(
            f"the covariances of {q:,} outputs with {p:,} parameters each take {size(needed)}, and at most "
            f"{size(LARGEST_ROOT)} are allowed; fit some of the outputs at a time, from a summary without a pass: "
            f"`dgd.summarize(...).fit(targets=[...])`",
            needed=needed,
            available=LARGEST_ROOT,
        )


def group_count(groups: Rows) -> int:
    """The number of different groups, for the plan; an array that is stored is read once more for it, by itself."""
    buffers = Buffers()
    found = np.empty(0, dtype=groups.dtype)
    for start, stop in zip(groups.bounds[:-1], groups.bounds[1:], strict=True):
        found = np.union1d(found, groups.read(int(start), int(stop), buffers)[0])
    return len(found)
