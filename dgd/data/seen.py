"""What a process knows of a dataset's stored chunks, as a value: driver and workers hold one another's reads to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgd.data.checksums import UNREAD
from dgd.data.dataset import Dataset
from dgd.errors import DatasetChangedError


@dataclass(frozen=True, slots=True)
class Seen:
    """The checksums of an array's stored chunks from `first` on, `UNREAD` where a chunk was not read."""

    role: str
    part: int
    """Which of the arrays that the role is read from."""
    first: int
    values: NDArray[np.uint32]
    worker: str | None = None
    """Who has read them; None for the driver."""

    @property
    def is_complete(self) -> bool:
        """Whether all of these chunks were read."""
        return not (self.values == UNREAD).any()


def seen(dataset: Dataset, chunks: range, *, worker: str | None = None) -> tuple[Seen, ...]:
    """What this process has read of some chunks, for arrays whose writer left no list of checksums."""
    start, stop = int(dataset.bounds[chunks.start]), int(dataset.bounds[chunks.stop])
    return tuple(
        Seen(role, part, stored.first, stored.values.copy(), worker)
        for role, rows in dataset.by_role.items()
        for part, stored in enumerate(rows.stored(start, stop))
        if not stored.checksums.is_left
    )


def hold(dataset: Dataset, found: Iterable[Seen]) -> None:
    """Hold what this process has read, and will read, to what others have read. Raises DatasetChangedError."""
    for each in found:
        stored = dataset.by_role[each.role].stored(0, dataset.shape[0])[each.part]
        try:
            stored.checksums.hold(each.first, each.values)
        except DatasetChangedError as error:
            if each.worker is None:
                raise
            raise error.on(each.worker) from error
