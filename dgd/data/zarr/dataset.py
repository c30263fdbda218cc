"""A zarr group as a dataset."""

from __future__ import annotations

from typing import Any

from dgd.data.dataset import Dataset
from dgd.data.grid import Grid
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.transforms.meaning import DecodedRows
from dgd.data.zarr.anndata import element, labelled, observation_names, variable_names
from dgd.data.zarr.column_labels import axis_labels, turned_by_labels
from dgd.data.zarr.coordinates import beside, stored_coordinates
from dgd.data.zarr.group import Group
from dgd.data.zarr.meant import decoded, meant
from dgd.data.zarr.stored_ids import stored_ids
from dgd.data.zarr.text_rows import texts_at
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import DatasetNotFoundError, UnsupportedFormatError


def open_group(
    group: Group,
    *,
    X: str = "X",
    y: Rows | str | None = "y",
    weight: Rows | str | None = None,
    offset: Rows | str | None = None,
    reading: Reading | None = None,
    known: tuple[str, ...] | None = None,
) -> Dataset:
    """A dataset of a group's arrays; y, weight and offset may be rows from elsewhere.

    known: the features of a model, by which X is turned where there is no target to do so.
    """
    given = {"X": X, "y": y, "weight": weight, "offset": offset}
    reading = reading or Reading()
    found = {
        role: _named(group, array, reading, labels=role == "y") if isinstance(array, str) else array
        for role, array in given.items()
    }
    target = group.find("y") if reading.decode and y is None else None
    arrays: dict[str, Any] = dict(meant(found, reading, beside=target))
    if known is not None and y is None and target is None and reading.decode and not reading.transpose:
        arrays["X"] = turned_by_labels(group, arrays["X"], known)
    labels = axis_labels(group, arrays["X"], 1) if reading.decode and group.marker is None else None
    dims = _dimensions(group, arrays["X"]) if reading.decode and group.marker is None else None
    return Dataset(
        **arrays,
        feature_names=group.feature_names or variable_names(group, X) or labels,
        target_name=group.target_name,
        weight_name=group.told.get("weight"),
        offset_name=group.told.get("offset"),
        ids=stored_ids(group),
        source=group.source.label,
        grid=_grid(group, X, arrays["X"].shape[0], dims),
    )


def as_told(group: Group, given: dict[str, Any]) -> dict[str, Any]:
    """The arrays by role: those that an ingest was told of where none is given, and by their columns' names.

    False stands for none.
    """
    told = group.told | ({} if group.target_name is None else {"y": group.target_name})
    found = dict(given)
    for role, name in told.items():
        if (found[role] is None and role != "y") or (
            isinstance(found[role], str) and found[role] == name and not group.has(name)
        ):
            found[role] = role
    return {role: None if each is False else each for role, each in found.items()}


def column_beside(group: Group, name: str, reading: Reading) -> Rows | None:
    """An array of the group that is a feature beside X, such as a column of `obs`; None if it is not there."""
    return decoded("X", _named(group, name, reading, labels=False), reading) if group.has(name) else None


def _dimensions(group: Group, X: Rows) -> tuple[str | None, ...] | None:
    """The names of X's dimensions as they are read."""
    stored = X.rows if isinstance(X, DecodedRows) else X
    names = stored.format.dimension_names if isinstance(stored, ZarrRows) else None
    return names if names is not None and len(names) == 2 else None


def _grid(group: Group, X: str, rows: int, dims: tuple[str | None, ...] | None) -> Grid | None:
    """The names of the rows: of an AnnData store those of `obs`, else the coordinate of X's rows."""
    if group.attributes.get("encoding-type") == "anndata":
        return Grid(("obs",), (rows,), lambda: observation_names(group))
    if dims is None or dims[0] is None:
        return None
    name = dims[0]
    return Grid((name,), (rows,), lambda: stored_coordinates(group, (name,), beside(group, [X])))


def _named(group: Group, key: str, reading: Reading, *, labels: bool) -> Rows:
    """An array of the group, or what stands for one; labels: whether it may hold texts."""
    try:
        rows = group.rows(key)
    except DatasetNotFoundError:
        found = element(group, key) if reading.decode else None
        if found is None:
            raise
        return found
    except UnsupportedFormatError:
        texts = texts_at(group, key) if labels else None
        if texts is None:
            raise
        return texts
    return labelled(group, key, rows) if reading.decode and key not in group.committed else rows
