"""A model as a sum over the columns of a table: what SQL and ONNX are written from.

    η = b₀ + Σ summands        a summand: a product of numbers, times an entry of a table of coefficients

A number is arithmetic on columns; the entry is at the levels of some categories, and has a value for each output. It is
0 for a level without a column, and NaN where there is no prediction: for a missing cell, or a level that is not known.
"""

from __future__ import annotations

import ast
import itertools
import math
from dataclasses import dataclass

import numpy as np

from dgd._typing import Array
from dgd.data.design.columns import Level
from dgd.data.design.terms.base import Term
from dgd.data.design.terms.categories import Categorical
from dgd.data.design.terms.numbers import Numeric, Ordinal
from dgd.data.design.terms.polynomial import Polynomial
from dgd.errors import ConfigurationError
from dgd.models.predictor import Predictor


@dataclass(frozen=True)
class Number:
    """Arithmetic on columns; `fill` where it is missing, or 1 there and 0 elsewhere."""

    tree: ast.expr
    fill: float | None = None
    says_missing: bool = False


@dataclass(frozen=True)
class Category:
    """A column of levels; after them stand a missing cell, and any other level."""

    column: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Summand:
    """A product of numbers, times `table[level of each category]`, of shape (levels + 2, …, outputs)."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    table: Array


def summands(model: Predictor) -> list[Summand]:
    """Those of a model, in the order of its columns. Raises ConfigurationError for a term that has no such form."""
    _check_offset(model)
    coef = model.coef.reshape(-1, model.n_features).T
    if model.design is None:
        names = feature_names(model)
        return [Summand((Number(ast.Name(name)),), (), row) for name, row in zip(names, coef, strict=True)]
    found: list[Summand] = []
    place = 0
    for factors in (factors for products in model.design.products for factors in products):
        for numbers, categories in _blocks(factors):
            width = math.prod(each.columns for each in categories)
            table = _table(coef[place : place + width], categories) if width else None
            if table is not None:
                found.append(Summand(numbers, tuple(each.category for each in categories), table))
            place += width
    assert place == len(coef), (place, coef.shape)
    return found


def feature_names(model: Predictor) -> tuple[str, ...]:
    """The names of the columns, x0, x1, … where they have none."""
    return model.feature_names or tuple(f"x{j}" for j in range(model.n_features))


def input_columns(model: Predictor) -> tuple[str, ...]:
    """The columns of a table that a prediction reads."""
    return feature_names(model) if model.design is None else model.design.columns


NONE, NO_VALUE = -1, -2
"""Of a level: that it has no column, and that there is no prediction."""


@dataclass(frozen=True)
class _Coded:
    """A category, how many columns it has, and the column of each level, of a missing cell and of any other level."""

    category: Category
    columns: int
    places: tuple[int, ...]
    ranks: tuple[float, ...] = ()
    """Of ordered levels, what each counts for."""


def _blocks(factors: tuple[tuple[Term, bool], ...]) -> list[tuple[tuple[Number, ...], tuple[_Coded, ...]]]:
    """What stands side by side in a product: each product of columns of numbers, times the categories."""
    blocks: list[tuple[tuple[Number, ...], tuple[_Coded, ...]]] = [((), ())]
    for factor, full in factors:
        if isinstance(factor, Categorical):
            coded = _coded(factor, full=full)
            blocks = [(numbers, (*categories, coded)) for numbers, categories in blocks]
        elif isinstance(factor, Ordinal):
            blocks = [(numbers, (*categories, _ordered(factor))) for numbers, categories in blocks]
        elif isinstance(factor, Numeric | Polynomial):
            each = _numbers(factor) if isinstance(factor, Numeric) else _powers(factor)
            blocks = [((*numbers, one), categories) for numbers, categories in blocks for one in each]
        else:
            raise ConfigurationError(
                f"{factor.label!r} is a term of the kind {factor.kind!r}, which SQL and ONNX of dgd have no form for; "
                f"columns, arithmetic on them, polynomials, categories and their products have one"
            )
    return blocks


def _numbers(term: Numeric) -> list[Number]:
    fill = term.mean if term.fill == "mean" else term.fill
    value = Number(term.expression.tree, None if fill is None else float(fill))
    return [value, Number(value.tree, says_missing=True)] if term.indicator and term.has_missing else [value]


def _powers(term: Polynomial) -> list[Number]:
    """By Horner's rule, in t = (x − c) / s where they are orthogonal."""
    x = term.expression.tree
    if term.weights is None:
        return [Number(ast.BinOp(x, ast.Pow(), ast.Constant(k))) for k in range(1, term.degree + 1)]
    assert term.centre is not None
    assert term.scale is not None
    t = ast.BinOp(ast.BinOp(x, ast.Sub(), ast.Constant(term.centre)), ast.Div(), ast.Constant(term.scale))
    found = []
    for j in range(term.degree):
        *lower, tree = (ast.Constant(row[j]) for row in term.weights)
        for weight in reversed(lower):
            tree = ast.BinOp(ast.BinOp(tree, ast.Mult(), t), ast.Add(), weight)  # type: ignore[assignment]
        found.append(Number(tree))
    return found


def _ordered(term: Ordinal) -> _Coded:
    levels = term.levels
    places = (*(0 for _ in levels), NO_VALUE, NO_VALUE)
    return _Coded(Category(term.column, levels), 1, places, tuple(float(k) for k in range(len(places))))


def _coded(term: Categorical, *, full: bool) -> _Coded:
    names = term.names(full=full)
    levels = (*(term.levels or ()), *term.left_out)
    own = {f"{term.column}[{level}]": j for j, level in enumerate(levels)}
    places = dict.fromkeys(range(len(levels)), NONE)
    with_columns = [name for name in names if name in own]
    places |= {own[name]: column for column, name in enumerate(with_columns)}
    other = NONE if term.unknown == "ignore" else NO_VALUE
    missing = NO_VALUE if term.missing != "level" else len(with_columns) if len(names) > len(with_columns) else other
    return _Coded(Category(term.column, levels), len(names), (*places.values(), missing, other))


def _table(block: Array, coded: tuple[_Coded, ...]) -> Array:
    """The coefficients at each combination of levels."""
    if not coded:
        row: Array = block[0]
        return row
    shaped = block.reshape(*(each.columns for each in coded), block.shape[1])
    found = np.empty((*(len(each.places) for each in coded), block.shape[1]))
    for at in itertools.product(*(range(len(each.places)) for each in coded)):
        columns = [each.places[k] for each, k in zip(coded, at, strict=True)]
        ranks = math.prod(each.ranks[k] for each, k in zip(coded, at, strict=True) if each.ranks)
        found[at] = np.nan if NO_VALUE in columns else 0.0 if NONE in columns else ranks * shaped[tuple(columns)]
    return found


def _check_offset(model: Predictor) -> None:
    if model.provenance.get("offset") is not None:
        raise ConfigurationError(
            f"the model was fitted with the offset {model.provenance['offset']!r}, which SQL and ONNX of dgd have no "
            f"place for; add it to the raw prediction yourself, from the coefficients (--to csv)"
        )
