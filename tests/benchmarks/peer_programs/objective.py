"""The objective that every peer minimises, in NumPy: its value at a point, and how near that is to the least.

F(B, c) = 1/m Σ loss(yᵢ, Bxᵢ + c) + l2/2 ‖B‖², without a penalty on the intercept c
gap     = (F(B, c) − F*) / (F(0, 0) − F*)

A point is a matrix (outputs, columns + 1), the intercept last. Values are summed in float64.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WANTED = 1e-6
BLOCK_ROWS = 16_384
NEAR = 0.5
"""A part of WANTED: a point whose upper bound is below that ends a run."""


class Objective:
    """F over the rows in a folder: X.npy, y.npy, problem.json, and, once they are known, optimum.npy and its F*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        facts = json.loads((folder / "problem.json").read_text())
        self.loss: str = facts["loss"]
        self.outputs: int = facts["outputs"]
        self.l2: float = facts["l2"]
        self.first: float = facts.get("first", np.nan)
        self.least: float = facts.get("least", np.nan)
        self.curvature: float = facts.get("curvature", np.nan)
        self.X = np.load(folder / "X.npy", mmap_mode="r")
        self.y = np.load(folder / "y.npy", mmap_mode="r")
        optimum = folder / "optimum.npy"
        self.optimum = np.load(optimum) if optimum.exists() else None

    def values(self, points: list[Any]) -> list[float]:
        """F at each of some points, by one reading of the data."""
        sums = np.zeros(len(points))
        for start in range(0, len(self.X), BLOCK_ROWS):
            X = np.asarray(self.X[start : start + BLOCK_ROWS], dtype=np.float64)
            y = np.asarray(self.y[start : start + BLOCK_ROWS])
            for k, point in enumerate(points):
                sums[k] += loss_sum(self.loss, X @ point[:, :-1].T + point[:, -1], y)
        penalties = [0.5 * self.l2 * float((point[:, :-1] ** 2).sum()) for point in points]
        return [float(value) for value in sums / len(self.X) + penalties]

    def gaps(self, points: list[Any]) -> list[float]:
        """(F − F*) / (F₀ − F*) at each."""
        return [(value - self.least) / (self.first - self.least) for value in self.values(points)]

    def is_near(self, point: Any) -> bool:
        """Whether L/2 ‖θ − θ*‖² says that the gap is below WANTED; L is the largest curvature at the optimum."""
        if self.optimum is None:
            return False
        away = self.centred(point) - self.centred(self.optimum)
        bound = 0.5 * self.curvature * float((away**2).sum())
        return bound <= NEAR * WANTED * (self.first - self.least)

    def centred(self, point: Any) -> Any:
        """The same F with intercepts of sum 0: those of classes may all be shifted."""
        if self.loss != "softmax":
            return point
        return np.column_stack([point[:, :-1], point[:, -1] - point[:, -1].mean()])


def loss_sum(loss: str, eta: Any, y: Any) -> float:
    """Σ loss(y, η) over rows; η of shape (rows, outputs)."""
    if loss == "softmax":
        top = eta.max(axis=1)
        chosen = eta[np.arange(len(y)), y.astype(np.int64)]
        return float((top + np.log(np.exp(eta - top[:, None]).sum(axis=1)) - chosen).sum())
    eta, y = eta[:, 0], y.astype(np.float64)
    if loss == "squared":
        return float(((eta - y) ** 2).sum())
    if loss == "logistic":
        return float((np.logaddexp(0.0, eta) - y * eta).sum())
    return float((np.exp(eta) - y * eta).sum())
