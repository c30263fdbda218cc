"""Variables of a group, as xarray writes them: features, target, weight and offset by name."""

from __future__ import annotations

from collections.abc import Callable

from dgd.data.dataset import Dataset
from dgd.data.grid import Coordinate
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.transforms.meaning import DecodedRows
from dgd.data.transforms.variables import Variable, dataset_of_variables
from dgd.data.zarr.attributes import meaning_of
from dgd.data.zarr.coordinates import beside, stored_coordinates
from dgd.data.zarr.group import Group
from dgd.data.zarr.text_rows import texts_at
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import SchemaError, UnsupportedFormatError


def open_variables(
    group: Group, features: tuple[str, ...], columns: dict[str, Rows | str | None], reading: Reading
) -> Dataset:
    """A dataset of the variables of a group. columns: y, weight and offset, by name or as rows."""
    found = {role: _column(group, role, given, reading) for role, given in columns.items()}
    variables = [_variable(group, name, reading, labels=False) for name in features]
    names = [*features, *(given for given in columns.values() if isinstance(given, str))]
    return dataset_of_variables(
        variables,
        found,
        source=group.source.label,
        coordinates=lambda dims: stored_coordinates(group, dims, beside(group, names)),
    )


def cells_of(
    group: Group, name: str, reading: Reading
) -> tuple[Rows, tuple[str, ...] | None, Callable[[], tuple[Coordinate, ...]]]:
    """An array of any number of dimensions by name, the names of these, and what looks for coordinates of its cells."""
    rows, names = _meant(group.rows(name), reading, labels=False)
    if names is None:
        return rows, None, tuple
    return rows, names, lambda: stored_coordinates(group, names[1:], beside(group, [name]))


def _column(group: Group, role: str, given: Rows | str | None, reading: Reading) -> Variable | Rows | None:
    return _variable(group, given, reading, labels=role == "y") if isinstance(given, str) else given


def _variable(group: Group, name: str, reading: Reading, *, labels: bool) -> Variable:
    try:
        stored = group.rows(name)
    except UnsupportedFormatError:
        texts = texts_at(group, name) if labels else None
        if texts is None:
            raise
        return Variable(texts, (texts.dimension or "row",))
    rows, dims = _meant(stored, reading, labels=labels)
    if dims is None:
        if len(stored.shape) != 1:
            raise SchemaError(
                f"variable {name!r} has shape {stored.shape} and no names for its dimensions, which say what the rows "
                f"are; write them (xarray does), or use an array 'X'",
                array=name,
            )
        dims = ("row",)
    return Variable(rows, dims)


def _meant(stored: ZarrRows, reading: Reading, *, labels: bool) -> tuple[Rows, tuple[str, ...] | None]:
    """A stored array as what it means, and the names of its dimensions where all have one."""
    stored = stored.filling() if reading.missing_chunks == "fill" else stored
    meaning = meaning_of(stored.format, reading, labels=labels)
    dims = stored.format.dimension_names
    named = None if dims is None or None in dims else tuple(str(dim) for dim in dims)
    return (stored if meaning is None else DecodedRows(stored, meaning)), named
