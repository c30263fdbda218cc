"""The state of a fit as one value: all that a fit needs to go on from, without data, executor or function in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.errors import ModelError
from dgd.fitting.known import Known
from dgd.fitting.record import Record
from dgd.solvers.base import Evaluation, State

ARRAY, TUPLE, CLASS = "array", "tuple", "class"


@dataclass(frozen=True)
class Best:
    """The lowest validation loss so far, where, and the passes since."""

    loss: float = math.inf
    point: Vector | None = None
    value: float = math.nan
    idle: int = 0

    def after(self, loss: float, point: Vector, value: float, min_delta: float) -> Best:
        """One more validation."""
        if loss < self.loss - min_delta:
            return Best(loss, point, value)
        return Best(self.loss, self.point, self.value, self.idle + 1)


@dataclass
class FitState:
    """Everything that a fit needs to go on."""

    solver: State
    known: Known
    start: Vector
    """Where it began, in the solver's coordinates."""
    threshold: float = 0.0
    """The gradient norm at which the fit has converged."""
    best: Best = field(default_factory=Best)
    last: Evaluation | None = None
    """The last evaluation that was finite, or the first one."""
    history: list[Record] = field(default_factory=list)
    handed_over: bool = False
    """Whether another method has taken over from the one that was asked for."""
    before: State | None = None
    """That of Newton's method, where another one went on from the start."""

    def to_arrays(self) -> tuple[Any, dict[str, Array]]:
        """The state as JSON and arrays."""
        arrays: dict[str, Array] = {}
        return _encoded(self, arrays), arrays

    @classmethod
    def from_arrays(cls, document: Any, arrays: dict[str, Array], *, modules: tuple[str, ...] = ("dgd",)) -> FitState:
        """The state that `to_arrays` made. `modules`: packages whose dataclasses may be made, such as a solver's own.

        Raises ModelError where the document is not a state.
        """
        try:
            state = _decoded(document, arrays, modules)
        except (KeyError, TypeError, AttributeError, ValueError, ImportError) as error:
            raise ModelError(f"this is not the state of a fit: {error!r}") from error
        if not isinstance(state, cls):
            raise ModelError(f"expected the state of a fit, got a {type(state).__name__}")
        return state


def _encoded(value: Any, arrays: dict[str, Array]) -> Any:
    """None, bools, numbers and strings as they are; else an object that says what it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, (tuple, list)):
        return {TUPLE: [_encoded(each, arrays) for each in value], "list": isinstance(value, list)}
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if isinstance(value, Enum):
        return {CLASS: name, "member": value.name}
    if is_dataclass(value):
        return {CLASS: name, "fields": {f.name: _encoded(getattr(value, f.name), arrays) for f in fields(value)}}
    raise TypeError(f"a fit's state cannot hold a {type(value).__name__}")


def _decoded(value: Any, arrays: dict[str, Array], modules: tuple[str, ...]) -> Any:
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return arrays[value[ARRAY]]
    if TUPLE in value:
        items = [_decoded(each, arrays, modules) for each in value[TUPLE]]
        return items if value["list"] else tuple(items)
    module, _, name = value[CLASS].partition(":")
    if module.partition(".")[0] not in modules:
        raise ValueError(f"{module} is not one of {', '.join(modules)}")
    kind = getattr(import_module(module), name)
    if "member" in value and isinstance(kind, type) and issubclass(kind, Enum):
        return kind[value["member"]]
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise TypeError(f"{module}.{name} is not a dataclass")
    made = object.__new__(kind)
    for each in fields(kind):
        object.__setattr__(made, each.name, _decoded(value["fields"][each.name], arrays, modules))
    return made
