"""What scikit-learn fits to a design, and a few Newton steps in the precision of `long double` beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model, metrics

STEPS = 4


def fitted(loss: str, X: np.ndarray, y: np.ndarray, l2: float) -> np.ndarray:
    """Coefficients, a column a class (one for numbers), with the intercept first, in the units of X."""
    centre = np.zeros(X.shape[1]) if l2 else X.mean(axis=0)
    scale = np.ones(X.shape[1]) if l2 else X.std(axis=0)
    Z = (X - centre) / scale
    model = estimator(loss, len(y), l2).fit(Z, y)
    theta = np.vstack([np.atleast_1d(model.intercept_), np.atleast_2d(model.coef_).T])
    Z = np.column_stack([np.ones(len(Z)), Z])
    for _ in range(STEPS):
        theta = theta - step(loss, Z, y, theta, l2)
    theta[1:] /= scale[:, None]
    theta[0] -= centre @ theta[1:]
    return theta


def estimator(loss: str, rows: int, l2: float) -> Any:
    """scikit-learn's."""
    exact = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 200}
    if loss == "squared":
        return linear_model.LinearRegression() if not l2 else linear_model.Ridge(l2 * rows, solver="cholesky")
    if loss in ("logistic", "softmax"):
        return linear_model.LogisticRegression(C=1 / (l2 * rows) if l2 else np.inf, **exact)
    return {"poisson": linear_model.PoissonRegressor, "gamma": linear_model.GammaRegressor}[loss](alpha=l2, **exact)


def step(loss: str, Z: np.ndarray, y: np.ndarray, theta: np.ndarray, l2: float) -> np.ndarray:
    """A Newton step: the gradient in long double, the Hessian in double."""
    long = Z.astype(np.longdouble)
    eta = long @ theta.astype(np.longdouble)
    ridge = np.full((*theta.shape,), l2)
    ridge[0] = 0
    if loss == "softmax":
        classes = np.unique(y)
        p = np.exp(eta - eta.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        residual = p - (y[:, None] == classes)
        weights = [[p[:, a] * ((a == b) - p[:, b]) for b in range(len(classes))] for a in range(len(classes))]
        hessian = np.block([[(Z.T * w.astype(float)) @ Z / len(y) for w in line] for line in weights])
    else:
        mean = 1 / (1 + np.exp(-eta)) if loss == "logistic" else eta if loss == "squared" else np.exp(eta)
        target = (y == np.unique(y)[1] if loss == "logistic" else y).astype(np.longdouble)[:, None]
        residual = 1 - target / mean if loss == "gamma" else mean - target
        w = {"logistic": mean * (1 - mean), "squared": mean**0, "poisson": mean, "gamma": target / mean}[loss]
        hessian = (Z.T * w[:, 0].astype(float)) @ Z / len(y)
    gradient = (long.T @ residual / len(y) + ridge * theta).astype(float)
    flat = np.linalg.lstsq(hessian + np.diag(ridge.T.ravel()), gradient.T.ravel(), rcond=1e-13)[0]
    return np.asarray(flat.reshape(gradient.T.shape).T)


def predicted(loss: str, X: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Means, or a probability a class."""
    eta = theta[0] + X @ theta[1:]
    if loss == "softmax":
        p = np.exp(eta - eta.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))
    if loss == "logistic":
        p = 1 / (1 + np.exp(-eta))
        return np.column_stack([1 - p[:, 0], p[:, 0]])
    return np.asarray(eta[:, 0] if loss == "squared" else np.exp(eta[:, 0]))


def error(loss: str, y: np.ndarray, prediction: np.ndarray) -> tuple[str, float]:
    """The name and value of a metric of `dgd score`."""
    if loss in ("logistic", "softmax"):
        # Not metrics.log_loss, which cuts probabilities off at 2e-16.
        return "log_loss", -np.log(prediction[np.arange(len(y)), np.unique(y, return_inverse=True)[1]]).mean()
    return "mse", metrics.mean_squared_error(y, prediction)
