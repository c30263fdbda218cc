"""Makes a dataset of X, y and weights, in memory or lazy."""

from __future__ import annotations

import numbers
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from dgd._typing import Array, Integers
from dgd.data.arrays.frames import array_of, check_columns, is_frame
from dgd.data.arrays.memory_rows import MemoryRows, as_rows, no_array
from dgd.data.arrays.sparse_rows import SparseRows
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.opening import open_data
from dgd.data.rows import ReadAtOnce, Rows, refuse_masked
from dgd.data.transforms.missing import check_counts, missing_rows
from dgd.errors import ConfigurationError, DataError
from dgd.errors.words import shown
from dgd.estimators.design import ZarrDesign, chunks_of, in_order, read_whole
from dgd.fitting.null_model import sweep_targets
from dgd.passes.execution import Execution, default_threads
from dgd.passes.memory import available_processors
from dgd.passes.plan import Need
from dgd.passes.session import session
from dgd.passes.sums.bad_rows import checked_weight
from dgd.passes.sums.label_weights import LabelWeights, LabelWeightSum

LAZY_LIBRARIES = ("zarr", "fsspec", "h5py", "pyarrow", "xarray", "anndata")
SINGLE = np.dtype(np.float32)
SMALL_BYTES = 4 * 2**20
"""In-memory X up to this is fitted by one thread."""


@dataclass(frozen=True)
class Training:
    """What a fit is made on. threads: of this process, for what lies in its memory; None where `dgd.fit` decides."""

    dataset: Dataset
    threads: int | None = None
    lazy: bool = False
    order: Integers | None = None
    """Where each row of the dataset stands in the caller's X; None where the order is the same."""
    known_weight: float | None = None
    """Σw, where it is known."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """What `coef_` has: float32 for X of it in memory, else float64."""
        return np.dtype(np.float64) if self.lazy or self.dataset.X.dtype != SINGLE else SINGLE

    @cached_property
    def weight_sum(self) -> float:
        """Σw over the rows that count; without weights their number.

        The weights alone are read for it, chunk by chunk; all is, once, where rows with a missing cell are left out.
        """
        if self.known_weight is not None:
            return self.known_weight
        weight = self.dataset.weight
        if self.dataset.missing == "drop":
            return weight_of_complete_rows(self.dataset, self.threads)
        if weight is None:
            return float(self.dataset.shape[0])
        total = sum(float(part.sum(dtype=np.float64)) for part in chunks_of(weight))
        if not total > 0:
            raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
        return total


def is_lazy(data: Any) -> bool:
    """Whether the values are read by chunks: a path, zarr's and Dask's arrays, rows, a dataset, a design."""
    if isinstance(data, (ZarrDesign, Dataset, ReadAtOnce, str, os.PathLike)):
        return True
    library = type(data).__module__.partition(".")[0]
    return library in LAZY_LIBRARIES or hasattr(data, "get_partial_values") or hasattr(data, "__dask_graph__")


def is_lazy_matrix(X: Any) -> bool:
    """Whether X is lazy, or a list of locations, which is one X; a list of texts as y holds labels."""
    several = isinstance(X, (list, tuple)) and len(X) > 0 and all(isinstance(each, (str, os.PathLike)) for each in X)
    return several or is_lazy(X)


def weight_of_complete_rows(dataset: Dataset, threads: int | None) -> float:
    """Σw over the rows without a missing cell, which are known when all of them are read: one pass."""
    with session(Execution(threads=threads)) as running:
        found = running.executor.sweep(running.open(dataset, Need()), _chunk_weight)
    check_counts(found.value, found.left_out, dataset.feature_names)
    return float(found.value)


def weights_by_label(training: Training) -> LabelWeights:
    """The labels of y and Σw of each, from one read of y and the weights; of all, where rows are left out."""
    dataset, threads = training.dataset, training.threads
    assert dataset.y is not None
    of_chunk = LabelWeightSum(dataset.y.name)
    with session(Execution(threads=threads)) as running:
        if dataset.missing == "drop":
            found = running.executor.sweep(running.open(dataset, Need()), of_chunk)
        else:
            found = sweep_targets(dataset, running.executor, of_chunk)
    check_counts(float(found.value.weights.sum()), found.left_out, dataset.feature_names)
    return found.value


def _chunk_weight(chunk: Chunk, buffers: Buffers) -> float:
    weight = checked_weight(chunk, np.dtype(np.float64))
    return float(len(chunk.X)) if weight is None else float(weight.sum())


def _check_array(X: Any, y: Any) -> None:
    """Raise what `dgd.fit` raises for what is no array, and for masked cells, whose numbers would be used."""
    # A sparse matrix of SciPy's is a dictionary as well.
    table = isinstance(X, dict) and not sparse.issparse(X)
    if table or not any(hasattr(X, each) for each in ("__len__", "shape", "__array__")):
        raise no_array("X", X)
    for name, values in (("X", X), ("y", y)):
        refuse_masked(name, values)


def in_memory(estimator: Any, X: Any, y: Any, sample_weight: Any, *, multi_output: bool, numeric: bool) -> Training:
    """Arrays of this process, checked as scikit-learn does; a sparse X stays sparse."""
    _check_array(X, y)
    if is_frame(X) and X.ndim == 2:
        check_columns("X", X)
    X, y = validate_data(estimator, X, y, accept_sparse="csr", multi_output=multi_output, y_numeric=numeric)
    rows = matrix_rows(X)
    dataset = Dataset(X=rows, y=as_rows("y", y), weight=weight_rows(sample_weight, X.shape[0]))
    bytes_held = rows.footprint.held
    return Training(dataset, threads=1 if bytes_held <= SMALL_BYTES else default_threads())


def threads_of(name: str, n_jobs: Any) -> int | None:
    """The threads that scikit-learn's `n_jobs` stands for: -1 for all processors, -2 for all but one, and so on."""
    if n_jobs is None:
        return None
    if isinstance(n_jobs, (bool, np.bool_)) or not isinstance(n_jobs, (int, np.integer)) or n_jobs == 0:
        raise ConfigurationError(
            f"`{name}(n_jobs=...)` must be None, a number of threads, or -1 for one a processor, got {shown(n_jobs)}"
        )
    return int(n_jobs) if n_jobs > 0 else max(1, available_processors() + 1 + int(n_jobs))


def matrix_rows(X: Any) -> Rows:
    """X as rows; numbers wider than float64 are rounded to it."""
    if X.dtype.kind == "f" and X.dtype.itemsize > 8:
        X = X.astype(np.float64)
    return SparseRows("X", X) if sparse.issparse(X) else MemoryRows("X", X)


def weight_rows(sample_weight: Any, n_rows: int) -> MemoryRows | None:
    """Weights in memory, one for each row, none negative and not all zero. A number stands for all rows."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, numbers.Real):
        sample_weight = np.full(n_rows, float(sample_weight))
    weight = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.shape != (n_rows,):
        raise ValueError(f"sample_weight must have shape ({n_rows},), one weight for each row, got {weight.shape}")
    if weight.min() < 0:
        raise ValueError(f"sample_weight must not be negative, got {weight.min()}")
    if not weight.any():
        raise ValueError("sample_weight must not be zero for every row")
    return MemoryRows("weight", weight)


def lazily(X: Any, y: Any = None, sample_weight: Any = None, *, target: bool, multi_output: bool = True) -> Training:
    """The dataset that X names or holds, with y and weights given or from the same group; nothing is read.

    target: whether there must be a y.
    """
    if not multi_output and y is not None and not is_lazy(y):
        y = column_or_1d(y, warn=True)
    if not isinstance(X, (ZarrDesign, Dataset)):
        training = Training(open_data(X, y, sample_weight, need_target=target), lazy=True)
    else:
        dataset, order = (X.dataset, X.order) if isinstance(X, ZarrDesign) else (X, None)
        if y is not None:
            dataset = replace(dataset, y=_beside("y", y, order))
        if sample_weight is not None:
            dataset = replace(dataset, weight=_beside("weight", sample_weight, order))
        training = Training(dataset, lazy=True, order=order)
    found = training.dataset.y
    if target and found is None:
        raise ConfigurationError(f"{X!r} has no target, and there is no y: pass it as the second argument")
    if target and not multi_output and found is not None and len(found.shape) > 1:
        raise ConfigurationError(f"y must have one column, got shape {found.shape}")
    return training


def _beside(name: str, values: Any, order: Integers | None) -> Rows:
    """An array in memory beside a dataset, in the order the dataset is read."""
    if is_lazy(values):
        raise ConfigurationError(f"a lazy {name} belongs into the dataset: `dgd.open_dataset(X, y, weight=...)`")
    rows = MemoryRows(name, array_of(name, values)) if is_frame(values) else as_rows(name, values)
    return rows if order is None else MemoryRows(name, rows.array[order])


def note_columns(estimator: Any, dataset: Dataset) -> None:
    """What `validate_data` notes of X at a fit: the number of columns, and their names if it has any."""
    estimator.n_features_in_ = dataset.shape[1]
    if dataset.feature_names is not None:
        estimator.feature_names_in_ = np.array(dataset.feature_names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def check_same_columns(estimator: Any, dataset: Dataset) -> None:
    """Raise ValueError unless a dataset has the columns the estimator was fitted on."""
    name, expected, n = type(estimator).__name__, estimator.n_features_in_, dataset.shape[1]
    if n != expected:
        raise ValueError(f"X has {n} features, but {name} is expecting {expected} features as input")
    known = getattr(estimator, "feature_names_in_", None)
    if known is None or dataset.feature_names is None or tuple(known) == dataset.feature_names:
        return
    j = next(j for j in range(n) if known[j] != dataset.feature_names[j])
    raise ValueError(
        f"column {j} of X is {dataset.feature_names[j]!r}, and {name} was fitted on {known[j]!r} there; give the "
        f"columns in the order of `feature_names_in_`"
    )


def scored(X: Any, y: Any, sample_weight: Any, predicted: Array) -> tuple[Any, Array, Any]:
    """Target, predictions and weights in memory, in the order of X, whatever X is; of a design that leaves out rows
    with a missing cell those of the others.
    """
    if not (is_lazy_matrix(X) or is_lazy(y) or is_lazy(sample_weight)):
        return y, predicted, sample_weight
    training = lazily(X, y, sample_weight, target=True)
    dataset = training.dataset
    assert dataset.y is not None
    target, weight = in_order(read_whole(dataset.y), training.order), None
    if sample_weight is not None and dataset.weight is not None:
        weight = in_order(read_whole(dataset.weight), training.order)
    if dataset.missing == "error":
        return target, predicted, weight
    gone = [
        rows for each in (target, predicted, weight) if each is not None and (rows := missing_rows(each)) is not None
    ]
    kept = ~np.logical_or.reduce([np.zeros(len(target), bool), *gone])
    return target[kept], predicted[kept], None if weight is None else weight[kept]
