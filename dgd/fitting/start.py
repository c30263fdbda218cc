"""Where a fit starts: θ that was given, a result's or a model's."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.errors import ConfigurationError
from dgd.fitting.problem import Method
from dgd.models.model import load_model
from dgd.models.predictor import Predictor


def start_of(theta0: Any, dataset: Dataset, method: Method) -> Any:
    """θ of a model, given itself or as the path of a saved one; any other value as it is.

    Raises ModelError where the model has other columns, ConfigurationError where it has other classes or outputs, or an
    intercept that the fit has not.
    """
    if isinstance(theta0, (str, os.PathLike)):
        theta0 = load_model(theta0)
    if not isinstance(theta0, Predictor):
        return theta0
    theta0.check(dataset)
    labels = method.loss.labels
    if theta0.classes is not None and labels is not None and tuple(theta0.classes) != tuple(labels):
        raise ConfigurationError(
            f"`fit(theta0=...)` is a model of the classes {theta0.classes}, and the fit's are {tuple(labels)}"
        )
    if theta0.outputs != (() if method.outputs is None else (method.outputs,)):
        raise ConfigurationError(
            f"`fit(theta0=...)` is a model of {theta0.outputs or 1} outputs, and the fit has {method.outputs or 1}"
        )
    if method.fit_intercept:
        return np.concatenate([np.atleast_1d(theta0.intercept)[None, ...], np.atleast_2d(theta0.coef).T]).reshape(
            (theta0.n_features + 1, *theta0.outputs)
        )
    if np.any(theta0.intercept):
        raise ConfigurationError("`fit(theta0=...)` is a model with an intercept, and `fit_intercept=False` has none")
    return theta0.coef.T
