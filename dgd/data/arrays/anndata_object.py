"""An `anndata.AnnData` in memory: its matrices and columns by the names that they have in a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dgd.data.arrays.frames import array_of, is_frame
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.dataset import Dataset
from dgd.data.grid import Coordinate, Grid
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.transforms.joined_columns import no_feature, with_features
from dgd.errors import ConfigurationError, SchemaError

PARTS = ("layers", "obsm", "obs")
RowsOf = Callable[[str, Any], Rows]
"""Makes rows of an array of any kind, with the name that errors have for it."""


def is_anndata(data: Any) -> bool:
    """Whether it is such an object."""
    return type(data).__module__.partition(".")[0] == "anndata" and hasattr(data, "obs") and hasattr(data, "layers")


def open_anndata(
    data: Any, given: dict[str, Any], reading: Reading, known: tuple[str, ...] | None, rows_of: RowsOf
) -> Dataset:
    """X, layers/… or obsm/…, with a target, weight and offset of `obs` by name, or as rows of their own."""

    def beside(name: str) -> Rows | None:
        found = _found(data, name)
        if str(getattr(found, "dtype", "")) == "category":
            raise no_feature(name)
        return None if found is None else _rows(name, found, rows_of)

    def named(name: Any) -> Any:
        if not isinstance(name, str):
            return name
        found = _found(data, name)
        if found is None:
            raise SchemaError(f"the AnnData has no {name!r}, it has {', '.join(_names(data))}", array=name)
        return _rows(name, found, rows_of)

    if not reading.decode or reading.transpose:
        raise ConfigurationError("decode=False and transpose=True are for stored arrays; this is an AnnData in memory")
    X: Rows = named(reading.X)
    names = tuple(map(str, data.var_names)) if reading.X == "X" or reading.X.startswith("layers/") else ()
    arrays = {role: named(each) for role, each in given.items()}
    dataset = Dataset(
        X=X,
        **arrays,
        feature_names=names if names and len(set(names)) == len(names) else None,
        source="memory",
        grid=Grid(("obs",), (X.shape[0],), lambda: (Coordinate("obs", ("obs",), data.obs_names.to_numpy()),)),
    )
    return with_features(dataset, reading, known, lambda name: _found(data, name) is not None, beside)


def _found(data: Any, name: str) -> Any:
    """The matrix or column of that name, None if there is none."""
    part, _, key = name.partition("/")
    if name == "X":
        return data.X
    return getattr(data, part)[key] if part in PARTS and key in getattr(data, part) else None


def _names(data: Any) -> list[str]:
    return ["X", *(f"{part}/{key}" for part in PARTS for key in getattr(data, part).keys())]  # noqa: SIM118  a table


def _rows(name: str, found: Any, rows_of: RowsOf) -> Rows:
    if is_frame(found):
        return MemoryRows(name, array_of(name, found))
    if type(found).__module__.partition(".")[0] == "anndata":
        raise ConfigurationError(
            f"{name!r} of the AnnData lies in a file (backed); give the path of its Zarr store "
            f"(`adata.write_zarr(...)`), or load it (`adata.to_memory()`)"
        )
    return rows_of(name, found)
