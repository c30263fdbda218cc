"""The demonstration's data: y = Xθ + noise with a θ that is known, and its exact least-squares solution.

Run as a program, `python -m dgd.cli.demo.data PATH ROWS`, it writes the data: in a process of its own, so that the
memory this takes is not counted as that of the fits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from dgd._typing import Vector

FEATURES = 64
CHUNK_ROWS = 2**14
ROW_BYTES = 4 * FEATURES + 8
COMMON = 0.08
"""The weight of a common factor in each column: it correlates the columns, so that descent takes some steps."""
NOISE = 0.5


def true_theta() -> Vector:
    """The θ the targets are made with, intercept first."""
    return np.random.default_rng(1).normal(size=1 + FEATURES)


def write_dataset(path: str, rows: int, tell: Callable[[int], object] = abs) -> None:
    """Write `rows` rows in chunks of 4 MiB; X in float32, its columns of different scales and means.

    tell: is told the rows that are written.
    """
    from dgd.data.zarr.dataset_writer import DatasetWriter

    rng = np.random.default_rng(2)
    theta = true_theta()
    scale = rng.uniform(0.5, 2, FEATURES).astype(np.float32)
    mean = rng.uniform(-0.5, 0.5, FEATURES).astype(np.float32)
    names = [f"x{j}" for j in range(FEATURES)]
    with DatasetWriter(path, chunk_rows=CHUNK_ROWS, feature_names=names, target_name="y") as writer:
        for start in range(0, rows, CHUNK_ROWS):
            count = min(CHUNK_ROWS, rows - start)
            X = rng.random((count, FEATURES), dtype=np.float32)
            X += np.float32(COMMON / (1 - COMMON)) * rng.random((count, 1), dtype=np.float32)
            X *= scale
            X += mean
            y = X @ theta[1:] + theta[0] + NOISE * rng.standard_normal(count)
            writer.append(X, y)
            tell(start + count)


def exact_theta(path: str, tell: Callable[[int], object] = abs) -> Vector:
    """The least-squares solution by the normal equations [1 X]ᵀ[1 X] θ = [1 X]ᵀy, summed chunk by chunk.

    tell: is told the rows that are summed.
    """
    from dgd.data.buffers import Buffers
    from dgd.passes.blas import single_threaded_blas
    from dgd.passes.opening import open_dataset

    dataset = open_dataset(path)
    n = 1 + dataset.shape[1]
    gram, moment = np.zeros((n, n)), np.zeros(n)
    buffers = Buffers()
    with single_threaded_blas():
        for index in range(dataset.n_chunks):
            chunk = dataset.read(index, buffers)
            assert chunk.y is not None
            A = buffers.take("A", (len(chunk.X), n), np.float64)
            A[:, 0], A[:, 1:] = 1, chunk.X
            gram += A.T @ A
            moment += A.T @ chunk.y
            tell(chunk.start + len(chunk.X))
    scale = np.sqrt(np.diag(gram))
    theta: Vector = np.linalg.solve(gram / np.outer(scale, scale), moment / scale) / scale
    return theta


if __name__ == "__main__":
    write_dataset(sys.argv[1], int(sys.argv[2]), lambda done: print(done, flush=True))
