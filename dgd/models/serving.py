"""Predictions and scores of a model, put together from the layers below."""

from __future__ import annotations

import math
import os
from contextlib import closing
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.dataset import Dataset
from dgd.data.opening import open_data, open_dataset
from dgd.errors import ConfigurationError
from dgd.models.model import Model
from dgd.models.predict import Prediction
from dgd.models.score import ClassScore, ClassScoreSum, Score, ScoreSum
from dgd.passes.execution import executor_for
from dgd.passes.plan import affordable


def predict(
    model: Model,
    data: Any,
    *,
    offset: Any = None,
    out: str | os.PathLike[str] | None = None,
    client: Any = None,
    threads: int | None = None,
    overwrite: bool = False,
    probabilities: bool = False,
) -> Array | None:
    """Predictions of a model for every row; see `Model.predict` and `Model.predict_proba`."""
    dataset = open_data(data, None, None, offset, need_target=False)
    model.check(dataset)
    prediction = Prediction(model, probabilities)
    if out is None and client is not None:
        raise ConfigurationError("`predict(client=...)` writes its predictions: give `out=`, or leave the client out")
    if out is None:
        return _predict_in_memory(prediction, dataset, threads)
    from dgd.data.zarr import predictions

    with closing(executor_for(client, threads)) as executor:
        per_row = predictions.bytes_per_row(prediction)
        dataset = affordable(dataset, executor.resources(dataset), bytes_per_row=per_row)
        path = predictions.prepare(dataset, prediction, out, overwrite=overwrite)
        executor.sweep(dataset, predictions.PredictionSum(prediction, str(path)))
        predictions.commit(path, fingerprint=dataset.fingerprint)
    return None


def score(
    model: Model,
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    client: Any = None,
    threads: int | None = None,
) -> Score | ClassScore:
    """MSE, RMSE, MAE and R² of a model on a dataset, or for classes accuracy and log loss, in one pass."""
    dataset = open_dataset(data, y, weight=weight, offset=offset)
    model.check(dataset)
    with closing(executor_for(client, threads)) as executor:
        dataset = affordable(dataset, executor.resources(dataset), outputs=math.prod(model.outputs))
        if model.classes is not None:
            return ClassScore.of(executor.sweep(dataset, ClassScoreSum(model)).value, dataset.shape[0])
        return Score.of(executor.sweep(dataset, ScoreSum(model)).value, dataset.shape[0])


def _predict_in_memory(prediction: Prediction, dataset: Dataset, threads: int | None) -> Array:
    from dgd.models.predict import MemoryPredictionSum
    from dgd.passes.threads import ThreadExecutor

    summand = MemoryPredictionSum(prediction, np.empty((dataset.shape[0], *prediction.tail), prediction.dtype))
    with closing(ThreadExecutor(threads)) as executor:
        resources = executor.resources(dataset)
        per_row = prediction.dtype.itemsize * math.prod(prediction.tail)
        dataset = affordable(dataset, resources, bytes_per_row=per_row, held_bytes=summand.out.nbytes)
        executor.sweep(dataset, summand)
    return summand.out
