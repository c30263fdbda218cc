"""Families of measured columns: correlated, skewed, far from 0, clustered, drifting, weighted."""

from __future__ import annotations

import itertools

import numpy as np

from dgd.penalties import L1
from tests.families.family import Family, Matrix, Rows, labels, predictor


def _blocks(rng: np.random.Generator, rows: int) -> Matrix:
    """Eight blocks of six columns, with correlations of 0.99 within a block."""
    shared = np.repeat(rng.normal(size=(rows, 8)), 6, axis=1)
    return np.sqrt(0.99) * shared + np.sqrt(0.01) * rng.normal(size=shared.shape)


def blocks(rng: np.random.Generator, rows: int) -> Rows:
    """Correlated blocks, and labels."""
    X = _blocks(rng, rows)
    return Rows(X, labels(rng, predictor(rng, X)))


def classes(rng: np.random.Generator, rows: int) -> Rows:
    """Correlated blocks, and four classes of unequal size."""
    X = _blocks(rng, rows)[:, :24]
    eta = np.column_stack([predictor(rng, X, mean=level) for level in (0, 0, -1, -2)])
    return Rows(X, np.argmax(eta + rng.gumbel(size=eta.shape), axis=1))


def lognormal(rng: np.random.Generator, rows: int) -> Rows:
    """Amounts over several orders of magnitude, as they are, a thousandth of them a hundred times too large."""
    X = np.exp(1.2 * rng.normal(size=(rows, 30)) @ np.linalg.cholesky(0.5 * np.eye(30) + 0.5).T)
    eta = predictor(rng, np.log(X))
    X[rng.random(X.shape) < 1e-3] *= 100
    return Rows(X, labels(rng, eta))


def heavy_tails(rng: np.random.Generator, rows: int) -> Rows:
    """Student's t of three degrees, a row of which is far out in all of its columns."""
    X = rng.normal(size=(rows, 40)) / np.sqrt(rng.chisquare(3, size=(rows, 1)) / 3)
    return Rows(X, labels(rng, predictor(rng, X)))


def nearly_separable(rng: np.random.Generator, rows: int) -> Rows:
    """One label in 200 is on the wrong side of a plane, and there is no penalty."""
    X = rng.normal(size=(rows, 30))
    y = (predictor(rng, X) > 0).astype(float)
    flipped = rng.random(rows) < 0.005
    return Rows(X, np.where(flipped, 1 - y, y))


def weights(rng: np.random.Generator, rows: int) -> Rows:
    """Weights over six orders of magnitude."""
    X = _blocks(rng, rows)
    return Rows(X, labels(rng, predictor(rng, X)), weight=10.0 ** rng.uniform(-3, 3, rows))


def clusters(rng: np.random.Generator, rows: int) -> Rows:
    """Five clusters far apart, each of its own covariance, one after the other."""
    sizes = np.diff([0, *sorted((rng.dirichlet(np.ones(5))[:4].cumsum() * rows).astype(int)), rows])
    parts = [rng.normal(size=(size, 30)) @ rng.normal(size=(30, 30)) + 30 * rng.normal(size=30) for size in sizes]
    X = np.concatenate(parts)
    return Rows(X, labels(rng, predictor(rng, X)))


def products(rng: np.random.Generator, rows: int) -> Rows:
    """All products of up to three of six columns, whose means are three spreads from 0."""
    Z = 3 + rng.normal(size=(rows, 6))
    chosen = [each for k in (1, 2, 3) for each in itertools.combinations_with_replacement(range(6), k)]
    X = np.column_stack([Z[:, list(each)].prod(axis=1) for each in chosen])
    return Rows(X, labels(rng, predictor(rng, Z)))


def random_walks(rng: np.random.Generator, rows: int) -> Rows:
    """Columns that drift from row to row, as prices do."""
    X = np.cumsum(rng.normal(size=(rows, 25)), axis=0) / 100
    return Rows(X, labels(rng, predictor(rng, X)))


def rare(rng: np.random.Generator, rows: int) -> Rows:
    """One positive in 200 rows."""
    X = _blocks(rng, rows)
    return Rows(X, labels(rng, predictor(rng, X, mean=-6.5)))


def sorted_by_label(rng: np.random.Generator, rows: int) -> Rows:
    """All zeros first, then all ones."""
    found = blocks(rng, rows)
    order = np.argsort(found.y, kind="stable")
    return Rows(found.X[order], found.y[order])


def amounts(rng: np.random.Generator, rows: int) -> Rows:
    """Gamma amounts of shape 2, whose means span four orders of magnitude."""
    X = _blocks(rng, rows)
    return Rows(X, rng.gamma(2.0, np.exp(predictor(rng, X, spread=1.5)) / 2))


DENSE = (
    Family("correlated blocks", "logistic", blocks),
    Family("correlated blocks, l1", "logistic", blocks, L1(1e-3)),
    Family("four classes", "softmax", classes),
    Family("lognormal, outliers", "logistic", lognormal),
    Family("heavy tails", "logistic", heavy_tails),
    Family("nearly separable", "logistic", nearly_separable),
    Family("weights of 6 orders", "logistic", weights),
    Family("clusters in order", "logistic", clusters),
    Family("products of 3", "logistic", products),
    Family("random walks", "logistic", random_walks),
    Family("rare positives", "logistic", rare),
    Family("sorted by label", "logistic", sorted_by_label),
    Family("gamma amounts", "gamma", amounts),
)
