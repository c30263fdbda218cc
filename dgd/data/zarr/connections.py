"""Stores of fsspec with connections of the event loop that they are used in."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from zarr.abc.store import Store
from zarr.storage import FsspecStore

from dgd.data.zarr import event_loop

_own: WeakKeyDictionary[Any, dict[int, Any]] = WeakKeyDictionary()
"""File systems that are used in dgd's event loop, by those that were given and by the number of the loop."""


def usable(store: Store) -> Store:
    """The store, or its like in the loop that runs now.

    fsspec keeps file systems for the next who asks, or unpickles one; their connections may belong to a loop that hung
    and was given up, or to the process before a fork.
    """
    return reopened(store) if isinstance(store, FsspecStore) and event_loop.number() > 1 else store


def reopened(store: FsspecStore) -> FsspecStore:
    """The same store with connections of its own: those that are open belong to another event loop."""
    fs, number = store.fs, event_loop.number()
    own = _own.setdefault(fs, {})
    if number not in own:
        options = {**fs.storage_options, "asynchronous": True, "skip_instance_cache": True}
        try:
            own[number] = type(fs)(*fs.storage_args, **options)
        except (TypeError, ValueError):  # a file system that is not made by such arguments has no connections
            return store
    errors = store.allowed_exceptions
    return FsspecStore(own[number], read_only=store.read_only, path=store.path, allowed_exceptions=errors)
