"""An array with a row for each row of a dataset, written chunk by chunk, by any number of processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr
from zarr.storage import LocalStore

from dgd._typing import Array
from dgd.data.dataset import Dataset
from dgd.data.folders import replace_file, sync_tree
from dgd.data.zarr.array_writer import create_array
from dgd.data.zarr.commit_marker import KEY, sealed
from dgd.data.zarr.folders import local_folder
from dgd.data.zarr.owner import OutputLock, check_owner
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import ConfigurationError
from dgd.errors.writing import writing

COPIES = 4
"""Copies of a row in memory while zarr's codecs write it."""


@dataclass(frozen=True)
class RowWriter:
    """Writes rows to an array whose chunks are the dataset's. Until `commit` the array is marked as interrupted."""

    path: str
    owner: str

    @classmethod
    @contextmanager
    def created(
        cls,
        dataset: Dataset,
        out: str | os.PathLike[str],
        *,
        row_shape: tuple[int, ...],
        dtype: np.dtype[Any],
        overwrite: bool,
    ) -> Iterator[Self]:
        """A new array, locked against other writers to the end of the block.

        Raises ConfigurationError where its chunks cannot be the dataset's, or would replace them, OutputInUseError
        where another writer is at work.
        """
        target = local_folder(out)
        refuse_own_input("predict_to", dataset, target)
        chunk_rows = regular_rows(dataset)
        with writing(target):
            lock = OutputLock.create(target, overwrite=overwrite)
            create_array(
                LocalStore(target),
                shape=(dataset.shape[0], *row_shape),
                chunks=(chunk_rows, *row_shape),
                dtype=dtype,
                dimension_names=("row", "output")[: 1 + len(row_shape)],
                compression="none",
                attributes={KEY: lock.marker},
            )
        try:
            yield cls(str(target), lock.id)
        finally:
            lock.release()

    def write(self, start: int, rows: Array) -> None:
        """Write the rows of one chunk, in one step; writing them again changes nothing, also at the same time."""
        with writing(self.path):
            # `open_array` ignores `config` for an array that exists: chunks of zeros would be left out.
            array = zarr.open_array(LocalStore(self.path), mode="r+").with_config({"write_empty_chunks": True})
            check_owner({"attributes": array.attrs.asdict()}, self.owner, Path(self.path))
            place = start // array.chunks[0], *(0 for _ in array.shape[1:])
            if Path(self.path, "c", *map(str, place)).exists():
                return  # By another worker, and perhaps brought to disk.
            array[start : start + len(rows)] = rows

    def commit(self, *, fingerprint: str) -> None:
        """Bring the rows to disk and mark the array as complete."""
        path = Path(self.path)
        root = path / "zarr.json"
        with writing(path):
            document = json.loads(root.read_bytes())
            check_owner(document, self.owner, path)
            sync_tree(path)
            replace_file(root, sealed(document, {"dataset": fingerprint}))


def regular_rows(dataset: Dataset) -> int:
    """The rows of each chunk. Raises ConfigurationError where they differ."""
    lengths = np.diff(dataset.bounds)
    if len(lengths) > 1 and (lengths[:-1] != lengths[0]).any():
        raise ConfigurationError(
            "`predict_to` writes one zarr chunk for each chunk of X, and these are irregular; rechunk X evenly, or "
            "use `predict`, which returns an array"
        )
    return int(lengths[0])


def refuse_own_input(call: str, dataset: Dataset, out: str | os.PathLike[str]) -> None:
    """The output must not replace the input, nor anything beside it in its group."""
    inputs = [Path(rows.source.label) for rows in dataset.arrays if isinstance(rows, ZarrRows)]
    # Rows may be decoded, selected or from several stores, which the source names one after the other.
    sources = {dataset.source, *dataset.source.split(", ")} - {"memory"}
    inputs += [Path(source) for source in sorted(sources) if "://" not in source]
    target = local_folder(out).resolve()
    for path in (path.resolve() for path in inputs):
        if target == path or target in path.parents or path in target.parents:
            raise ConfigurationError(f"`{call}` would write into its own input {path}; give another path")
