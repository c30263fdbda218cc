"""Coefficients as a value: what they predict, and which data they fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.design.design import Design
from dgd.data.reading import Reading, ReadingOptions
from dgd.data.split import PARTS, Split
from dgd.errors import ConfigurationError, ModelError
from dgd.losses import LOSSES, Loss
from dgd.losses.two_classes import TwoClasses
from dgd.models.inference.uncertainty import Uncertainty
from dgd.passes.sums.blocks import Blocks

CLASS_LOSSES = (*(name for name, loss in LOSSES.items() if issubclass(loss, TwoClasses)), "squared_hinge", "softmax")


@dataclass(frozen=True, eq=False)
class Predictor:
    """The coefficients of a linear model, η = Xb + b₀ for each output, and what its loss makes of η.

    coef: (n,), or (q, n) with q outputs or classes; intercept: a number, or (q,).
    classes: the labels, where the target was one of them.
    provenance: what is known of the fit: versions, the dataset's fingerprint, status, passes.
    """

    coef: Vector
    intercept: float | Vector
    loss: str
    classes: tuple[Any, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    link: Loss | None = field(default=None, repr=False)
    """The loss itself, where it is not one that dgd knows by name."""
    design: Design | None = field(default=None, repr=False)
    """How the columns are made of those of a table, where they are."""
    uncertainty: Uncertainty | None = field(default=None, repr=False)
    """The coefficients' covariance, where it was asked for: what intervals need."""

    @property
    def n_features(self) -> int:
        """The columns a dataset must have."""
        return int(self.coef.shape[-1])

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns of a table that it needs: those of its design, or its features; None where they have no names."""
        return self.feature_names if self.design is None else self.design.columns

    @property
    def outputs(self) -> tuple[int, ...]:
        """(q,) with q outputs, else ()."""
        return self.coef.shape[:-1]

    def flaw(self) -> str | None:
        """What is wrong with it, in a sentence: types, shapes, numbers that are not finite; None if nothing is."""
        coef, intercept = self.coef, np.asarray(self.intercept, dtype=np.float64)
        if coef.dtype != np.float64:
            return f"the coefficients are {coef.dtype}, expected float64"
        if coef.ndim not in (1, 2) or 0 in self.outputs:
            return f"the coefficients have shape {coef.shape}, expected (features,) or (outputs, features)"
        if intercept.shape != self.outputs:
            return (
                f"the intercept has shape {intercept.shape}, expected {self.outputs} beside {coef.shape} coefficients"
            )
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return "some coefficients are not finite"
        names = self.feature_names
        if names is not None and (len(names) != self.n_features or not all(type(name) is str for name in names)):
            return f"the feature names are not {self.n_features} strings"
        if self.design is not None and not (self.design.is_known and self.design.names == names):
            return "the feature names are not those that its design makes"
        if self.uncertainty is not None and (flaw := self.uncertainty.flaw(coef.shape)) is not None:
            return flaw
        return self._flaw_of_classes()

    def _flaw_of_classes(self) -> str | None:
        classes = self.classes
        if classes is None:
            return "it has the loss 'softmax' and no classes" if self.loss == "softmax" else None
        if self.loss in LOSSES and self.loss not in CLASS_LOSSES:
            return f"it has classes, and the loss {self.loss!r} has none"
        if not all(isinstance(label, (bool, int, float, str)) for label in classes):
            return "its classes are not numbers, bools or strings"
        if any(isinstance(label, float) and not math.isfinite(label) for label in classes):
            return "a class is a number that is not finite"
        if len(set(classes)) < max(2, len(classes)):
            return f"its {len(classes)} classes are not at least two labels that are all different"
        of_many = self.loss == "softmax" or (self.loss == "squared_hinge" and len(classes) > 2)
        if self.loss in CLASS_LOSSES and not of_many and len(classes) != 2:
            return f"it has {len(classes)} classes, and the loss {self.loss!r} has 2"
        if of_many and self.outputs != (len(classes),):
            return f"there are {len(classes)} classes, and the coefficients have shape {self.coef.shape}"
        return None

    def raw_prediction(self, rows: Chunk | Array, buffers: Buffers | None = None) -> Vector:
        """η for the rows of a chunk, offset included, or of an array; shape (m,) or (m, q)."""
        chunk = rows if isinstance(rows, Chunk) else Chunk(0, 0, rows, None, None, 0)
        out = np.empty((chunk.X.shape[0], *self.outputs))
        for block in Blocks(chunk, self.coef.T, self.intercept, Buffers() if buffers is None else buffers):
            out[block.rows] = block.raw
        return out

    @property
    def loss_itself(self) -> Loss:
        """The loss as an object, with its classes."""
        if self.link is not None:
            return self.link
        if self.loss not in LOSSES:
            raise ModelError(f"this dgd does not know the loss {self.loss!r}; add it to `dgd.losses.LOSSES` first")
        known = LOSSES[self.loss]()
        return known if self.classes is None or self.loss not in CLASS_LOSSES else known.with_classes(self.classes)

    @property
    def of_two(self) -> bool:
        """Whether each raw prediction is one of two classes, and not one of several for a row."""
        two = self.classes is not None and len(self.classes) == 2
        return not self.outputs or (two and self.loss in CLASS_LOSSES and self.loss != "softmax")

    def response(self, raw_prediction: Vector) -> Vector:
        """The expected target for raw predictions: themselves, rates, or the classes' probabilities (m, K).

        Of several targets of two classes each, (m, q, 2).
        """
        response = np.asarray(self.loss_itself.response(raw_prediction), dtype=np.float64)
        if self.classes is not None and self.of_two:
            response = np.stack([1 - response, response], axis=-1)
        return response

    def labels(self, raw_prediction: Vector) -> Array:
        """The most probable class of each row; of several targets of two classes each, of each target."""
        assert self.classes is not None
        winner = raw_prediction > self.loss_itself.even if self.of_two else raw_prediction.argmax(axis=1)
        return np.asarray(self.classes)[winner.astype(np.intp)]

    def offset_of(self, given: Any) -> Any:
        """The offset that is given; False, for none, where none is and the model was fitted without one."""
        return False if given is None and self.provenance.get("offset", "unknown") is None else given

    def reading(self, reading: Reading, data: Any, *, y: Any = None) -> Reading:
        """How data are read for this model: a table by its own design.

        y: a target that is another than that of the fit. With missing="drop" a level that is not known is missing.
        """
        if self.design is None or isinstance(data, Dataset):
            return reading
        for name in ("features", "drop", "categorical", "design"):
            if getattr(reading, name) is not None:
                raise ConfigurationError(
                    f"the model reads a table by its own design, and {name} was given; leave it out"
                )
        if reading.missing not in ("error", "drop"):
            raise ConfigurationError(
                f"missing={reading.missing!r} is for a fit, and the model fills as it learned; give 'drop' for "
                f"predictions that are missing, or 'error'"
            )
        design = self.design if reading.missing == "error" else self.design.unknown_as_missing()
        return replace(reading, design=design if y is None else design.without_target())

    def part_of(self, options: ReadingOptions) -> ReadingOptions:
        """How data are read: "train" and "test" are the parts of the split that the model was fitted on."""
        part, fitted = options.get("split"), self.provenance.get("split")
        if part not in PARTS:
            return options
        if fitted is None:
            raise ModelError(
                f"the model was not fitted on a part of its data, so that it has no {part!r} rows; write the split "
                f"out, such as {part}:0.8:1"
            )
        return cast(ReadingOptions, {**options, "split": str(replace(Split.of(fitted), part=str(part)))})

    def check(self, dataset: Dataset) -> None:
        """Raise ModelError unless the dataset has the columns this model was fitted on."""
        m, n = dataset.shape
        if n != self.n_features:
            turned = m == self.n_features
            hint = "it is feature × row: read it with transpose=True (--transpose), or give its transpose"
            raise ModelError(
                f"the model has {self.n_features} coefficients and array {dataset.X.name!r} of {dataset.source} has "
                f"{n} columns; {hint if turned else 'predict on the columns it was fitted on'}"
            )
        if self.feature_names is None or dataset.feature_names is None:
            return
        pairs = zip(self.feature_names, dataset.feature_names, strict=True)
        for j, (ours, theirs) in enumerate(pairs):
            if ours != theirs:
                raise ModelError(
                    f"column {j} of {dataset.source} is {theirs!r}, and the model was fitted on {ours!r} there; "
                    f"give the columns in the order {', '.join(self.feature_names)}"
                )
