"""What is saved and served: coefficients, names, classes and where they came from."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.errors import ModelError
from dgd.losses import LOSSES, Loss
from dgd.passes.sums.gradient import as_block, block_rows


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted linear model: η = Xb + b₀ for each output, and what its loss makes of η.

    coef: (n,), or (q, n) with q outputs or classes; intercept: a number, or (q,).
    classes: the labels, where the target was one of them.
    `provenance` holds what is known of the fit: versions, the dataset's fingerprint, status, passes.
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

    def raw_prediction(self, X: Array, buffers: Buffers | None = None, offset: Array | None = None) -> Vector:
        """Xb + b₀ (+ offset) for rows in memory, in micro-blocks; shape (m,) or (m, q)."""
        buffers = Buffers() if buffers is None else buffers
        out = np.empty((X.shape[0], *self.outputs))
        dtype = np.dtype(np.float64)
        coef = np.ascontiguousarray(self.coef.T)
        step = block_rows(self.n_features, X.dtype, dtype, outputs=int(np.prod(self.outputs)))
        for start in range(0, X.shape[0], step):
            block = as_block(X[start : start + step], dtype, buffers)
            if self.n_features == 1:
                # BLAS may skip a coefficient of zero here, and with it a NaN.
                np.multiply(block if self.outputs else block[:, 0], coef[0], out=out[start : start + step])
            else:
                np.dot(block, coef, out=out[start : start + step])
        out += self.intercept
        if offset is not None:
            out += offset
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

    def predict(
        self,
        data: Any,
        *,
        offset: Any = None,
        out: str | os.PathLike[str] | None = None,
        client: Any = None,
        threads: int | None = None,
        overwrite: bool = False,
    ) -> Array | None:
        """Predictions for every row: an array of shape (m,) or (m, q), or a Zarr array written chunk by chunk to `out`.

        The expected target: η itself, e^η for rates, and for classes the label of the most probable one. `data` is
        anything `dgd.open_dataset` takes; a target need not be there. With `out` memory stays bounded by the chunks
        being read, nothing is returned, and an interrupted write is marked as such.
        """
        from dgd import api

        return api.predict(self, data, offset=offset, out=out, client=client, threads=threads, overwrite=overwrite)

    def predict_proba(
        self,
        data: Any,
        *,
        offset: Any = None,
        out: str | os.PathLike[str] | None = None,
        client: Any = None,
        threads: int | None = None,
        overwrite: bool = False,
    ) -> Vector | None:
        """The probability of each class for every row, (m, K) in the order of `classes`; see `predict`."""
        from dgd import api

        return api.predict(
            self,
            data,
            offset=offset,
            out=out,
            client=client,
            threads=threads,
            overwrite=overwrite,
            probabilities=True,
        )

    def score(
        self,
        data: Any,
        y: Any = None,
        *,
        weight: Any = None,
        offset: Any = None,
        client: Any = None,
        threads: int | None = None,
    ) -> Any:
        """MSE, RMSE, MAE and R², or for classes accuracy and log loss, in one pass; see `dgd.score`."""
        from dgd import api

        return api.score(self, data, y, weight=weight, offset=offset, client=client, threads=threads)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder: model.json, coef.npy, intercept.npy, with their checksums.

        It is written beside `path` and renamed when whole; an existing model is replaced only with `overwrite`.
        """
        from dgd.models.files import save_model

        save_model(self, path, overwrite=overwrite)
