"""Families of counts: with exposures, seasons, excess zeros, splines, and of words."""

from __future__ import annotations

import numpy as np

from dgd.penalties import L2
from tests.families.family import Family, Matrix, Rows, counts, labels, predictor


def exposures(rng: np.random.Generator, rows: int) -> Rows:
    """Counts of exposures over four orders of magnitude, whose logarithms are offsets."""
    X = rng.normal(size=(rows, 20)) @ rng.normal(size=(20, 20))
    offset = np.log(10.0) * rng.uniform(-2, 2, rows)
    return Rows(X, counts(rng, predictor(rng, X, spread=0.7) + offset), offset=offset)


def seasons(rng: np.random.Generator, rows: int) -> Rows:
    """Counts by the hour: a trend, its square, harmonics of a day, a week and a year, and days of the week."""
    t = np.arange(rows, dtype=float)
    waves = [f(2 * np.pi * k * t / period) for period in (24, 168, 8766) for k in (1, 2, 3) for f in (np.sin, np.cos)]
    days = (t[:, None] // 24 % 7 == np.arange(1, 7)).astype(float)
    X = np.column_stack([t, t * t, *waves, days])
    return Rows(X, counts(rng, predictor(rng, X, spread=0.8, mean=1.0)))


def excess_zeros(rng: np.random.Generator, rows: int) -> Rows:
    """Counts of which seven in ten are 0 whatever the columns say."""
    X = rng.normal(size=(rows, 30)) @ rng.normal(size=(30, 30))
    y = counts(rng, predictor(rng, X, spread=1.0, mean=1.0))
    return Rows(X, np.where(rng.random(rows) < 0.7, 0.0, y))


def _powers(x: Matrix, knots: int) -> Matrix:
    """A cubic spline's truncated powers."""
    x = (x - x.min()) / (x.max() - x.min())
    at = np.quantile(x, np.linspace(0, 1, knots + 2)[1:-1])
    return np.column_stack([x, x**2, x**3, np.maximum(x[:, None] - at, 0) ** 3])


def splines(rng: np.random.Generator, rows: int) -> Rows:
    """Cubic splines of five columns with five knots each, by truncated powers: columns that are nearly dependent."""
    Z = rng.gamma(2.0, size=(rows, 5))
    eta = 0.5 * np.sin(2 * Z).sum(axis=1)
    return Rows(np.column_stack([_powers(z, 5) for z in Z.T]), counts(rng, eta))


def _words(rng: np.random.Generator, rows: int, vocabulary: int) -> Matrix:
    """Counts of words whose frequencies are Zipf's, about 40 a row."""
    often = 40 / np.arange(1, vocabulary + 1) / np.log(vocabulary)
    topics = rng.gamma(2.0, 0.5, size=(5, vocabulary))
    rates = (often * topics)[rng.integers(0, 5, rows)]
    return rng.poisson(rates).astype(np.float32)


def words(rng: np.random.Generator, rows: int) -> Rows:
    """Counts of 200 words, and a label."""
    X = _words(rng, rows, 200)
    return Rows(X, labels(rng, predictor(rng, X)))


def many_words(rng: np.random.Generator, rows: int) -> Rows:
    """Counts of 600 words, and a label."""
    X = _words(rng, rows, 600)
    return Rows(X, labels(rng, predictor(rng, X)))


COUNTED = (
    Family("exposures of 4 orders", "poisson", exposures),
    Family("trend and seasons", "poisson", seasons),
    Family("excess zeros", "poisson", excess_zeros),
    Family("splines", "poisson", splines),
    Family("words", "logistic", words, L2(1e-6)),
    Family("words, many", "logistic", many_words, L2(1e-6), rows=40_000),
)
