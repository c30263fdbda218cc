"""The problems of the peers' table: rows drawn from a linear model, in the files that peers read, and the least F.

columns     float32, of deviation 1; their correlations have condition 100
squared     y = η + noise           logistic   y = 1 where η + logistic noise > 0
poisson     y ~ Poisson(e^η)        softmax    y = the largest of 50 ηⱼ + Gumbel noise; l2 = 1e-5
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dgd
from dgd.losses import Softmax
from dgd.penalties import L2

from ._conditioned import correlated
from .peer_programs.objective import Objective

CONDITION = 100.0
BLOCK_ROWS = 50_000
LARGEST_WEIGHT = {"squared": 2.0, "logistic": 0.25, "softmax": 0.5}
"""Second derivatives of a row's loss are not above that, whatever the point."""


@dataclass(frozen=True)
class Problem:
    """One of them, and its size."""

    loss: str
    columns: int = 50
    outputs: int = 1
    l2: float = 0.0
    part: float = 1.0
    """Of the rows that are asked for."""


PROBLEMS = {
    "squared": Problem("squared"),
    "logistic": Problem("logistic"),
    "softmax": Problem("softmax", columns=100, outputs=50, l2=1e-5, part=0.2),
    "poisson": Problem("poisson"),
}


def write(folder: Path, problem: Problem, rows: int) -> None:
    """`train.zarr` (uncompressed chunks of 4 MiB), X.npy, y.npy, problem.json, and optimum.npy."""
    folder.mkdir()
    rows = max(1, int(rows * problem.part))
    rng = np.random.default_rng(0)
    mixed = correlated(rng, problem.columns, CONDITION).astype(np.float32)
    B = rng.normal(size=(problem.columns, problem.outputs))
    B *= {"poisson": 0.5}.get(problem.loss, 1.5) / np.linalg.norm(mixed @ B, axis=0)
    all_X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (rows, problem.columns))
    all_y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, (rows,))
    with dgd.DatasetWriter(folder / "train.zarr") as writer:
        for start in range(0, rows, BLOCK_ROWS):
            X = rng.standard_normal((min(BLOCK_ROWS, rows - start), problem.columns), dtype=np.float32) @ mixed
            y = targets(rng, X @ B + 0.3, problem.loss).astype(np.float32)
            writer.append(X, y)
            all_X[start : start + len(X)], all_y[start : start + len(X)] = X, y
    all_X.flush()
    all_y.flush()
    facts = {"loss": problem.loss, "outputs": problem.outputs, "l2": problem.l2}
    (folder / "problem.json").write_text(json.dumps(facts))
    found = optimum(folder, facts)
    objective = Objective(folder)
    first, least = objective.values([np.zeros_like(found), found])
    np.save(folder / "optimum.npy", found)
    few = min(rows, 2000)
    with dgd.DatasetWriter(folder / "few.zarr") as writer:
        writer.append(all_X[:few], all_y[:few])
    facts |= {"first": first, "least": least, "curvature": curvature(objective, found)}
    (folder / "problem.json").write_text(json.dumps(facts))


def targets(rng: np.random.Generator, eta: Any, loss: str) -> Any:
    """Drawn from the model, for η of shape (rows, outputs)."""
    if loss == "softmax":
        return (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    eta = eta[:, 0]
    if loss == "squared":
        return eta + rng.normal(size=len(eta))
    return rng.poisson(np.exp(eta)) if loss == "poisson" else eta + rng.logistic(size=len(eta)) > 0


def optimum(folder: Path, facts: dict[str, Any]) -> Any:
    """The point of least F, by dgd; a peer that ends below it is told of in the table."""
    penalty = L2(facts["l2"]) if facts["l2"] else None
    loss = Softmax(facts["outputs"]) if facts["loss"] == "softmax" else facts["loss"]
    fitted = dgd.fit(str(folder / "train.zarr"), loss=loss, penalty=penalty, tol=1e-8, threads=2)
    return np.column_stack([fitted.coef_.reshape(facts["outputs"], -1), np.ravel(fitted.intercept_)])


def curvature(objective: Objective, point: Any) -> float:
    """The largest eigenvalue of the Hessian there, or a bound of it."""
    columns = objective.X.shape[1] + 1
    H = np.zeros((columns, columns))
    for start in range(0, len(objective.X), BLOCK_ROWS):
        A = np.column_stack(
            [objective.X[start : start + BLOCK_ROWS], np.ones(len(objective.X[start : start + BLOCK_ROWS]))]
        )
        eta = A[:, :-1] @ point[:, :-1].T + point[:, -1] if objective.loss == "poisson" else 0.0
        H += A.T @ (A * (np.exp(eta) if objective.loss == "poisson" else LARGEST_WEIGHT[objective.loss]))
    return float(np.linalg.eigvalsh(H / len(objective.X))[-1]) + objective.l2
