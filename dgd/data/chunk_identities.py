"""What each row chunk of a dataset is, as numbers: where it ends, and a digest of the stored chunks it is read from."""

from __future__ import annotations

import hashlib

import numpy as np

from dgd._typing import Matrix
from dgd.data.checksums import UNREAD
from dgd.data.dataset import Dataset

UNKNOWN = 0.0


def chunk_identities(dataset: Dataset) -> Matrix:
    """(chunks, 3): the row after the last, and two halves of a digest of the checksums that are known, 0 for unknown.

    Of what dgd wrote they are known before anything is read, of other stores once it was read, of arrays never.
    """
    found = np.zeros((dataset.n_chunks, 3))
    found[:, 0] = dataset.bounds[1:]
    for k in range(dataset.n_chunks):
        start, stop = int(dataset.bounds[k]), int(dataset.bounds[k + 1])
        stored = [held.values for rows in dataset.arrays for held in rows.stored(start, stop)]
        if stored and not any((values == UNREAD).any() for values in stored):
            digest = hashlib.sha256(b"".join(values.astype("<u4").tobytes() + b"|" for values in stored)).digest()
            found[k, 1:] = np.frombuffer(digest[:8], "<u4")
    return found


def same_chunks(one: Matrix, other: Matrix) -> int:
    """How many of the first chunks are alike, as far as that is known."""
    count = min(len(one), len(other))
    a, b = one[:count], other[:count]
    known = (a[:, 1:].any(axis=1)) & (b[:, 1:].any(axis=1))
    alike = (a[:, 0] == b[:, 0]) & (~known | (a[:, 1:] == b[:, 1:]).all(axis=1))
    return count if alike.all() else int(np.argmin(alike))
