"""Coefficients with the names of features, outputs and classes, as xarray holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dgd.errors import ConfigurationError
from dgd.models.predictor import Predictor

if TYPE_CHECKING:
    from dgd.models.inference.inference import Inference


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


def inference_to_xarray(inference: Inference) -> Any:
    """An `xarray.Dataset` of estimate, standard_error, t_value, p_value, interval and covariance, all with names."""
    try:
        import xarray
    except ImportError as error:
        raise ConfigurationError("a labelled table needs xarray: python -m pip install xarray") from error
    dims: tuple[str, ...] = ("parameter",)
    coords: dict[str, Any] = {"parameter": list(inference.names), "bound": ["lower", "upper"]}
    kind = "class" if inference.joint else "output"
    if inference.outputs is not None:
        dims, coords[kind] = ("parameter", kind), list(inference.outputs)
    names = list(inference.parameters)
    between = ("parameter_1", "parameter_2")
    coords |= dict.fromkeys(between, names)
    separate = inference.outputs is not None and not inference.joint
    return xarray.Dataset(
        {
            "estimate": (dims, inference.estimates),
            "standard_error": (dims, inference.standard_errors),
            "t_value": (dims, inference.t_values),
            "p_value": (dims, inference.p_values),
            "interval": ((*dims, "bound"), inference.intervals),
            "covariance": (((kind,) if separate else ()) + between, inference.covariance),
        },
        coords=coords,
        attrs={"cov": inference.cov, "conf": inference.conf, "loss": inference.model.loss},
    )
