"""Logistic regression of two classes or more.

    minimise  C Σ wᵢ lossᵢ + ½ (1 − l1_ratio) ‖b‖² + l1_ratio ‖b‖₁

divided by C·Σw: l1 = l1_ratio/(C·Σw) and l2 = (1 − l1_ratio)/(C·Σw). The loss is −log p of the row's class, with
p = 1/(1 + e^−η) for two classes and p = e^ηₖ/Σ e^η for more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import FloatArray, Vector
from dgd.errors.checks import checked_number
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.classification import Classification
from dgd.estimators.inputs import Training
from dgd.estimators.penalty_names import check_penalty, ratio_of
from dgd.losses import Logistic, Loss, Softmax
from dgd.models.model import Model
from dgd.penalties import Penalty


class LogisticRegression(Classification):
    """C Σ w loss + ½ (1 − ρ) ‖b‖² + ρ ‖b‖₁ → min; dgd's l1 = ρ/(C·Σw), l2 = (1 − ρ)/(C·Σw).

    C: the inverse of the penalty's strength; infinite for no penalty. l1_ratio: ρ, from 0 to 1. warm_start: begin at
    the coefficients of the fit before. class_weight: for each class what its rows' weights are multiplied by, or
    "balanced", Σw/(K·Σw of the class); of lazy data it is counted where the labels are looked for, without a further
    read. n_jobs: threads, which change no bit. solver, max_iter, tol: as in `dgd.fit`. With two classes `coef_` is
    (1, n); with K > 2 the loss is multinomial and `coef_` (K, n).
    """

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

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("LogisticRegression(C", self.C, above=0)
        check_penalty("LogisticRegression", self.penalty, self.C, self.l1_ratio)

    def _loss(self, training: Training) -> Loss:
        labels = self._labels(training)
        return Logistic(classes=labels) if len(labels) == 2 else Softmax(classes=labels)

    def _penalty(self, training: Training) -> Penalty:
        ratio = ratio_of(self.penalty, self.l1_ratio)
        strength = 0.0 if self.penalty is None else 1 / (self.C * training.weight_sum)
        return elastic_net(ratio * strength, (1 - ratio) * strength)

    def _iterations(self, passes: int) -> Any:
        """scikit-learn's is an array of one."""
        return np.array([passes], dtype=np.int32)

    def _attributes(self, theta: Vector) -> dict[str, Any]:
        """`coef_` (1, n) or (K, n), and `intercept_`; those of K classes are shifted together so that they sum to 0."""
        found = super()._attributes(theta)
        intercept = found["intercept_"]
        return {**found, "intercept_": intercept - (intercept.mean() if len(intercept) > 1 else 0)}

    def _model(self, **known: Any) -> Model:
        return super()._model(**{"loss": "logistic" if len(self.classes_) == 2 else "softmax", **known})
