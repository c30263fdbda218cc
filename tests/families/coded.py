"""Families of codes: dummies and their interactions, groups of a panel, hashed levels, genotypes."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from dgd.penalties import L2
from tests.families.family import Family, Matrix, Rows, labels, predictor


def _codes(rng: np.random.Generator, rows: int, levels: int, power: float) -> Matrix:
    """Levels of which the k-th is as frequent as k^−power."""
    weight = np.arange(1, levels + 1.0) ** -power
    return rng.choice(levels, size=rows, p=weight / weight.sum())


def _dummies(codes: Matrix, levels: int) -> Matrix:
    return (codes[:, None] == np.arange(1, levels)).astype(np.float32)


def interactions(rng: np.random.Generator, rows: int) -> Rows:
    """Two factors of 6 and 9 levels of unequal frequency, and their interaction."""
    a, b = _codes(rng, rows, 6, 1.0), _codes(rng, rows, 9, 1.0)
    A, B = _dummies(a, 6), _dummies(b, 9)
    both = (A[:, :, None] * B[:, None, :]).reshape(rows, -1)
    X = np.column_stack([A, B, both, rng.normal(size=(rows, 3))]).astype(np.float32)
    return Rows(X, labels(rng, predictor(rng, X)))


def panel(rng: np.random.Generator, rows: int) -> Rows:
    """A panel of 80 groups, in their order: an effect of each, and columns that differ more between than within."""
    group = np.sort(_codes(rng, rows, 80, 0.7))
    between = rng.normal(size=(80, 12))[group]
    X = np.column_stack([_dummies(group, 80), between + 0.2 * rng.normal(size=between.shape)])
    return Rows(X, labels(rng, predictor(rng, X)))


def hashed(rng: np.random.Generator, rows: int) -> Rows:
    """Three texts of thousands of levels, hashed into 64 columns of signs each."""
    parts = []
    for levels in (500, 2_000, 10_000):
        code = _codes(rng, rows, levels, 1.1)
        bucket, sign = rng.integers(0, 64, levels)[code], rng.choice([-1.0, 1.0], levels)[code]
        parts.append((bucket[:, None] == np.arange(64)) * sign[:, None])
    X = np.column_stack(parts).astype(np.float32)
    return Rows(X, labels(rng, predictor(rng, X)))


def genotypes(rng: np.random.Generator, rows: int) -> Rows:
    """0, 1, 2 copies of 400 alleles, neighbours of which are inherited together; many are rare."""
    below = np.array([NormalDist().inv_cdf(share) for share in rng.beta(0.5, 2.0, 400).clip(0.005, 0.5)])
    total = np.zeros((rows, 400), dtype=np.float32)
    for _ in range(2):
        shared = np.empty((rows, 400))
        shared[:, 0] = rng.normal(size=rows)
        for j in range(1, 400):
            shared[:, j] = 0.9 * shared[:, j - 1] + np.sqrt(1 - 0.81) * rng.normal(size=rows)
        total += shared < below
    return Rows(total, labels(rng, predictor(rng, total)))


CODED = (
    Family("interactions of dummies", "logistic", interactions, L2(1e-5)),
    Family("panel of groups", "logistic", panel, L2(1e-5)),
    Family("hashed levels", "logistic", hashed, L2(1e-5)),
    Family("genotypes", "logistic", genotypes, L2(1e-5), rows=40_000),
)
