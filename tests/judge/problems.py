"""A random problem for each seed: columns scaled, far from 0, repeated, constant; targets far from 0; weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import dgd
from dgd.testing import MemoryChunks

LOSSES = ("squared", "squared", "huber", "logistic", "poisson", "softmax")
SMOOTH = ("auto", "auto", "newton", "lbfgs", "nesterov", "barzilai-borwein", "gd")
SHARP = ("auto", "auto", "newton", "fista")


@dataclass(frozen=True)
class Problem:
    """Arrays, and the arguments of `fit`."""

    seed: int
    X: Any
    y: Any
    w: Any
    loss: str
    strengths: tuple[float, float, float, float]
    """l1, l2, lower, upper."""
    options: dict[str, Any]
    bounds: Any

    def data(self) -> dgd.Dataset:
        """In its chunks."""
        more = {} if self.w is None else {"weight": MemoryChunks("weight", self.w, self.bounds)}
        return dgd.Dataset(X=MemoryChunks("X", self.X, self.bounds), y=MemoryChunks("y", self.y, self.bounds), **more)

    def fit(self) -> dgd.Result:
        """By dgd."""
        l1, l2, lower, upper = self.strengths
        penalty: Any = dgd.penalties.NoPenalty()
        if np.isfinite([lower, upper]).any():
            penalty = dgd.penalties.Box(lower=lower, upper=upper, l1=l1, l2=l2)
        elif l1:
            penalty = dgd.penalties.ElasticNet(l1=l1, l2=l2)
        elif l2:
            penalty = dgd.penalties.L2(l2)
        loss: Any = dgd.losses.Softmax(3) if self.loss == "softmax" else self.loss
        return dgd.fit(self.data(), loss=loss, penalty=penalty, threads=1, **self.options)

    def __str__(self) -> str:
        weighted = "" if self.w is None else ", weighted"
        return f"{self.loss} {self.X.shape} {self.X.dtype}{weighted} {self.strengths} {self.options}"


def problem(seed: int) -> Problem:
    """That of a seed."""
    rng = np.random.default_rng(seed)
    loss = str(rng.choice(LOSSES))
    m, n = int(rng.integers(3, 300)), int(rng.integers(1, 12))
    Z = rng.normal(size=(m, n))
    if rng.random() < 0.3:
        Z = Z @ rng.normal(size=(n, n))
    eta = Z @ rng.normal(size=n) / np.sqrt(n)
    X = _spoilt(Z, rng)
    dtype = rng.choice(["f8", "f8", "f8", "f4", "i8"])
    X = np.round(X * 64).astype("i8") if dtype == "i8" else X.astype(dtype)
    intercept = bool(rng.random() < 0.8)
    y = _targets(loss, eta, rng)
    w = rng.integers(0, 4, size=m).astype(float) if rng.random() < 0.25 else None
    if w is not None and not w.sum():
        w = None
    l1, l2, lower, upper = 0.0, 0.0, -np.inf, np.inf
    kind = rng.random()
    if kind < 0.25:
        l2 = float(10.0 ** rng.integers(-8, 2))
    elif kind < 0.45:
        l1 = float(10.0 ** rng.integers(-4, 0))
        l2 = float(rng.choice([0.0, 0.1]))
    elif kind < 0.6:
        lower, upper = float(rng.choice([-np.inf, 0.0, -0.3])), float(rng.choice([np.inf, 0.5]))
    bounded = np.isfinite([lower, upper]).any()
    solver = str(rng.choice(SHARP if l1 or bounded else SMOOTH + (("cg",) if loss == "squared" else ())))
    options: dict[str, Any] = {"solver": solver, "fit_intercept": intercept, "max_iter": 300}
    if rng.random() < 0.15:
        options["standardize"] = False
    if rng.random() < 0.2:
        options["tol"] = float(rng.choice([1e-4, 1e-8]))
    rows = int(rng.integers(1, m + 1))
    bounds = np.append(np.arange(0, m, rows), m)
    return Problem(seed, X, y, w, loss, (l1, l2, lower, upper), options, bounds)


def _spoilt(Z: Any, rng: Any) -> Any:
    X, n = Z.copy(), Z.shape[1]
    kind = rng.random()
    if kind < 0.25:
        X = X * 10.0 ** rng.integers(-6, 7, size=n)
    if 0.15 < kind < 0.5:
        X = X + X.std(axis=0) * 10.0 ** rng.integers(0, 10, size=n) * rng.choice([-1, 0, 1], size=n)
    if n > 1 and rng.random() < 0.15:
        X[:, -1] = X[:, 0]
    if n > 1 and rng.random() < 0.15:
        X[:, -1] = rng.choice([1.0, 7.0, 0.1, -3e5])
    if n > 2 and rng.random() < 0.1:
        X[:, 1] = X[:, 0] + 1e-5 * X[:, 1]
    return X


def _targets(loss: str, eta: Any, rng: Any) -> Any:
    m = len(eta)
    if loss in ("squared", "huber"):
        noise = rng.normal(size=m) if rng.random() < 0.7 else rng.standard_t(2, size=m)
        y = np.round((eta + rng.choice([0.01, 1.0]) * noise) * 1024) / 1024
        return y + float(rng.choice([0, 0, 290, 2e5, 1e6, 1.7e9]))
    if loss == "logistic":
        return (eta + rng.logistic(size=m) > rng.choice([0, 0, 2])).astype(float)
    if loss == "poisson":
        return rng.poisson(np.exp(np.minimum(eta + rng.choice([0, 3, 10]), 20))).astype(float)
    return np.digitize(eta + rng.normal(size=m), [-0.5, 0.7]).astype(float)
