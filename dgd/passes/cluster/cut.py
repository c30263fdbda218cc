"""How finely a pass is cut into tasks: by how long it takes. It decides no bit, see `dgd.passes.tree`.

Work of w seconds in n tasks takes about w / n + n · c where Dask needs c seconds for a task, one after the other: least
for n = √(w / c). With as many tasks as a few for each thread, those that are done first help the others.
"""

from __future__ import annotations

import math

from dgd.data.dataset import Dataset
from dgd.passes.tree import Node, cut_level, nodes_at

NODES_PER_THREAD = 4
TASK_SECONDS = 0.001
"""What Dask needs for a task, whatever it does: 0.3 ms of the scheduler alone, 4 ms where all share two processors."""
CHUNK_SECONDS = 5e-5
BYTES_PER_SECOND = 2e9
"""A chunk that is in memory: what it takes whatever its size, and how fast its numbers are summed."""


class Cut:
    """The nodes of each dataset's passes: guessed at first, then by the least that one has taken."""

    def __init__(self) -> None:
        self._seconds: list[tuple[Dataset, float]] = []

    def took(self, dataset: Dataset, seconds: float) -> None:
        """Note the work that a pass was, in seconds of one thread. More is taken where threads wait for each other."""
        least = min([seconds, *(found for known, found in self._seconds if known is dataset)])
        self._seconds = [*((known, found) for known, found in self._seconds if known is not dataset), (dataset, least)]

    def nodes(self, dataset: Dataset, threads: int, *, guess: bool) -> list[Node]:
        """The nodes of a pass on so many threads. guess: always the same ones, for what stays where it is."""
        found = [seconds for known, seconds in self._seconds if known is dataset and not guess]
        seconds = found[0] if found else expected_seconds(dataset)
        best = max(1, round(math.sqrt(seconds / TASK_SECONDS)))
        return nodes_at(cut_level(dataset.n_chunks, min(best, NODES_PER_THREAD * threads)), dataset.n_chunks)


def expected_seconds(dataset: Dataset) -> float:
    """The least that a pass takes of one thread: from memory."""
    return dataset.n_chunks * CHUNK_SECONDS + dataset.shape[0] * dataset.row_bytes / BYTES_PER_SECOND
