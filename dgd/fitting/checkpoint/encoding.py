"""Dataclasses of numbers and arrays as JSON and arrays, and back: no pickle, and only classes that are dgd's own.

    None, bool, int, float, str        as they are
    an array                           {"array": its name}; the same array, wherever it occurs, once
    a tuple or list                    {"tuple": [...], "list": bool}
    a number of NumPy                  {"scalar": dtype, "value": number}
    a dataclass, a member of an Enum   {"class": "module:name", "fields": {...}} or {..., "member": name}

What is read is checked against the annotations of its class.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from dgd._typing import Array

ARRAY, TUPLE, CLASS, SCALAR = "array", "tuple", "class", "scalar"
OWN = (
    "dgd.solvers",
    "dgd.fitting",
    "dgd.losses",
    "dgd.penalties",
    "dgd.data.centre",
    "dgd.data.times",
    "dgd.data.transforms.missing",
    "dgd.data.transforms.row_split",
    "dgd.data.seen",
    "dgd.passes.sums",
)
"""Whose dataclasses may be made from a document."""
UNREADABLE = (KeyError, TypeError, AttributeError, ValueError, ImportError, IndexError, RecursionError, OverflowError)
"""What a document that is none of these may raise."""


def encoded(value: Any, arrays: dict[str, Array]) -> Any:
    """The value as JSON; its arrays are added to `arrays`. Raises TypeError for what cannot be stored."""
    if isinstance(value, np.generic) and not isinstance(value, np.str_):
        return {SCALAR: value.dtype.str, "value": value.item()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"an array of {value.dtype} cannot be stored")
        name = next((name for name, array in arrays.items() if array is value), f"a{len(arrays)}")
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, (tuple, list)):
        return {TUPLE: [encoded(each, arrays) for each in value], "list": isinstance(value, list)}
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if isinstance(value, Enum):
        return {CLASS: name, "member": value.name}
    if is_dataclass(value):
        return {CLASS: name, "fields": {f.name: encoded(getattr(value, f.name), arrays) for f in fields(value)}}
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def decoded(document: Any, arrays: dict[str, Array], own: Sequence[str] = OWN) -> Any:
    """The value. `own`: packages and modules whose classes may be made. Raises one of UNREADABLE."""
    if not isinstance(document, dict):
        if document is not None and not isinstance(document, (bool, int, float, str)):
            raise TypeError(f"a {type(document).__name__} stands where an object should")
        return document
    if ARRAY in document:
        return arrays[document[ARRAY]]
    if SCALAR in document:
        return np.dtype(_of(document[SCALAR], str)).type(_of(document["value"], (bool, int, float)))
    if TUPLE in document:
        items = [decoded(each, arrays, own) for each in _of(document[TUPLE], list)]
        return items if document["list"] else tuple(items)
    kind = _class(_of(document[CLASS], str), own)
    if "member" in document and issubclass(kind, Enum):
        return kind[document["member"]]
    if not is_dataclass(kind):
        raise TypeError(f"{document[CLASS]} is not a dataclass")
    made: Any = object.__new__(kind)
    hints = _hints(kind)
    for each in fields(kind):
        value = decoded(document["fields"][each.name], arrays, own)
        if not fits(value, hints.get(each.name, Any)):
            raise TypeError(f"{kind.__name__}.{each.name} must be {each.type}, got a {type(value).__name__}")
        object.__setattr__(made, each.name, value)
    return made


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says; of annotations that say little, yes."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and _is_of(value.dtype, get_args(hint)[1])
    if origin in (tuple, list):
        return isinstance(value, origin) and _items_fit(value, get_args(hint))
    if origin is not None:
        return True if origin is not Callable else callable(value)
    if hint is float:
        return isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)
    if hint in (bool, int):
        kinds = (bool, np.bool_) if hint is bool else (int, np.integer)
        return isinstance(value, kinds) and isinstance(value, bool) <= (hint is bool)
    if hint is None or hint is type(None):
        return value is None
    if hint is str or (isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, Enum))):
        return isinstance(value, hint)
    return True


def _items_fit(items: Any, hints: tuple[Any, ...]) -> bool:
    if not hints:
        return True
    if len(hints) == 1 or hints[1] is Ellipsis:
        return all(fits(item, hints[0]) for item in items)
    return len(items) == len(hints) and all(map(fits, items, hints))


def _is_of(dtype: np.dtype[Any], hint: Any) -> bool:
    """Whether a dtype is that of an annotation such as np.dtype[np.float64]."""
    (kind,) = get_args(hint) or (Any,)
    kind = get_origin(kind) or kind
    return not isinstance(kind, type) or issubclass(dtype.type, kind)


def _of(value: Any, kinds: Any) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"expected {kinds}, got a {type(value).__name__}")
    return value


def _class(name: str, own: Sequence[str]) -> type:
    module, _, qualified = name.partition(":")
    if not any(module == each or module.startswith(f"{each}.") for each in own):
        raise ValueError(f"{module} is not one of {', '.join(own)}")
    found = getattr(import_module(module), qualified)
    return found if isinstance(found, type) else type(None)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
