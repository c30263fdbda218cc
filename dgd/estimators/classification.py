"""What estimators of classes share: labels and their weights, and the class of the greatest raw prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from dgd._typing import Array, Vector
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.distinct import check_several, distinct
from dgd.data.transforms.class_weights import ClassWeights
from dgd.data.transforms.missing import check_labels, without_labels
from dgd.estimators.base import LinearEstimator
from dgd.estimators.class_factors import class_factors
from dgd.estimators.inputs import Training, scored, weights_by_label
from dgd.models.model import Model


class Classification(ClassifierMixin, LinearEstimator):  # type: ignore[misc]
    """A linear model of two classes or more. With two classes `coef_` is (1, n), with K > 2 (K, n)."""

    _numeric_target = False
    _ravels_one_column = False

    def decision_function(self, X: Any) -> Vector:
        """η: (m,) with two classes, positive for the second; (m, K) with more."""
        return self._raw_prediction(X)

    def predict(self, X: Any) -> Array:
        """The most probable class of each row; a row with a missing cell, of a design that may have some, has none."""
        raw = self.decision_function(X)
        winner = (raw > 0).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
        labels: Array = self.classes_[winner]
        unknown = np.isnan(raw if raw.ndim == 1 else raw[:, 0])
        return without_labels(labels, unknown) if unknown.any() else labels

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The proportion of rows whose class was predicted; a lazy X may bring its own y."""
        y, predicted, sample_weight = scored(X, y, sample_weight, self.predict(X))
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        """The data, with the indices of the classes for y where y is in memory."""
        training = super()._training(X, y, sample_weight)
        target = training.dataset.y
        assert target is not None
        if _in_memory(training) and isinstance(target, MemoryRows):
            if training.lazy:
                check_labels(target.name, target.array, 0)
            check_classification_targets(target.array)
            classes, indices = np.unique(target.array, return_inverse=True)
            self._note_classes(classes)
            own = training.dataset.weight
            if isinstance(own, MemoryRows):
                class_factors(type(self).__name__, None, classes, np.bincount(indices, own.array))
            y = MemoryRows("y", indices.astype(np.int64))
            training = replace(training, dataset=replace(training.dataset, y=y))
        elif self.class_weight is None:
            self._note_classes(np.array(distinct(target, missing=training.dataset.missing), dtype=target.dtype))
        return training if self.class_weight is None else self._weighted(training)

    def _weighted(self, training: Training) -> Training:
        """The data with a weight for each class, which is multiplied with a row's own where it is read."""
        found, dataset = weights_by_label(training), training.dataset
        assert dataset.y is not None
        if not _in_memory(training):
            check_several(found.name, found.labels)
            self._note_classes(found.labels)
        factors = class_factors(type(self).__name__, self.class_weight, self.classes_, found.weights)
        weight = ClassWeights(dataset.y, found.labels, factors, dataset.weight)
        return replace(training, dataset=replace(dataset, weight=weight), known_weight=float(factors @ found.weights))

    def _note_classes(self, classes: Array) -> None:
        name = type(self).__name__
        if len(classes) < 2:
            raise ValueError(f"{name} needs two classes or more, and y holds one class: {classes[0]!r}")
        if classes.dtype.kind == "f" and (part := classes[classes != np.floor(classes)]).size:
            raise ValueError(
                f"Unknown label type: continuous. {name} needs the labels of classes, and y has {part[0]}, which is no "
                f"whole number; give classes, or take a regressor"
            )
        self.classes_ = classes

    def _labels(self, training: Training) -> tuple[Any, ...]:
        """The labels as the loss meets them: indices of the classes where y is in memory."""
        return tuple(range(len(self.classes_))) if _in_memory(training) else tuple(self.classes_.tolist())

    def _theta_shape(self, training: Training) -> tuple[int, ...]:
        outputs, n = self._coef_shape(training)
        return (n + int(self.fit_intercept), *((outputs,) if outputs > 1 else ()))

    def sparsify(self) -> Self:
        """`coef_` as a sparse matrix, which predicts the same; fewer bytes where most coefficients are 0."""
        check_is_fitted(self)
        self.coef_: Any = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """`coef_` as an array again."""
        check_is_fitted(self)
        if sparse.issparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self

    def _coef_shape(self, training: Training) -> tuple[int, ...]:
        return (len(self.classes_) if len(self.classes_) > 2 else 1, training.dataset.shape[1])

    def _attributes(self, theta: Vector) -> dict[str, Any]:
        """`coef_` (1, n) or (K, n), and `intercept_` (1,) or (K,)."""
        found = super()._attributes(theta)
        coef = np.atleast_2d(found["coef_"])
        return {"coef_": coef, "intercept_": np.broadcast_to(np.asarray(found["intercept_"]), (len(coef),)).copy()}

    def _model(self, **known: Any) -> Model:
        model = super()._model(**known)
        coef, intercept = model.coef, np.asarray(model.intercept)
        binary = len(coef) == 1
        return replace(
            model,
            coef=coef[0] if binary else coef,
            intercept=float(intercept[0]) if binary else intercept,
            classes=tuple(self.classes_.tolist()),
        )


def _in_memory(training: Training) -> bool:
    """Whether y is in memory, and has a label in each row."""
    return isinstance(training.dataset.y, MemoryRows) and training.dataset.missing == "error"
