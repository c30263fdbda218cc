"""What is at a location: the arrays of a group, nested groups included; and what lies there if it is no group.

Looked for only where something was not found, and by `info`. Some stores cannot be listed, and some say no.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from zarr.storage import FsspecStore

from dgd.data.zarr import event_loop
from dgd.data.zarr.documents import read_document
from dgd.data.zarr.sources import LocalSource, Source, StoreSource, unreadable
from dgd.data.zarr.zip_source import ZipSource
from dgd.errors import DataError

MOST_ARRAYS = 200
MOST_NODES = 1000
SHOWN = 12
LIST_SECONDS = 10.0
ICECHUNK = {"manifests", "refs", "snapshots"}
"""Folders of a repository of icechunk."""


def arrays_below(source: Source) -> list[str]:
    """The paths of the arrays below a group, sorted, at most MOST_ARRAYS; none if it cannot be listed."""
    try:
        found = _consolidated(source)
        if not found:
            found = [name for name, _ in zip(_arrays(source), range(MOST_ARRAYS), strict=False)]
    except DataError:
        return []
    return sorted(found)[:MOST_ARRAYS]


def not_found(source: Source, key: str, committed: tuple[str, ...]) -> str:
    """Why there is no array of that name, and what there is instead."""
    arrays = list(committed) or arrays_below(source)
    if arrays:
        hint = "name the variables that are features (features=[…], --features)" if key == "X" else "name one of them"
        return f"{source.label} has no array {key!r}, it has {_listed(arrays)}; {hint}"
    inside = _entries(source)
    if inside is None:
        return f"{source.label} has no array {key!r}, and it cannot be listed; check the path and the name"
    if inside and {*inside} >= ICECHUNK:
        return (
            f"{source.label} is a repository of icechunk, which holds versions of a store; open one and give its "
            f"store: `icechunk.Repository.open(…).readonly_session('main').store`"
        )
    if inside:
        return f"{source.label} has no array {key!r} and is no Zarr group, it holds {_listed(inside)}; check the path"
    if isinstance(source, LocalSource):
        return f"{source.label} has no array {key!r}, for the folder is empty; check the path"
    missing, above = "", _above(source)
    while above is not None:
        found = _entries(above)
        if found:
            return f"nothing is at {source.label}, and {above.label} holds {_listed(found)}; check the path"
        if found is None:
            break
        missing = f", for {above.label} does not exist or is empty"
        above = _above(above)
    return f"nothing is at {source.label}{missing}; check the path, and the name of the bucket or host"


def _above(source: Source) -> Source | None:
    """The source one level up, if that is more than a protocol."""
    found = source.parent()
    return None if found is None or found[0].label.endswith(":") else found[0]


def _entries(source: Source) -> list[str] | None:
    """The names directly at a source; None for whatever cannot be listed."""
    try:
        return entries(source)
    except DataError:
        return None


def entries(source: Source) -> list[str] | None:
    """The names directly at a source, sorted; None if it cannot be listed. Raises ReadError for a local folder then."""
    try:
        if isinstance(source, LocalSource):
            with os.scandir(source.root) as found:
                return sorted(entry.name for entry in found)
        if isinstance(source, ZipSource):
            return sorted(source.names())
        if isinstance(source, StoreSource):
            names = event_loop.run(_names(source), timeout=LIST_SECONDS)
            return sorted({name.rstrip("/").rpartition("/")[2] for name in names} - {""})
    except (FileNotFoundError, NotADirectoryError):
        return []
    except Exception as error:  # whatever a store answers that is asked for a list, the caller has a better error
        if isinstance(source, LocalSource):
            raise unreadable(source.label, "", error) from error
    return None


async def _names(source: StoreSource) -> list[str]:
    store = source.store
    if not isinstance(store, FsspecStore):
        return [name async for name in store.list_dir(source.prefix)]
    path = f"{store.path}/{source.prefix}".rstrip("/")
    names: list[str] = [name for name in await store.fs._ls(path, detail=False) if name.rstrip("/") != path]
    return names


def _consolidated(source: Source) -> list[str]:
    """The arrays that consolidated metadata name."""
    document = read_document(source, "zarr.json")
    if document is not None:
        nodes = _part(_part(_parsed(document), "consolidated_metadata"), "metadata")
        return [name for name, node in nodes.items() if _part(nodes, name).get("node_type") == "array"]
    nodes = _part(_parsed(read_document(source, ".zmetadata")), "metadata")
    return [name.removesuffix("/.zarray") for name in nodes if name.endswith("/.zarray")]


def _parsed(document: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(document or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _part(found: dict[str, Any], key: str) -> dict[str, Any]:
    part = found.get(key)
    return part if isinstance(part, dict) else {}


def _arrays(source: Source) -> Iterator[str]:
    """The arrays below a group, found by listing group after group; those nearest first."""
    groups = [""]
    looked_at = 0
    while groups:
        group = groups.pop(0)
        for name in _entries(source.child(group) if group else source) or []:
            looked_at += 1
            if looked_at > MOST_NODES:
                return
            path = f"{group}/{name}".lstrip("/")
            kind = None if name.startswith(".") or name.endswith(".json") else _kind(source.child(path))
            if kind == "array":
                yield path
            elif kind == "group":
                groups.append(path)


def _kind(source: Source) -> str | None:
    """Whether a zarr array or group is there."""
    document = read_document(source, "zarr.json")
    if document is not None:
        return str(_parsed(document).get("node_type"))
    for key, kind in ((".zarray", "array"), (".zgroup", "group")):
        if read_document(source, key) is not None:
            return kind
    return None


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f", … ({len(names):,} in all)" if more > 0 else "")
