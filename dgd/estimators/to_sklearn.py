"""A model as scikit-learn's own: an estimator, or a Pipeline that makes the model's columns from those of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from dgd.data.design.design import Design
from dgd.data.design.terms.base import Term
from dgd.data.design.terms.categories import Categorical
from dgd.data.design.terms.numbers import Numeric
from dgd.errors import ConfigurationError
from dgd.models.export.link import link_of
from dgd.models.prediction.model_of import model_of
from dgd.models.predictor import Predictor


def to_sklearn(model: Any) -> BaseEstimator:
    """A fitted estimator of scikit-learn whose predictions are those of a model; it needs no dgd.

    model: a model, a result or an inference. A model of numbers is a `LinearRegression`, one of rates or amounts (the
    expected target is e^η) a `PoissonRegressor`, one of classes a `LogisticRegression`, whatever it was fitted with:
    what is used of them is `predict`, `predict_proba` and `decision_function`. A model of a table is a `Pipeline`,
    whose first step takes the columns by name, fills missing cells as the model does and encodes categories.

    Raises ConfigurationError for a model with an offset, several targets of rates or classes, and for a design with
    other terms than columns and categories, which scikit-learn has no encoder for.
    """
    found = model_of("to_sklearn", model)
    if found.provenance.get("offset") is not None:
        raise ConfigurationError(
            f"the model was fitted with the offset {found.provenance['offset']!r}, which scikit-learn's estimators "
            f"have no place for"
        )
    estimator = _estimator(found)
    if found.design is None:
        if found.feature_names is not None:
            estimator.feature_names_in_ = np.array(found.feature_names, dtype=object)
        return estimator
    return Pipeline([("columns", _columns(found.design)), ("model", estimator)])


def _estimator(model: Predictor) -> Any:
    """The coefficients in an estimator with the same link."""
    link, n = link_of(model), model.n_features
    if model.outputs and link != "softmax" and (link != "identity" or model.classes is not None):
        raise ConfigurationError("several targets of rates or of classes are several estimators; fit them one by one")
    if link == "logistic" and model.classes is None:
        raise ConfigurationError("a model of proportions has no counterpart in scikit-learn, whose targets are classes")
    # Fitted to nothing, so that all that `predict` uses is there; then its coefficients are replaced.
    dummy = np.zeros((3, n))
    if link in ("identity", "exp"):
        estimator: Any = LinearRegression() if link == "identity" else PoissonRegressor()
        estimator.fit(dummy, np.ones(3))
        estimator.coef_, estimator.intercept_ = model.coef.copy(), _plain(model.intercept)
        return estimator
    assert model.classes is not None
    estimator = LogisticRegression()
    estimator.fit(dummy, np.array([0, 1, 2]) if link == "softmax" else np.array([0, 1, 1]))
    estimator.classes_ = np.array(model.classes)
    estimator.coef_ = np.atleast_2d(model.coef).copy()
    estimator.intercept_ = np.atleast_1d(np.asarray(model.intercept, dtype=np.float64)).copy()
    return estimator


def _plain(intercept: Any) -> Any:
    return float(intercept) if np.ndim(intercept) == 0 else np.array(intercept)


def _columns(design: Design) -> ColumnTransformer:
    """What makes the columns of X of a table's, in their order."""
    steps: list[Any] = []
    for factors in (factors for products in design.products for factors in products):
        if len(factors) > 1:
            raise _no_encoder(":".join(factor.label for factor, _ in factors), "interaction")
        ((term, full),) = factors
        steps.append((f"{len(steps)} {term.label}", _encoder(term, full=full), list(term.columns)))
    made = ColumnTransformer(steps, sparse_threshold=0, verbose_feature_names_out=False)
    return made.fit(_rows_of_each_level(design))


def _encoder(term: Term, *, full: bool) -> Any:
    if isinstance(term, Numeric) and term.expression.column is not None:
        fill = term.mean if term.fill == "mean" else term.fill
        if fill is None:
            return "passthrough"
        indicator = bool(term.indicator and term.has_missing)
        return SimpleImputer(strategy="constant", fill_value=float(fill), add_indicator=indicator)
    if isinstance(term, Categorical) and not (term.missing == "level" and term.has_missing):
        levels = list(term.levels or ())
        left_out = [level for level in levels if f"{term.column}[{level}]" not in term.names(full=full)]
        return OneHotEncoder(
            categories=[np.array(levels, dtype=object if isinstance(levels[0], str) else None)],
            drop=np.array(left_out, dtype=object) if left_out else None,
            handle_unknown="ignore" if term.unknown == "ignore" else "error",
            sparse_output=False,
        )
    raise _no_encoder(term.label, term.kind)


def _no_encoder(label: str, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"{label!r} is a term of the kind {kind!r}, which scikit-learn has no encoder for; columns and categories have "
        f"one. SQL and ONNX also take products and arithmetic: `dgd.export`"
    )


def _rows_of_each_level(design: Design) -> Any:
    """A table with a row for each kind of cell, for the encoders to be fitted on."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for term in design.factors:
        if isinstance(term, Categorical):
            levels = term.levels or ()
            columns[term.column] = [levels[0], levels[-1]]
        else:
            columns.setdefault(term.columns[0], [1.0, np.nan if term.fills else 0.0])
    return pd.DataFrame(columns)
