"""Logistic regression of two classes or more.

    minimise  C Σ wᵢ lossᵢ + ½ (1 − l1_ratio) ‖b‖² + l1_ratio ‖b‖₁

divided by C·Σw: l1 = l1_ratio/(C·Σw) and l2 = (1 − l1_ratio)/(C·Σw). The loss is −log p of the row's class, with
p = 1/(1 + e^−η) for two classes and p = e^ηₖ/Σ e^η for more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from dgd._typing import Array, FloatArray, Vector
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.distinct import check_several, distinct
from dgd.data.transforms.class_weights import ClassWeights
from dgd.data.transforms.missing import check_labels, without_labels
from dgd.errors.checks import checked_number
from dgd.estimators.base import MAX_ITER, LinearEstimator, elastic_net
from dgd.estimators.class_factors import class_factors
from dgd.estimators.inputs import Training, scored, weights_by_label
from dgd.estimators.penalty_names import check_penalty, ratio_of
from dgd.losses import Logistic, Loss, Softmax
from dgd.models.model import Model
from dgd.penalties import Penalty


class LogisticRegression(ClassifierMixin, LinearEstimator):  # type: ignore[misc]
    """C Σ w loss + ½ (1 − ρ) ‖b‖² + ρ ‖b‖₁ → min; dgd's l1 = ρ/(C·Σw), l2 = (1 − ρ)/(C·Σw).

    C: the inverse of the penalty's strength; infinite for no penalty. l1_ratio: ρ, from 0 to 1. warm_start: begin at
    the coefficients of the fit before. class_weight: for each class what its rows' weights are multiplied by, or
    "balanced", Σw/(K·Σw of the class); of lazy data it is counted where the labels are looked for, without a further
    read. n_jobs: threads, which change no bit. solver, max_iter, tol: as in `dgd.fit`. With two classes `coef_` is
    (1, n); with K > 2 the loss is multinomial and `coef_` (K, n).
    """

    _numeric_target = False
    _ravels_one_column = False

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-12,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int | None = MAX_ITER,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

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

    def predict_proba(self, X: Any) -> FloatArray:
        """The probability of each class for each row, (m, K)."""
        raw = self.decision_function(X)
        if raw.ndim == 2:
            return Softmax().response(raw)
        return np.column_stack([Logistic().response(-raw), Logistic().response(raw)])

    def predict_log_proba(self, X: Any) -> FloatArray:
        """Its logarithm, also where the probability is too small for a float64."""
        raw = self.decision_function(X)
        if raw.ndim == 1:
            return -np.logaddexp(0, np.column_stack([raw, -raw]))
        below = raw - raw.max(axis=1, keepdims=True)
        return np.asarray(below - np.log(np.exp(below).sum(axis=1, keepdims=True)))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The proportion of rows whose class was predicted; a lazy X may bring its own y."""
        y, predicted, sample_weight = scored(X, y, sample_weight, self.predict(X))
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("LogisticRegression(C", self.C, above=0)
        check_penalty("LogisticRegression", self.penalty, self.C, self.l1_ratio)

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

    def _loss(self, training: Training) -> Loss:
        labels = tuple(range(len(self.classes_))) if _in_memory(training) else tuple(self.classes_.tolist())
        return Logistic(classes=labels) if len(labels) == 2 else Softmax(classes=labels)

    def _penalty(self, training: Training) -> Penalty:
        ratio = ratio_of(self.penalty, self.l1_ratio)
        strength = 0.0 if self.penalty is None else 1 / (self.C * training.weight_sum)
        return elastic_net(ratio * strength, (1 - ratio) * strength)

    def _iterations(self, passes: int) -> Any:
        """scikit-learn's is an array of one."""
        return np.array([passes], dtype=np.int32)

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
        """`coef_` (1, n) or (K, n), and `intercept_`; those of K classes are shifted together so that they sum to 0."""
        found = super()._attributes(theta)
        coef = np.atleast_2d(found["coef_"])
        intercept = np.broadcast_to(np.asarray(found["intercept_"]), (len(coef),)).copy()
        return {"coef_": coef, "intercept_": intercept - (intercept.mean() if len(coef) > 1 else 0)}

    def _model(self, **known: Any) -> Model:
        model = super()._model(**known)
        coef, intercept = model.coef, np.asarray(model.intercept)
        binary = len(coef) == 1
        return replace(
            model,
            coef=coef[0] if binary else coef,
            intercept=float(intercept[0]) if binary else intercept,
            loss="logistic" if binary else "softmax",
            classes=tuple(self.classes_.tolist()),
        )


def _in_memory(training: Training) -> bool:
    """Whether y is in memory, and has a label in each row."""
    return isinstance(training.dataset.y, MemoryRows) and training.dataset.missing == "error"
