"""A model as a query: the columns of a table, and beside them what the model predicts.

Standard SQL: quoted names, CASE, COALESCE, CAST, EXP, LN. Numbers are approximate literals (1.5e0), so that no database
takes them for decimals. A row has NULL where a cell is missing, or a level is not known.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.design.columns import Level
from dgd.errors import ConfigurationError
from dgd.models.export.link import link_of
from dgd.models.export.summands import Category, Number, summands
from dgd.models.predictor import Predictor

LN2, LN10 = math.log(2), math.log(10)


def sql_query(model: Predictor, *, table: str = "data") -> str:
    """SELECT all columns, the raw prediction, and the prediction, with classes each one's probability."""
    found = summands(model)
    q = math.prod(model.outputs)
    intercept = np.broadcast_to(np.atleast_1d(np.asarray(model.intercept, dtype=np.float64)), (q,))
    raw = [f"raw_prediction_{k}" for k in range(q)] if model.outputs else ["raw_prediction"]
    inner = []
    for k in range(q):
        terms = [number(float(intercept[k]))]
        for each in found:
            parts = [_scalar(one) for one in each.numbers]
            parts.append(_entry(each.categories, each.table[..., k]))
            terms.append(" * ".join(parts))
        inner.append("\n    + ".join(terms) + f"\n    AS {name(raw[k])}")
    outer = ",\n  ".join(_responses(model, [f"t.{name(each)}" for each in raw]))
    return (
        f"SELECT\n  t.*,\n  {outer}\nFROM (\n  SELECT\n    s.*,\n    "
        + ",\n    ".join(inner)
        + f"\n  FROM {name(table)} s\n) t\n"
    )


def _responses(model: Predictor, raw: list[str]) -> list[str]:
    link, ends = link_of(model), [f"_{k}" for k in range(len(raw))] if model.outputs else [""]
    if link in ("identity", "exp"):
        values = raw if link == "identity" else [f"EXP({each})" for each in raw]
        return [f"{value} AS {name('prediction' + end)}" for value, end in zip(values, ends, strict=True)]
    if link == "softmax":
        return _softmax(model, raw)
    found = []
    for each, end in zip(raw, ends, strict=True):
        second = f"1e0 / (1e0 + EXP(-{each}))"
        if model.classes is None:
            found.append(f"{second} AS {name('prediction' + end)}")
            continue
        low, high = model.classes
        found.append(
            f"CASE WHEN {each} > 0 THEN {literal(high)} WHEN {each} <= 0 THEN {literal(low)} END "
            f"AS {name('prediction' + end)}"
        )
        found.append(f"1e0 / (1e0 + EXP({each})) AS {name(f'probability_{low}{end}')}")
        found.append(f"{second} AS {name(f'probability_{high}{end}')}")
    return found


def _softmax(model: Predictor, raw: list[str]) -> list[str]:
    """The class of the largest raw prediction, the first of several; 1/Σ exp(ηⱼ − ηₖ) for each."""
    assert model.classes is not None
    cases, chances = [], []
    for k, (each, label) in enumerate(zip(raw, model.classes, strict=True)):
        others = [f"{each} > {other}" for other in raw[:k]] + [f"{each} >= {other}" for other in raw[k + 1 :]]
        cases.append(f"WHEN {' AND '.join(others)} THEN {literal(label)}")
        total = " + ".join(f"EXP({other} - {each})" for other in raw)
        chances.append(f"1e0 / ({total}) AS {name(f'probability_{label}')}")
    return [f"CASE {' '.join(cases)} END AS {name('prediction')}", *chances]


def _entry(categories: tuple[Category, ...], table: Array) -> str:
    """The coefficient at the levels of a row."""
    if not categories:
        return number(float(table))
    first, *rest = categories
    column = f"s.{name(first.column)}"
    cases = [
        f"WHEN {column} = {literal(level)} THEN {_entry(tuple(rest), table[k])}" for k, level in enumerate(first.levels)
    ]
    missing, other = (_entry(tuple(rest), table[k]) for k in (-2, -1))
    return f"CASE WHEN {column} IS NULL THEN {missing} {' '.join(cases)} ELSE {other} END"


def _scalar(found: Number) -> str:
    text = _arithmetic(found.tree)
    if found.says_missing:
        return f"CASE WHEN {text} IS NULL THEN 1e0 ELSE 0e0 END"
    return text if found.fill is None else f"COALESCE({text}, {number(found.fill)})"


def _arithmetic(tree: ast.expr) -> str:
    match tree:
        case ast.Name(id=column):
            return f"CAST(s.{name(column)} AS DOUBLE PRECISION)"
        case ast.Constant(value=value):
            return number(float(value))  # type: ignore[arg-type]
        case ast.UnaryOp(op=op, operand=operand):
            return f"({'-' if isinstance(op, ast.USub) else ''}{_arithmetic(operand)})"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"POWER({_arithmetic(left)}, {_arithmetic(right)})"
        case ast.BinOp(left=left, op=op, right=right):
            sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(op)]
            return f"({_arithmetic(left)} {sign} {_arithmetic(right)})"
        case ast.Call(func=ast.Name(id=function), args=[argument]):
            return _function(function, _arithmetic(argument))
    raise AssertionError(ast.dump(tree))


def _function(function: str, argument: str) -> str:
    written = {
        "log": f"LN({argument})",
        "log2": f"(LN({argument}) / {number(LN2)})",
        "log10": f"(LN({argument}) / {number(LN10)})",
        "log1p": f"LN(1e0 + {argument})",
        "expm1": f"(EXP({argument}) - 1e0)",
        "I": argument,
    }
    return written.get(function, f"{function.upper()}({argument})")


def number(value: float) -> str:
    """An approximate literal with all digits; NULL for NaN."""
    if math.isnan(value):
        return "NULL"
    digits = repr(value)
    text = digits if "e" in digits else f"{digits}e0"
    return f"({text})" if value < 0 else text


def literal(value: Level) -> str:
    """A level or a label."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        if "\x00" in value:
            raise ConfigurationError(f"the level {value!r} has a character that SQL has no literal for")
        return "'" + value.replace("'", "''") + "'"
    return str(value) if isinstance(value, int) else number(float(value))


def name(column: Any) -> str:
    """A name in quotes."""
    return '"' + str(column).replace('"', '""') + '"'
