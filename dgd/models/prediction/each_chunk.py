"""What is predicted of each chunk: the response, a label, probabilities or intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.data.transforms.missing import NO_LABEL, missing_rows
from dgd.errors import ConfigurationError
from dgd.models.inference.intervals import COLUMNS, Intervals
from dgd.models.prediction.columns_by_name import in_order_of
from dgd.models.predictor import Predictor
from dgd.passes.sums.bad_rows import check_finite


def opened(model: Predictor, data: Any, offset: Any, reading: ReadingOptions) -> tuple[Dataset, str]:
    """The dataset with the columns of the model, and what is done with its missing cells."""
    given = Reading.of("predict", model.part_of(reading))
    offset = model.offset_of(offset)
    data = in_order_of(model, data, given)
    how = model.reading(given, data)
    dataset = open_data(data, None, None, offset, need_target=False, reading=how, known=model.feature_names)
    model.check(dataset)
    return replace(dataset, missing="error"), dataset.missing


@dataclass(frozen=True)
class Prediction:
    """What is predicted: the model's response or label, or with `probabilities` one number for each class."""

    model: Predictor
    probabilities: bool = False
    missing: str = "error"
    """Whether a row with a missing cell is an error, or has no prediction ("drop"): NaN, or no label."""
    intervals: Intervals | None = None

    def __post_init__(self) -> None:
        check_classes(self.model, probabilities=self.probabilities)
        if self.missing == "drop" and self.dtype.kind not in "fU":
            raise ConfigurationError(
                f"a row with a missing cell has no class, and {self.dtype} has no value for that; predict "
                f"`probabilities=True`, write a table (`predict_to(..., 'p.parquet')`), or predict without `missing`"
            )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row's prediction."""
        last = () if self.intervals is None else (len(COLUMNS),)
        if self.model.classes is None:
            return (*self.model.outputs, *last)
        targets = self.model.outputs if self.model.of_two else ()
        return (*targets, len(self.model.classes), *last) if self.probabilities else targets

    @property
    def axes(self) -> tuple[tuple[str, tuple[Any, ...] | None], ...]:
        """The names of the dimensions of a row's prediction, and the labels along them."""
        classes = (("class", self.model.classes),) if self.probabilities else ()
        dimensions = len(self.row_shape) - len(classes) - (self.intervals is not None)
        return (*(("output", None),) * dimensions, *classes, ("statistic", COLUMNS))

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the labels, else float64."""
        if self.model.classes is None or self.probabilities:
            return np.dtype(np.float64)
        return np.asarray(self.model.classes).dtype

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Array:
        """A chunk's predictions; a value that is not finite is refused."""
        raw, unknown = known_rows(self.model, chunk, buffers, self.missing)
        labels = self.model.classes is not None and not self.probabilities
        if self.intervals is not None:
            predicted = self.intervals(self.model, chunk, raw, buffers)
        else:
            predicted = self.model.labels(raw) if labels else self.model.response(raw)
        if unknown is not None:
            predicted[unknown] = NO_LABEL if labels else np.nan
        return predicted


def check_classes(model: Predictor, *, probabilities: bool) -> None:
    """Raise ConfigurationError for probabilities of a model without classes."""
    if probabilities and model.classes is None:
        raise ConfigurationError(
            f"probabilities need classes, and a model of the loss {model.loss!r} has none; use `predict` "
            f"without `probabilities`"
        )


def width(model: Predictor, intervals: Intervals | None) -> int:
    """The columns that X is multiplied with."""
    outputs = math.prod(model.outputs)
    return outputs if intervals is None or model.uncertainty is None else outputs * model.uncertainty.root.shape[2]


def known_rows(
    model: Predictor, chunk: Chunk, buffers: Buffers, missing: str
) -> tuple[Array, NDArray[np.bool_] | None]:
    """η of a chunk's rows, and which have none since a cell is missing, where that may be; their η is 0.

    Raises ValueRangeError for other values that are not finite.
    """
    raw = model.raw_prediction(chunk, buffers)
    if missing == "error":
        if not np.isfinite(raw).all():
            check_finite(chunk)
        return raw, None
    found = [rows for values in chunk.arrays.values() if (rows := missing_rows(values)) is not None]
    unknown = np.logical_or.reduce(found) if found else None
    if not np.isfinite(raw if unknown is None else raw[~unknown]).all():
        check_finite(chunk if unknown is None else chunk.take(np.flatnonzero(~unknown)))
    if unknown is not None:
        raw[unknown] = 0
    return raw, unknown
