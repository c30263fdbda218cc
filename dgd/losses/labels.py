"""Labels of classes, and the index of each: ints, bools, floats and strings, stored in whatever dtype.

A label is its value: 1, 1.0 and True are the same one, "1" is another. Bytes are text in UTF-8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError

Label = bool | int | float | str


def plain_labels(labels: Iterable[Any], *, call: str) -> tuple[Label, ...]:
    """The labels as plain Python scalars, all different. `call` is what an error quotes."""
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
        raise ConfigurationError(f"`{call}` must be a list of labels, got {labels!r}")
    plain = tuple(_plain(label, call) for label in labels)
    seen: set[Label] = set()
    for label in plain:
        if label in seen:
            raise ConfigurationError(f"`{call}` must be labels that are all different, got {label!r} twice")
        seen.add(label)
    return plain


def class_indices(y: Array, classes: Sequence[Label], dtype: np.dtype[Any]) -> FloatArray:
    """The index in `classes` of each label, of the shape of y; NaN for what is not one of them."""
    if y.dtype.kind in "OT":
        return _indices_of_objects(y.astype(object, copy=False), classes, dtype)
    indices, known, in_turn = _stored_as(tuple(classes), y.dtype)
    if not len(indices):
        return np.full(y.shape, np.nan, dtype)
    if in_turn:
        found, there = np.subtract(y, float(known[0]), dtype=np.float64), _whole_within(y, known[0], known[-1])
    elif len(indices) == 2:
        second = y == known[1]
        found, there = second, second | (y == known[0])
        if indices[0] != 0 or indices[1] != 1:
            found = np.where(second, *indices[::-1].astype(dtype))
    else:
        place = np.searchsorted(known, y)
        np.minimum(place, len(known) - 1, out=place)
        found, there = indices.astype(dtype)[place], known[place] == y
    return found.astype(dtype, copy=False) if there.all() else np.where(there, found, np.nan).astype(dtype, copy=False)


def _whole_within(y: Array, first: Any, last: Any) -> Array:
    """Which are whole numbers from the first to the last one."""
    within: Array = (y >= first) & (y <= last)
    if y.dtype.kind == "f":
        within &= np.floor(y) == y
    return within


def _plain(label: Any, call: str) -> Label:
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, bytes):
        label = label.decode("utf-8", "surrogateescape")
    if not isinstance(label, (bool, int, float, str)) or (isinstance(label, float) and not math.isfinite(label)):
        raise ConfigurationError(f"`{call}` must be labels that are finite numbers, bools or strings, got {label!r}")
    return label


@lru_cache(maxsize=16)
def _stored_as(classes: tuple[Label, ...], dtype: np.dtype[Any]) -> tuple[Array, Array, bool]:
    """The indices of the classes that an array of that dtype can hold, and those classes in that dtype, ascending;
    and whether the k-th class is the k-th of whole numbers that follow each other.

    The same for every chunk: a thousand classes take as long as a block's product.
    """
    indices: list[int] = []
    labels: list[Any] = []
    for index, label in enumerate(classes):
        if isinstance(label, str):
            if dtype.kind in "US":
                indices.append(index)
                labels.append(label.encode("utf-8", "surrogateescape") if dtype.kind == "S" else label)
        elif dtype.kind in "biuf" and _holds(dtype, label):
            indices.append(index)
            labels.append(label)
    known = np.array(labels, dtype.kind if dtype.kind in "US" else dtype)
    order = np.argsort(known, kind="stable")
    indices_of, known = np.array(indices, np.intp)[order], known[order]
    return indices_of, known, bool((indices_of == np.arange(len(known))).all()) and _in_turn(known)


def _in_turn(known: Array) -> bool:
    """Whether they are whole numbers that follow each other, of a size at which float64 has each."""
    if not len(known) or known.dtype.kind not in "iuf":
        return False
    first = float(known[0])
    turn = abs(first) + len(known) < 2**53 and first == np.floor(first)
    return bool(turn and (known == first + np.arange(len(known))).all())


def _holds(dtype: np.dtype[Any], label: Any) -> bool:
    """Whether the number is exactly one of the dtype's."""
    try:
        with np.errstate(over="ignore"):
            return bool(dtype.type(label).item() == label)
    except OverflowError:
        return False


def _indices_of_objects(y: Array, classes: Sequence[Label], dtype: np.dtype[Any]) -> FloatArray:
    """The same for Python objects, by their hashes."""
    index_of: dict[Any, float] = {label: float(index) for index, label in enumerate(classes)}
    for index, label in enumerate(classes):
        if isinstance(label, str):
            index_of[label.encode("utf-8", "surrogateescape")] = float(index)
    try:
        found = np.frompyfunc(index_of.get, 1, 1)(y)
    except TypeError:  # something in y has no hash, and so is no label
        is_label = np.frompyfunc(lambda label: isinstance(label, (int, float, str, bytes, np.generic)), 1, 1)
        y = y.copy()
        y[~is_label(y).astype(bool)] = None
        found = np.frompyfunc(index_of.get, 1, 1)(y)
    return np.asarray(found, dtype=object).astype(dtype)
