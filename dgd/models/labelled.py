"""Coefficients with the names of features, outputs and classes, as xarray holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd.errors import ConfigurationError
from dgd.models.predictor import Predictor


def to_xarray(model: Predictor) -> Any:
    """An `xarray.Dataset` of coef, by feature and output or class, and intercept.

    The dimensions are "feature" and, with several outputs, "class" or "output". ConfigurationError: no xarray.
    """
    try:
        import xarray
    except ImportError as error:
        raise ConfigurationError("labelled coefficients need xarray: python -m pip install xarray") from error
    names = model.feature_names or tuple(f"x{j}" for j in range(model.n_features))
    coords: dict[str, Any] = {"feature": list(names)}
    dims: tuple[str, ...] = ()
    if model.outputs:
        kind = "output" if model.classes is None else "class"
        dims = (kind,)
        coords[kind] = np.arange(model.outputs[0]) if model.classes is None else list(model.classes)
    attributes = {"loss": model.loss, **({"target": model.target_name} if model.target_name else {})}
    return xarray.Dataset(
        {"coef": ((*dims, "feature"), model.coef), "intercept": (dims, np.asarray(model.intercept))},
        coords=coords,
        attrs=attributes,
    )
