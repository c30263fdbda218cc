"""Numbers for each cell of some dimensions, written tile by tile, by any number of processes: a group for xarray.

Each array has the cells' dimensions, and perhaps one more; its chunks are the tiles. A writer that was interrupted can
be gone on with: a tile is complete when each array has its chunk, whole by its checksum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd.data.grid import Coordinate
from dgd.data.zarr.array_writer import ArrayDraft
from dgd.data.zarr.commit_marker import KEY, sealed
from dgd.data.zarr.coordinates import write_coordinate
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.outputs import EMPTY_GROUP, ROOT, Output, begin, left_output, open_output, root_of

STORED = np.dtype("<f8")
COPIES = 3
"""Copies of a tile in memory while it is written."""


@dataclass(frozen=True)
class TileWriter:
    """Writes tiles of float64. Until `commit` the group is marked as interrupted."""

    output: Output
    tile: tuple[int, ...]
    """Cells of a tile along each dimension."""
    names: Mapping[str, int | None]
    """The arrays, and the length of the further dimension of those that have one; the last is written last."""
    goes_on: bool = False
    """Whether tiles may be there already."""
    documents: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def created(
        cls,
        out: Any,
        *,
        sizes: tuple[int, ...],
        tile: tuple[int, ...],
        dims: tuple[str, ...],
        names: Mapping[str, int | None],
        further: str,
        coordinates: Sequence[Coordinate],
        attributes: Mapping[str, Mapping[str, Any]],
        identity: str,
        overwrite: bool,
        options: Mapping[str, Any] | None = None,
    ) -> Iterator[Self]:
        """A new group at a local path or a URL, or the one that a writer of this identity has left unfinished.

        dims: of the cells; further: the name of the further dimension. attributes: of each array.
        """
        left = None if overwrite else left_output(out, options, identity)
        output = left or open_output(out, options, overwrite=overwrite)
        try:
            beside = [each.name for each in coordinates]
            begin(output, EMPTY_GROUP, identity=identity, beside=beside)
            others = " ".join(each.name for each in coordinates if each.name not in (*dims, further))
            documents = {each.name: write_coordinate(output, each) for each in coordinates}
            for name, length in names.items():
                more = () if length is None else (length,)
                draft = ArrayDraft(
                    shape=(*sizes, *more),
                    chunks=(*tile, *more),
                    dtype=STORED,
                    dimension_names=(*dims, *((further,) if more else ())),
                    compression="none",
                    attributes={
                        KEY: {"part_of": "dataset"},
                        **attributes.get(name, {}),
                        **({"coordinates": others} if others else {}),
                    },
                )
                output.set(f"{name}/{ROOT}", draft.document)
                documents[name] = draft.document
            digests = {name: hashlib.sha256(found).hexdigest() for name, found in documents.items()}
            yield cls(output, tile, dict(names), left is not None, digests)
        finally:
            output.release()

    def write(self, place: tuple[int, ...], values: Mapping[str, Array]) -> None:
        """Write a tile of every array; writing it again changes nothing.

        A late worker may come here after another output has taken this one's place: then it writes nothing.
        """
        root_of(self.output)
        put = self.output.set if self.goes_on else self.output.set_once
        for name, length in self.names.items():
            chunk = np.zeros((*self.tile, *(() if length is None else (length,))), STORED)
            found = values[name]
            chunk[tuple(map(slice, found.shape))] = found
            body = chunk.tobytes()
            put(self._key(name, place), body + crc32c(np.frombuffer(body, np.uint8)).to_bytes(4, "little"))

    def read(self, place: tuple[int, ...], name: str) -> Array | None:
        """A tile of an array, with what lies beyond its edge; None where it is not there, or not whole."""
        found = self.output.get(self._key(name, place)) if self.goes_on else None
        if found is None or len(found) < 4:
            return None
        body = np.frombuffer(found, np.uint8)[:-4]
        whole = crc32c(body).to_bytes(4, "little") == found[-4:]
        length = self.names[name]
        shape = (*self.tile, *(() if length is None else (length,)))
        return body.view(STORED).reshape(shape) if whole and body.nbytes == 8 * np.prod(shape) else None

    def commit(self, *, fingerprint: str) -> None:
        """Bring the tiles to disk and mark the group as complete."""
        self.output.seal(sealed(root_of(self.output), {"dataset": fingerprint, "arrays": self.documents}))

    def _key(self, name: str, place: tuple[int, ...]) -> str:
        length = self.names[name]
        return f"{name}/c/{'/'.join(map(str, (*place, *(() if length is None else (0,)))))}"
