"""The linear support vector machine of two classes or more, by squared hinges.

    minimise  ½ ‖b‖² + C Σ wᵢ max(0, 1 − sᵢηᵢ)²        sᵢ = ±1, or ‖b‖₁ for ½ ‖b‖²

divided by C·Σw: l2 (or l1) = 1/(C·Σw). Of more than two classes each is told from the others, all in the same passes.
The intercept is not penalised, where liblinear penalises it. `dgd.losses.SquaredHinge` is the loss.
"""

from __future__ import annotations

from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number, checked_word
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.classification import Classification
from dgd.estimators.inputs import Training
from dgd.losses import Loss, SquaredHinge
from dgd.models.model import Model
from dgd.penalties import Penalty


class LinearSVC(Classification):
    """½ ‖b‖² + C Σ w max(0, 1 − sη)² → min, s = ±1; dgd's l2 = 1/(C·Σw), or l1 with penalty="l1".

    C: the inverse of the penalty's strength. penalty: "l2" or "l1". loss: "squared_hinge"; the hinge itself has no
    derivative at its kink. multi_class: "ovr", each class against the others. class_weight, solver, max_iter, tol,
    n_jobs: as in `LogisticRegression`; of more than two classes a class's weight is that of its rows in each problem,
    where liblinear gives it them in their own. It has no probabilities: `CalibratedClassifierCV` makes them of
    `decision_function`. With two classes `coef_` is (1, n).
    """

    def __init__(
        self,
        penalty: str = "l2",
        loss: str = "squared_hinge",
        *,
        dual: Any = "auto",
        tol: float = 1e-12,
        C: float = 1.0,
        multi_class: str = "ovr",
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        max_iter: int | None = MAX_ITER,
        solver: str = "auto",
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter
        self.solver = solver
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("LinearSVC(C", self.C, above=0)
        checked_word("LinearSVC(penalty", self.penalty, ["l1", "l2"])
        checked_word("LinearSVC(multi_class", self.multi_class, ["ovr"])
        if self.loss == "hinge":
            raise ConfigurationError(
                "`LinearSVC(loss='hinge')` has no derivative at its kink, and every fit of dgd is by derivatives; take "
                "loss='squared_hinge', whose margin is as wide"
            )
        checked_word("LinearSVC(loss", self.loss, ["squared_hinge"])

    def _loss(self, training: Training) -> Loss:
        return SquaredHinge(classes=self._labels(training))

    def _penalty(self, training: Training) -> Penalty:
        strength = 1 / (self.C * training.weight_sum)
        return elastic_net(strength, 0.0) if self.penalty == "l1" else elastic_net(0.0, strength)

    def _model(self, **known: Any) -> Model:
        return super()._model(**{"loss": "squared_hinge", **known})
