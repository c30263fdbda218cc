"""Coefficients as CSV: a row for the intercept and each column, a column for each output or class."""

from __future__ import annotations

import csv
import io

import numpy as np

from dgd.models.export.summands import feature_names
from dgd.models.predictor import Predictor

INTERCEPT = "(intercept)"


def coefficients_csv(model: Predictor) -> str:
    """Numbers with all their digits."""
    coef = model.coef.reshape(-1, model.n_features).T
    intercept = np.atleast_1d(np.asarray(model.intercept, dtype=np.float64))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *columns_of(model)])
    for name, row in zip((INTERCEPT, *feature_names(model)), [intercept, *coef], strict=True):
        writer.writerow([name, *map(repr, row.tolist())])
    return text.getvalue()


def columns_of(model: Predictor) -> list[str]:
    """What each output is called: the class, a number, or nothing else than a coefficient."""
    if not model.outputs:
        return ["coefficient"]
    labels = model.classes if model.loss == "softmax" and model.classes is not None else range(model.outputs[0])
    return [f"coefficient_{label}" for label in labels]
