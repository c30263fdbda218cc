"""Losses in long double, in centred and scaled columns, with nothing of dgd in it.

The intercept is not judged by its gradient, in which a target's mean would stand: for given coefficients the best one
is found, and then compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LONG = np.longdouble
ROUNDS = 200


def derivative(loss: str, eta: Any, y: Any, delta: float) -> Any:
    """By η, of the loss as dgd defines it; of a softmax for each class."""
    if loss == "squared":
        return 2 * (eta - y)
    if loss == "huber":
        return np.clip(eta - y, -delta, delta)
    if loss == "poisson":
        return np.exp(np.minimum(eta, LONG(11000))) - y
    if loss == "logistic":
        return 1 / (1 + np.exp(-np.clip(eta, -11000, 11000))) - y
    e = np.exp(eta - eta.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) - (y[:, None] == np.arange(eta.shape[1]))


def second(loss: str, eta: Any, y: Any, delta: float) -> Any:
    """The second derivative, output by output."""
    if loss == "squared":
        return np.full_like(eta, 2)
    if loss == "huber":
        return (abs(eta - y) <= delta).astype(LONG)
    if loss == "poisson":
        return np.exp(np.minimum(eta, LONG(11000)))
    p = derivative(loss, eta, y * 0, delta)
    if loss == "softmax":
        p = p + (np.arange(eta.shape[1]) == 0)
    return p * (1 - p)


def best_constant(loss: str, eta: Any, y: Any, w: Any, delta: float, start: Any) -> Any:
    """What must be added to η so that Σ w·derivative = 0: by bisection, for a softmax by turns."""
    if loss == "squared":
        return (w * (y - eta)).sum() / w.sum()
    if loss != "softmax":
        return _root(lambda c: (w * derivative(loss, eta + c, y, delta)).sum(), LONG(start))
    shift = np.array(start, dtype=LONG)
    shares = np.array([w[y == k].sum() for k in range(eta.shape[1])], dtype=LONG) / w.sum()
    for _ in range(ROUNDS):
        p = derivative("softmax", eta + shift, y, delta) + (y[:, None] == np.arange(eta.shape[1]))
        mean = (w[:, None] * p).sum(axis=0) / w.sum()
        with np.errstate(all="ignore"):
            change = np.where(shares > 0, np.clip(np.log(shares / mean), -50, 50), 0)
        shift = shift + change
        if abs(change).max() < 1e-18:
            break
    return shift


def _root(slope: Any, start: Any) -> Any:
    """The zero of a function that does not fall."""
    width, low, high = max(abs(start) * LONG(1e-12), LONG(1e-6)), start, start
    for _ in range(ROUNDS):
        if slope(low) > 0:
            low -= width
        elif slope(high) < 0:
            high += width
        else:
            break
        width *= 2
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        if slope(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def least_subgradient(b: Any, gradient: Any, l1: Any, l2: Any, lower: Any, upper: Any) -> Any:
    """Of gradient + l2 b + ∂(l1|b| + bounds), the element of least norm."""
    s = gradient + l2 * b
    # A bound that is kept in scaled columns may come back a unit in its last place inside.
    near = 1e-15 * abs(b)
    left = np.where(b <= lower + near, -np.inf, s + np.where(b > 0, l1, -l1))
    right = np.where(b >= upper - near, np.inf, s + np.where(b < 0, -l1, l1))
    return np.clip(LONG(0), left, right)
