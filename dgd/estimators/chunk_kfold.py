"""Folds of whole chunks: a held-out fold is never read while the others are fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, KFold

from dgd._typing import Integers
from dgd.data.rows import regular_bounds
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_integer


class ChunkKFold(BaseCrossValidator):  # type: ignore[misc]
    """K folds made of whole row chunks of X, which has `bounds`, or of runs of `chunk_rows` rows.

    With folds of scattered rows every fit reads every chunk; with these a fit reads only the chunks it uses. Rows of a
    chunk stay together, so a store whose rows are sorted wants shuffle=True, and one sorted by the target other folds.
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None, chunk_rows: int | None = None
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.chunk_rows = chunk_rows

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits

    def _iter_test_indices(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[Integers]:
        bounds = self._bounds(X)
        chunks = len(bounds) - 1
        if chunks < self.n_splits:
            raise ConfigurationError(
                f"`ChunkKFold(n_splits={self.n_splits})` needs as many chunks, and X has {chunks}; take fewer splits, "
                f"or give `chunk_rows=`"
            )
        folds = KFold(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)
        for _, held_out in folds.split(np.arange(chunks)):
            yield np.concatenate([np.arange(bounds[k], bounds[k + 1]) for k in held_out])

    def _bounds(self, X: Any) -> Integers:
        if self.chunk_rows is not None:
            rows = checked_integer("ChunkKFold(chunk_rows", self.chunk_rows, least=1)
            return regular_bounds(X.shape[0] if hasattr(X, "shape") else len(X), rows)
        if hasattr(X, "bounds"):
            return np.asarray(X.bounds, dtype=np.int64)
        if hasattr(X, "__dask_graph__") and hasattr(X, "chunks"):
            return np.concatenate(([0], np.cumsum(X.chunks[0]))).astype(np.int64)
        raise ConfigurationError(
            f"`ChunkKFold` splits by the chunks of X, and a {type(X).__name__} has none; give `chunk_rows=`, or a "
            f"`ZarrDesign`"
        )
