"""DataFrames and Series of pandas as arrays: numbers by column, labels, and pd.NA as a missing cell.

Nothing of pandas is imported: a frame is asked for its dtypes and for its columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.arrays.memory_rows import plain
from dgd.data.rows import READABLE_KINDS
from dgd.data.transforms.missing import NO_LABEL
from dgd.errors import SchemaError, UnsupportedFormatError

MOST_NAMED = 8
LABELS = np.dtype("U16")
"""What labels that are not read yet are taken for; longer ones are read as they are."""


def is_frame(values: Any) -> bool:
    """Whether it is a DataFrame or Series of pandas."""
    return type(values).__module__.partition(".")[0] == "pandas" and hasattr(values, "iloc")


def array_of(name: str, frame: Any) -> Array:
    """The values of a DataFrame or Series; those of one column may be labels.

    Missing cells are NaN, and the numbers beside them float64; a missing label is "". Raises UnsupportedFormatError
    where columns are not numbers.
    """
    if frame.ndim == 1:
        if number_type(frame.dtype) is not None:
            return column_values(frame)
        label_type(name, frame.dtype)
        return labels_of(column_values(frame))
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in frame.dtypes):
        return np.asarray(frame)
    check_columns(name, frame)
    columns = [plain(column_values(frame.iloc[:, j])) for j in range(frame.shape[1])]
    found = np.empty(frame.shape, np.result_type(*(values.dtype for values in columns)) if columns else np.float64)
    for j, values in enumerate(columns):
        found[:, j] = values
    return found


def check_order(frames: dict[str, Any]) -> None:
    """Raise SchemaError where the index of one frame or Series is that of another in another order.

    Rows go together by their position, as everywhere; indexes that have other labels say nothing.
    """
    if not frames:
        return
    (first, leading), *others = frames.items()
    for name, frame in others:
        mine, its = frame.index, leading.index
        if len(mine) != len(its) or mine.equals(its) or not (mine.is_unique and its.is_unique):
            continue
        if mine.isin(its).all():
            raise SchemaError(
                f"array {name!r} has the index of {first!r} in another order, and rows go together by their position; "
                f"put one in the order of the other (`.loc[….index]`), or take both without it (`.to_numpy()`)",
                array=name,
            )


def column_values(column: Any) -> Array:
    """A Series as numbers, NaN where one is missing; anything else as objects, None where one is missing."""
    dtype = number_type(column.dtype)
    missing = column.isna().to_numpy(dtype=bool)
    if dtype is None:
        objects = np.array(column.astype(object), dtype=object)
        objects[missing] = None
        return objects
    if isinstance(column.dtype, np.dtype) or not missing.any():
        return np.asarray(column.to_numpy(dtype=dtype))
    return np.asarray(column.to_numpy(dtype=dtype if dtype.kind == "f" else np.float64, na_value=np.nan))


def number_type(dtype: Any) -> np.dtype[Any] | None:
    """The dtype that the values have as numbers of NumPy: those of `Int64` are int64. None where they are none."""
    found = getattr(dtype, "numpy_dtype", dtype)  # nullable and Arrow's dtypes have one
    if str(dtype).startswith("Sparse"):
        found = dtype.subtype
    return found if isinstance(found, np.dtype) and found.kind in READABLE_KINDS else None


def label_type(name: str, dtype: Any) -> np.dtype[Any]:
    """The dtype of the labels of a Series that holds no numbers; categories may be numbers.

    Raises UnsupportedFormatError for what is neither, such as times.
    """
    categories = getattr(dtype, "categories", None)
    text = categories is not None or str(dtype) == "object" or "str" in str(dtype).partition("[")[0]
    if not text or str(dtype).startswith("interval"):
        raise UnsupportedFormatError(
            f"array {name!r} has dtype {dtype}, expected numbers, bools or labels; convert it before fitting "
            f"(`.astype('float64')`)",
            array=name,
        )
    return (None if categories is None else number_type(categories.dtype)) or LABELS


def check_columns(name: str, frame: Any, *, objects: bool = True) -> None:
    """Raise UnsupportedFormatError with the names of columns that are not numbers, if there are any.

    objects: whether a column of Python's objects will do where all of them are numbers.
    """
    types = [number_type(dtype) for dtype in frame.dtypes]
    looked_at = [
        j for j, dtype in enumerate(types) if dtype is None and objects and str(frame.dtypes.iloc[j]) == "object"
    ]
    numbers = [j for j in looked_at if plain(column_values(frame.iloc[:, j])).dtype.kind in READABLE_KINDS]
    bad = [j for j, dtype in enumerate(types) if dtype is None and j not in numbers]
    if not bad:
        return
    named = [f"{frame.columns[j]!r} ({frame.dtypes.iloc[j]})" for j in bad[:MOST_NAMED]]
    more = f" and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
    names = str([frame.columns[j] for j in bad]) if len(bad) <= MOST_NAMED else "columns=[...]"
    raise UnsupportedFormatError(
        f"array {name!r}: not numbers: column{'s' * (len(bad) > 1)} {', '.join(named)}{more}; leave out what is no "
        f"feature (`.drop(columns={names})`), and turn text and categories into numbers (`pandas.get_dummies`)",
        array=name,
    )


def labels_of(values: Array) -> Array:
    """Objects as strings, numbers or bools; a missing one is no label, among numbers NaN."""
    missing = np.array([value is None for value in values], dtype=bool)
    if not missing.any():
        return plain(values)
    found = values.copy()
    found[missing] = NO_LABEL if isinstance(next((each for each in values if each is not None), ""), str) else np.nan
    return plain(found)
