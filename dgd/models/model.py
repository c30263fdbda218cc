"""The fitted model: coefficients that predict, score and are saved."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any, Unpack

from dgd._typing import Array, Vector
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.models.files import read_predictor, write_predictor
from dgd.models.labelled import to_xarray
from dgd.models.prediction.predict import predict
from dgd.models.predictor import Predictor
from dgd.models.score import score
from dgd.models.scoring.classes import ClassScore
from dgd.models.scoring.numbers import Score
from dgd.models.shown import model_html
from dgd.passes.execution import Execution


class Model(Predictor):
    """A fitted linear model: η = Xb + b₀ for each output, and what its loss makes of η.

    Its methods do what `dgd.predict` and `dgd.score` do; `dgd.predict_to` writes predictions instead.
    """

    _repr_html_ = model_html

    def predict(
        self,
        data: Any,
        *,
        offset: Any = None,
        interval: float | None = None,
        interval_of: str = "mean",
        client: Any = None,
        threads: int | None = None,
        execution: Execution | None = None,
        **reading: Unpack[ReadingOptions],
    ) -> Array:
        """Predictions for every row, an array of shape (m,) or (m, q); see `dgd.predict`."""
        if interval is not None and self.classes is not None:
            raise ConfigurationError("a class has no interval, its probability has: `predict_proba(..., interval=...)`")
        return predict(
            self,
            data,
            offset=offset,
            interval=interval,
            interval_of=interval_of,
            client=client,
            threads=threads,
            execution=execution,
            **reading,
        )

    def predict_proba(
        self,
        data: Any,
        *,
        offset: Any = None,
        interval: float | None = None,
        client: Any = None,
        threads: int | None = None,
        execution: Execution | None = None,
        **reading: Unpack[ReadingOptions],
    ) -> Vector:
        """The probability of each class for every row, (m, K) in the order of `classes`; see `dgd.predict`."""
        return predict(
            self,
            data,
            offset=offset,
            probabilities=True,
            interval=interval,
            client=client,
            threads=threads,
            execution=execution,
            **reading,
        )

    def score(
        self,
        data: Any,
        y: Any = None,
        *,
        weight: Any = None,
        offset: Any = None,
        by: Any = None,
        client: Any = None,
        threads: int | None = None,
        execution: Execution | None = None,
        **reading: Unpack[ReadingOptions],
    ) -> Score | ClassScore:
        """MSE, R² and others, or for classes accuracy, log loss, AUC and others, in one pass; see `dgd.score`."""
        return score(
            self,
            data,
            y,
            weight=weight,
            offset=offset,
            by=by,
            client=client,
            threads=threads,
            execution=execution,
            **reading,
        )

    def to_xarray(self) -> Any:
        """The coefficients with their names, as an `xarray.Dataset`; raises ConfigurationError without xarray."""
        return to_xarray(self)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder: model.json, coef.npy, intercept.npy, with their checksums, and its covariance.

        It is written beside `path` and put there in one step when it is on disk: whoever loads meanwhile gets the older
        model or this one. An existing model is replaced only with `overwrite`.
        Raises WriteError if the disk is full or the system forbids it; the old model is then as it was.
        """
        write_predictor(self, path, overwrite=overwrite)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that `Model.save` wrote, after checking every checksum.

    Raises ModelError if the folder is missing, damaged, or of a later format.
    """
    predictor = read_predictor(path)
    return Model(**{each.name: getattr(predictor, each.name) for each in fields(predictor)})
