"""Predictions with standard errors and intervals.

    η ± t* se(η)      and its ends through the link: e^η for rates, σ(η) for two classes      se(μ) = |dμ/dη| se(η)

Of K classes the standard error of p is that of its derivative, dp_k = p_k (dη_k − Σ p_j dη_j), and the interval is
symmetric in log(p/(1 − p)), so that it stays within 0 and 1. An interval for an observation, by the squared loss, has
the observation's own variance φ besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import ConfigurationError, ModelError
from dgd.errors.checks import checked_number, checked_word
from dgd.losses import Loss
from dgd.losses.base import NumberLoss
from dgd.models.inference.distributions import t_quantile
from dgd.models.inference.uncertainty import Uncertainty
from dgd.models.predictor import Predictor

COLUMNS = ("prediction", "standard_error", "lower", "upper")
"""What the last axis of such predictions holds."""
OF = ("mean", "observation")


@dataclass(frozen=True)
class Intervals:
    """Intervals of a confidence, for the expected target or for an observation."""

    conf: float
    of: str = "mean"

    @classmethod
    def asked(cls, model: Predictor, interval: Any, of: Any, *, probabilities: bool) -> Intervals | None:
        """Those that were asked for, None for none. Raises ConfigurationError or ModelError where there are none."""
        checked_word("predict(interval_of", of, OF)
        if interval is None:
            if of != "mean":
                raise ConfigurationError("`predict(interval_of=...)` goes with `interval=`, such as interval=0.95")
            return None
        if not checked_number("predict(interval", interval, above=0) < 1:
            raise ConfigurationError(
                f"`predict(interval=...)` must be above 0 and below 1, such as 0.95, got {interval!r}"
            )
        _check(model, of, probabilities=probabilities)
        return cls(float(interval), of)

    def __call__(self, model: Predictor, chunk: Chunk, raw: Array, buffers: Buffers) -> Array:
        """Prediction, standard error, lower and upper end of each row, (rows, …, 4)."""
        uncertainty = _uncertainty(model)
        width = t_quantile(1 - self.conf, uncertainty.df)
        if uncertainty.joint:
            return _of_classes(model, uncertainty, chunk, raw, width, buffers)
        squares = np.empty((len(raw), len(uncertainty.root)))
        for rows, errors in uncertainty.raw_errors(chunk, buffers):
            squares[rows] = np.einsum("rqk,rqk->rq", errors, errors)
        if self.of == "observation":
            squares += uncertainty.dispersion
        loss = model.loss_itself
        error = np.sqrt(squares).reshape(raw.shape)
        mean, low, high = (loss.response(eta) for eta in (raw, raw - width * error, raw + width * error))
        found = np.stack([mean, np.asarray(loss.response_slope(raw)) * error, low, high], axis=-1)
        if model.classes is None:
            return found
        other = found[..., [0, 1, 3, 2]].copy()
        other[..., [0, 2, 3]] = 1 - other[..., [0, 2, 3]]
        return np.stack([other, found], axis=1)


def _check(model: Predictor, of: str, *, probabilities: bool) -> None:
    uncertainty, loss = _uncertainty(model), model.loss_itself
    if of == "observation" and not loss.quadratic:
        raise ConfigurationError(
            f"an interval for an observation is known for the squared loss, and the model's is {model.loss!r}; leave "
            f"out `interval_of`, for an interval of the expected target"
        )
    if model.classes is not None and not probabilities:
        raise ConfigurationError("a class has no interval, its probability has: give `probabilities=True` as well")
    if model.classes is not None and model.outputs and not uncertainty.joint:
        raise ConfigurationError("of several targets of two classes there are no intervals; fit them one by one")
    if not (uncertainty.joint or _knows_slope(loss)):
        raise ConfigurationError(f"how the response of the loss {model.loss!r} follows η is not known: no intervals")


def _uncertainty(model: Predictor) -> Uncertainty:
    if model.uncertainty is None:
        raise ModelError(
            "the model has no covariance, which intervals need: a fit alone makes none. Predict with, or save, the "
            "model of an inference, `result.inference().model`; in the shell, fit with --inference and --out"
        )
    return model.uncertainty


def _knows_slope(loss: Loss) -> bool:
    """Whether the loss says how its response follows η: not one of the user's own with a response alone."""
    if type(loss).response is NumberLoss.response:
        return True
    return getattr(type(loss), "response_slope", NumberLoss.response_slope) is not NumberLoss.response_slope


def _of_classes(
    model: Predictor, uncertainty: Uncertainty, chunk: Chunk, raw: Array, width: float, buffers: Buffers
) -> Array:
    """Of the probabilities of K classes, (rows, K, 4)."""
    p = model.response(raw)
    error = np.empty_like(p)
    for rows, errors in uncertainty.raw_errors(chunk, buffers):
        share = p[rows]
        mean = np.einsum("rq,rqk->rk", share, errors)
        error[rows] = share * np.linalg.norm(errors - mean[:, None], axis=2)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds, half = np.log(p) - np.log1p(-p), width * error / (p * (1 - p))
        low, high = (1 / (1 + np.exp(-(odds + sign * half))) for sign in (-1, 1))
    ends = (np.where(np.isfinite(each), each, p) for each in (low, high))
    return np.stack([p, error, *ends], axis=-1)
