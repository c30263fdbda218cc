"""The model that is meant by what a call was given as one."""

from __future__ import annotations

from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.words import shown
from dgd.models.predictor import Predictor


def model_of(call: str, given: Any) -> Predictor:
    """The model itself; of a result or an inference its model, the latter with its covariance.

    Raises ConfigurationError for anything else.
    """
    model = given if isinstance(given, Predictor) else getattr(given, "model", None)
    if isinstance(model, Predictor):
        return model
    raise ConfigurationError(
        f"`{call}(model=...)` must be a model, a result or an inference, got {shown(given)}; a saved model is read by "
        f"`dgd.load_model(path)`"
    )
