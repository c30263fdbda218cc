"""What losses have in common whose target is one of two classes, or a proportion between 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, numbers, over_outputs
from dgd.losses.entropy import binary_entropy
from dgd.losses.labels import Label, class_indices, plain_labels


@dataclass(frozen=True)
class TwoClasses(NumberLoss):
    """A loss of two labels, of which the first is y = 0; without labels targets are numbers from 0 to 1.

    Its value is −y log p − (1 − y) log(1 − p), with the probability p of the second class a function of η.
    """

    classes: Sequence[Label] | None = None

    is_likelihood: ClassVar[bool] = True
    expected: ClassVar[str] = "one of the two classes, or a number from 0 to 1 where no classes are declared"

    def __post_init__(self) -> None:
        if self.classes is None:
            return
        name = type(self).__name__
        classes = plain_labels(self.classes, call=f"{name}(classes=...)")
        if len(classes) != 2:
            raise ConfigurationError(
                f"`{name}(classes=...)` must be two labels, got {len(classes)}; `Softmax(classes=...)` takes more"
            )
        object.__setattr__(self, "classes", classes)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The two labels, 0 and 1 where none were declared."""
        return (0, 1) if self.classes is None else tuple(self.classes)

    def wants_labels(self, dtype: np.dtype[Any]) -> bool:
        """Where the target holds strings: numbers from 0 to 1 are targets without classes."""
        return self.classes is None and dtype.kind in "US"

    def with_classes(self, labels: Iterable[Any]) -> Self:
        """The same loss for two labels: the first is y = 0, the second y = 1."""
        return replace(self, classes=tuple(labels))

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """0 and 1 for the two classes, or the numbers themselves; NaN for anything else."""
        if self.classes is not None:
            return class_indices(y, self.classes, dtype)
        encoded = numbers(y, dtype)
        if encoded.min(initial=0) >= 0 and encoded.max(initial=0) <= 1:
            return encoded
        return np.where((encoded >= 0) & (encoded <= 1), encoded, np.nan)

    def saturated(self, y: FloatArray) -> FloatArray:
        """The entropy of y, summed over the outputs: 0 for y = 0 and y = 1."""
        return over_outputs(binary_entropy(y))

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """The entropy of ȳ, the proportion of the second class, summed over the outputs."""
        return float(np.sum(binary_entropy(np.clip(np.asarray(mean, dtype=np.float64), 0, 1))))
