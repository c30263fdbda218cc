"""Arithmetic on columns, as text: `distance`, `log(distance)`, `a * b ** 2`; other names stand in backticks."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.design.columns import Codes, Frame
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.words import shown

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "I": lambda value: value,
}
"""Functions of one number; `I` marks arithmetic in a formula."""
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
}
QUOTED = re.compile(r"`([^`]*)`")
LONGEST = 10_000
LARGEST = 1e300
DEEPEST = 50


@dataclass(frozen=True)
class Expression:
    """A number made of columns, for each row.

    text: names of columns, numbers, + - * / **, and the functions above. Raises ConfigurationError for anything else.
    """

    text: str
    columns: tuple[str, ...] = field(init=False, compare=False)
    label: str = field(init=False, compare=False)
    """What its column of X is called."""

    def __post_init__(self) -> None:
        _, columns, label = _parsed(self.text)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "label", label)

    @property
    def tree(self) -> ast.expr:
        """It as Python parses it; the names are those of columns."""
        return _parsed(self.text)[0]

    @property
    def column(self) -> str | None:
        """The column that it is; None of what is computed."""
        return self.columns[0] if self.columns and self.label == self.columns[0] else None

    def __call__(self, frame: Frame) -> Vector:
        """The number of each row in float64, NaN where a cell is missing."""
        values = {name: _numbers(frame, name) for name in self.columns}
        with np.errstate(all="ignore"):
            found = _value(_parsed(self.text)[0], values)
        return np.array(np.broadcast_to(found, (frame.rows,)), dtype=np.float64)


def quoted(column: str) -> str:
    """The expression that is a column."""
    return column if column.isidentifier() and column not in FUNCTIONS else f"`{column}`"


def _numbers(frame: Frame, name: str) -> Array:
    column = frame.columns[name]
    if isinstance(column, Codes) or column.dtype.kind not in "biuf":
        raise SchemaError(f"{frame.source}: column {name!r} is no number, and arithmetic was asked for", array=name)
    return column.astype(np.float64, copy=False)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[ast.expr, tuple[str, ...], str]:
    """The tree, whose names are those of columns, the columns, and the text as it is shown."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise ConfigurationError(f"an expression must be the name of a column or arithmetic on some, got {shown(text)}")
    names: dict[str, str] = {}

    def place(found: re.Match[str]) -> str:
        return names.setdefault(found[1], f"_column_{len(names)}_")

    plain = QUOTED.sub(place, text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigurationError(
            f"{text!r} is no expression; the name of a column with other letters stands in backticks: {quoted(text)}"
        ) from error
    back = {placed: name for name, placed in names.items()}
    columns: dict[str, None] = {}
    _check(tree, text, back, columns, 0)
    if isinstance(tree, ast.Name):
        return tree, tuple(columns), tree.id
    return tree, tuple(columns), QUOTED.sub(lambda found: found[0], " ".join(text.split()))


def _check(tree: ast.expr, text: str, names: dict[str, str], columns: dict[str, None], depth: int) -> None:
    """Refuse what is not allowed; names become those of columns, which are collected."""
    if depth > DEEPEST:
        raise ConfigurationError(f"{shown(text)}: too many parentheses")
    match tree:
        case ast.Name():
            tree.id = names.get(tree.id, tree.id)
            columns[tree.id] = None
        case ast.Constant(value=int() | float() as value) if type(value) is not bool and abs(value) < LARGEST:
            pass
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, text, names, columns, depth + 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            _check(left, text, names, columns, depth + 1)
            _check(right, text, names, columns, depth + 1)
        case ast.Call(func=ast.Name(id=function), args=[argument], keywords=[]) if function in FUNCTIONS:
            _check(argument, text, names, columns, depth + 1)
        case _:
            raise ConfigurationError(
                f"{text!r}: {ast.unparse(tree)!r} is no arithmetic; there are + - * / ** and "
                f"{', '.join(FUNCTIONS)}(…); the name of a column with other letters stands in backticks"
            )


def _value(tree: ast.expr, values: dict[str, Array]) -> Any:
    match tree:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return np.float64(value)  # type: ignore[arg-type]
        case ast.UnaryOp(op=op, operand=operand):
            found = _value(operand, values)
            return -found if isinstance(op, ast.USub) else found
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=function), args=[argument]):
            return FUNCTIONS[function](_value(argument, values))
    raise AssertionError(ast.dump(tree))
