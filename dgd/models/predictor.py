"""Coefficients as a value: what they predict, and which data they fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.errors import ModelError
from dgd.losses import LOSSES, Loss
from dgd.passes.sums.blocks import Blocks


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

    @property
    def n_features(self) -> int:
        """The columns a dataset must have."""
        return int(self.coef.shape[-1])

    @property
    def outputs(self) -> tuple[int, ...]:
        """(q,) with q outputs, else ()."""
        return self.coef.shape[:-1]

    def raw_prediction(self, rows: Chunk | Array, buffers: Buffers | None = None) -> Vector:
        """η for the rows of a chunk, offset included, or of an array; shape (m,) or (m, q)."""
        chunk = rows if isinstance(rows, Chunk) else Chunk(0, 0, rows, None, None, 0)
        out = np.empty((chunk.X.shape[0], *self.outputs))
        for block in Blocks(chunk, self.coef.T, self.intercept, Buffers() if buffers is None else buffers):
            out[block.rows] = block.raw
        return out

    def response(self, raw_prediction: Vector) -> Vector:
        """The expected target for raw predictions: themselves, rates, or the classes' probabilities (m, K)."""
        loss = self.link
        if loss is None:
            if self.loss not in LOSSES:
                raise ModelError(f"this dgd does not know the loss {self.loss!r}; add it to `dgd.losses.LOSSES` first")
            loss = LOSSES[self.loss]()
        response = np.asarray(loss.response(raw_prediction), dtype=np.float64)
        if self.classes is not None and response.ndim == 1:
            response = np.column_stack([1 - response, response])
        return response

    def labels(self, raw_prediction: Vector) -> Array:
        """The most probable class of each row."""
        assert self.classes is not None
        winner = raw_prediction > 0 if raw_prediction.ndim == 1 else raw_prediction.argmax(axis=1)
        return np.asarray(self.classes)[winner.astype(np.intp)]

    def check(self, dataset: Dataset) -> None:
        """Raise ModelError unless the dataset has the columns this model was fitted on."""
        n = dataset.shape[1]
        if n != self.n_features:
            raise ModelError(
                f"the model has {self.n_features} coefficients and array {dataset.X.name!r} of {dataset.source} has "
                f"{n} columns; predict on the columns it was fitted on"
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
