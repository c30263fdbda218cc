"""An array with a row for each row of a dataset, written to a URL chunk by chunk, by any number of processes.

A store behind a URL has no locks: two writers at one place are noticed at the end, by the owner's id, and nothing is
sealed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from dgd._typing import Array
from dgd.data.dataset import Dataset
from dgd.data.zarr import event_loop
from dgd.data.zarr.array_writer import create_array
from dgd.data.zarr.commit_marker import KEY, sealed
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.listing import entries
from dgd.data.zarr.locations import remote_store
from dgd.data.zarr.owner import check_owner, marker_of
from dgd.data.zarr.row_writer import regular_rows
from dgd.data.zarr.secrets import secrets_in, without
from dgd.data.zarr.sources import StoreSource
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import ConfigurationError, WriteError
from dgd.errors.words import without_secrets

ROOT = "zarr.json"


@dataclass(frozen=True)
class UrlWriter:
    """Writes rows to an array whose chunks are the dataset's. Until `commit` the array is marked as interrupted."""

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    owner: str
    chunk_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    @contextmanager
    def created(
        cls,
        dataset: Dataset,
        out: str,
        options: Mapping[str, Any] | None,
        *,
        row_shape: tuple[int, ...],
        dtype: np.dtype[Any],
        overwrite: bool,
    ) -> Iterator[Self]:
        """A new array. Raises ConfigurationError where its chunks cannot be the dataset's, or something is there."""
        _refuse_own_input(dataset, without_secrets(out))
        chunk_shape = (regular_rows(dataset), *row_shape)
        made = cls(out, options or {}, uuid.uuid4().hex, chunk_shape, dtype.newbyteorder("<"))
        made._make_room(overwrite=overwrite)
        draft: dict[str, Any] = {}
        create_array(
            MemoryStore(draft),
            shape=(dataset.shape[0], *row_shape),
            chunks=chunk_shape,
            dtype=made.dtype,
            dimension_names=("row", "output")[: 1 + len(row_shape)],
            compression="none",
            attributes={KEY: marker_of(made.owner)},
        )
        made._set(ROOT, draft[ROOT].to_bytes())
        yield made

    def write(self, start: int, rows: Array) -> None:
        """Write the rows of one chunk; writing them again changes nothing.

        A late worker may come here after another output has taken this one's place: then it writes nothing.
        """
        self._check_owner()
        chunk = np.zeros(self.chunk_shape, self.dtype)
        chunk[: len(rows)] = rows
        body = chunk.tobytes()
        crc = crc32c(np.frombuffer(body, np.uint8)).to_bytes(4, "little")
        place = (start // self.chunk_shape[0], *(0 for _ in self.chunk_shape[1:]))
        self._set(f"c/{'/'.join(map(str, place))}", body + crc)

    def commit(self, *, fingerprint: str) -> None:
        """Mark the array as complete."""
        document = self._check_owner()
        self._set(ROOT, sealed(document, {"dataset": fingerprint}))

    def _check_owner(self) -> dict[str, Any]:
        """The root document, which must be this writer's."""
        document: dict[str, Any] = json.loads(self._get(ROOT) or b"{}")
        check_owner(document, self.owner, self.label)
        return document

    @property
    def label(self) -> str:
        """The URL without its secrets."""
        return without_secrets(self.url)

    def _make_room(self, *, overwrite: bool) -> None:
        found = self._get(ROOT)
        if found is None and not entries(StoreSource(self._store())):
            return
        if not overwrite:
            raise ConfigurationError(f"{self.label} exists; give another URL, or overwrite=True to replace it")
        if found is None or not _is_ours(found):
            raise ConfigurationError(
                f"{self.label} exists and was not written by dgd; remove it yourself, or give another URL"
            )
        self._run(ROOT, self._store().delete_dir(""))

    def _store(self) -> Store:
        return remote_store(self.url, self.options, read_only=False)

    def _get(self, key: str) -> bytes | None:
        found = self._run(key, self._store().get(key, prototype=default_buffer_prototype()))
        return None if found is None else bytes(found.to_bytes())

    def _set(self, key: str, value: bytes) -> None:
        self._run(key, self._store().set(key, default_buffer_prototype().buffer.from_bytes(value)))

    def _run(self, key: str, request: Coroutine[Any, Any, Any]) -> Any:
        try:
            return event_loop.run(request)
        except Exception as error:
            reason = without(secrets_in(self.options), without_secrets(str(error)))
            raise WriteError(
                f"{self.label}: key {key!r} cannot be written ({type(error).__name__}: {reason}); check the URL, the "
                f"storage options and the permissions, then write it again",
                path=self.label,
            ) from error


def _refuse_own_input(dataset: Dataset, out: str) -> None:
    """The output must not be the input, nor lie in it, nor around it."""
    target = _place(out)
    for source in {dataset.source, *(rows.source.label for rows in dataset.arrays if isinstance(rows, ZarrRows))}:
        place = _place(source)
        if place and (f"{place}/".startswith(f"{target}/") or f"{target}/".startswith(f"{place}/")):
            raise ConfigurationError(f"`predict_to` would write into its own input {source}; give another URL")


def _place(url: str) -> str:
    """What follows the protocol."""
    return url.partition("://")[2].strip("/")


def _is_ours(document: bytes) -> bool:
    """Whether a root document bears the mark of dgd."""
    try:
        return KEY in (json.loads(document).get("attributes") or {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return False
