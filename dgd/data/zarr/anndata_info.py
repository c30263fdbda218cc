"""What `dgd info` says about an AnnData store: its elements, by the names under which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dgd.data.zarr.group import Group
from dgd.data.zarr.listing import arrays_below
from dgd.data.zarr.metadata import array_format, find_array
from dgd.data.zarr.whole_arrays import read_whole
from dgd.errors import DataError

SHOWN_LEVELS = 6
KINDS = {
    "csr_matrix": "sparse matrix by rows",
    "csc_matrix": "sparse matrix by columns, of which rows are not read",
    "categorical": "categories",
    "nullable-integer": "integers, some missing",
    "nullable-boolean": "true or false, some missing",
    "nullable-string-array": "texts, some missing",
    "string-array": "texts",
    "dataframe": "table",
}


@dataclass(frozen=True)
class ElementInfo:
    """An element of an AnnData store."""

    name: str
    """Under which it is read: X, layers/…, obsm/…, obs/…."""
    kind: str
    shape: tuple[int, ...]
    levels: tuple[str, ...] | None = None
    """Of categories, in the order of their codes."""

    def row(self) -> tuple[str, str, str]:
        """Name, shape, kind; the first levels."""
        sizes = " × ".join(f"{size:,}" for size in self.shape) or "–"
        if self.levels is None:
            return self.name, sizes, self.kind
        more = ", …" * (len(self.levels) > SHOWN_LEVELS)
        return self.name, sizes, f"{len(self.levels):,} {self.kind}: {', '.join(self.levels[:SHOWN_LEVELS])}{more}"


def anndata_elements(group: Group) -> tuple[ElementInfo, ...]:
    """The elements of an AnnData store that can be X, a target, a weight or a feature; none for another group."""
    if group.is_array or group.attributes.get("encoding-type") != "anndata":
        return ()
    return tuple(found for name in _names(group) if (found := _described(group, name)) is not None)


def _names(group: Group) -> Iterator[str]:
    yield "X"
    for part in ("layers", "obsm"):
        below = arrays_below(group.source.child(part))
        yield from (f"{part}/{name}" for name in dict.fromkeys(path.partition("/")[0] for path in below))
    table = Group(group.child("obs"))
    columns = table.attributes.get("column-order")
    yield from (f"obs/{name}" for name in columns or () if isinstance(name, str))


def _described(group: Group, name: str) -> ElementInfo | None:
    try:
        document = find_array(group.child(name))
        parsed = {} if document is None else document.parsed()
        if document is None or parsed.get("node_type") == "group":
            return _of_group(Group(group.child(name)), name)
        attributes = Group(group.child(name)).attributes
        shape = tuple(int(size) for size in parsed["shape"])
        where = attributes.get("categories")
        if isinstance(where, str):
            # As anndata wrote until 0.7.
            place = f"{name.rpartition('/')[0]}/{where}"
            return ElementInfo(name, KINDS["categorical"], shape, _levels(group, place))
        kind = KINDS.get(str(attributes.get("encoding-type")))
        return ElementInfo(name, kind or array_format(document, name).chunk.dtype.name, shape)
    except (DataError, KeyError, TypeError, ValueError):
        return None


def _of_group(inner: Group, name: str) -> ElementInfo | None:
    kind = inner.attributes.get("encoding-type")
    if kind not in KINDS:
        return None
    if kind == "categorical":
        return ElementInfo(name, KINDS[kind], inner.rows("codes").shape, _levels(inner, "categories"))
    given: Any = inner.attributes.get("shape")
    if kind.startswith("nullable"):
        given = inner.rows("mask").shape
    return ElementInfo(name, KINDS[kind], tuple(int(size) for size in given or ()))


def _levels(group: Group, place: str) -> tuple[str, ...]:
    return tuple(str(label) for label in read_whole(group.child(place), place).tolist())
