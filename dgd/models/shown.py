"""A model as a notebook shows it: a few lines of HTML, however many coefficients it has."""

from __future__ import annotations

import numpy as np

from dgd.errors.markup import facts, table
from dgd.models.predictor import Predictor

LARGEST = 10
"""Coefficients that are shown, of each of the first outputs."""
OUTPUTS = 4
SHOWN = ("rows", "dataset", "solver", "status", "passes")
"""Of its provenance."""


def model_html(model: Predictor) -> str:
    """Its loss, size, and largest coefficients."""
    pairs: list[tuple[str, object]] = [("loss", model.loss), ("columns", f"{model.n_features:,}")]
    if model.classes is not None:
        more = "" if len(model.classes) <= LARGEST else f" and {len(model.classes) - LARGEST:,} more"
        pairs.append(("classes", ", ".join(str(label)[:30] for label in model.classes[:LARGEST]) + more))
    known = model.provenance
    pairs += [(name, known[name]) for name in SHOWN if known.get(name) is not None]
    return facts("dgd.Model", pairs) + coefficients_html(model)


def coefficients_html(model: Predictor) -> str:
    """The intercept, and the coefficients of the largest size in any output, largest first."""
    coef = np.atleast_2d(model.coef)
    largest = np.argsort(-np.abs(coef).max(axis=0), kind="stable")[:LARGEST]
    names = model.feature_names or tuple(f"x{j}" for j in range(model.n_features))
    rows = [["intercept", *(f"{b:.6g}" for b in np.atleast_1d(model.intercept)[:OUTPUTS])]]
    rows += [[names[j], *(f"{b:.6g}" for b in coef[:OUTPUTS, j])] for j in largest]
    left = model.n_features - len(largest)
    if left > 0:
        rows.append([f"… and {left:,} smaller ones"])
    labels = model.classes if model.classes is not None and len(coef) == len(model.classes) else range(len(coef))
    head = ["coefficient", *(str(label) for label in list(labels)[:OUTPUTS])] if len(coef) > 1 else []
    return table(rows, head)
