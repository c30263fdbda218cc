"""A zarr group as a dataset."""

from __future__ import annotations

from typing import Any

from dgd.data.dataset import Dataset
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.zarr.anndata import element, labelled, variable_names
from dgd.data.zarr.group import Group
from dgd.data.zarr.meant import meant
from dgd.errors import DatasetNotFoundError


def open_group(
    group: Group,
    *,
    X: str = "X",
    y: Rows | str | None = "y",
    weight: Rows | str | None = None,
    offset: Rows | str | None = None,
    reading: Reading | None = None,
) -> Dataset:
    """A dataset of a group's arrays; y, weight and offset may be rows from elsewhere."""
    given = {"X": X, "y": y, "weight": weight, "offset": offset}
    reading = reading or Reading()
    found = {role: _named(group, array, reading) if isinstance(array, str) else array for role, array in given.items()}
    beside = group.find("y") if reading.decode and y is None else None
    arrays: dict[str, Any] = dict(meant(found, reading, beside=beside))
    return Dataset(
        **arrays,
        feature_names=group.feature_names or variable_names(group, X),
        target_name=group.target_name,
        source=group.source.label,
    )


def _named(group: Group, key: str, reading: Reading) -> Rows:
    """An array of the group, or what stands for one."""
    try:
        rows = group.rows(key)
    except DatasetNotFoundError:
        found = element(group, key) if reading.decode else None
        if found is None:
            raise
        return found
    return labelled(group, key, rows) if reading.decode and key not in group.committed else rows
