"""What a loss makes of η, by a name that SQL and ONNX have a function for."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dgd.errors import ConfigurationError
from dgd.models.predictor import Predictor

Link = Literal["identity", "exp", "logistic", "softmax"]
SAMPLE = np.array([-2.0, 0.0, 0.5, 3.0])


def link_of(model: Predictor) -> Link:
    """The name. Raises ConfigurationError for the response of a loss of the user's own, which has none."""
    if model.loss == "softmax":
        return "softmax"
    found = np.asarray(model.loss_itself.response(SAMPLE), dtype=np.float64)
    if found.shape == SAMPLE.shape:
        if np.array_equal(found, SAMPLE) and model.classes is None:
            return "identity"
        if np.allclose(found, np.exp(SAMPLE), rtol=1e-14) and model.classes is None:
            return "exp"
        if np.allclose(found, 1 / (1 + np.exp(-SAMPLE)), rtol=1e-14):
            return "logistic"
    raise ConfigurationError(
        f"the loss {model.loss!r} makes of η what SQL and ONNX of dgd have no form for; export the coefficients (csv)"
    )
