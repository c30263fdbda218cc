"""What the lasso and the elastic net share."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from dgd.errors.checks import checked_flag, checked_number
from dgd.estimators.base import elastic_net
from dgd.estimators.dual_gap import dual_gap, known_gap
from dgd.estimators.gram_argument import check_gram
from dgd.estimators.inputs import Training
from dgd.estimators.regression import Regression
from dgd.fitting.inference.fitted import Fitted
from dgd.fitting.result import Result
from dgd.losses import Loss, Squared
from dgd.penalties import Penalty


class SparseRegression(Regression):
    """1/(2Σw) Σ w (η − y)² + α₁ ‖b‖₁ + ½ β ‖b‖² → min."""

    _multi_output = True
    _fitted_on: Training | None = None
    _dual_gap: Any = None
    _fitted: Fitted | None = None

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None, check_input: bool = True
    ) -> Self:
        """Fit to X (m × n) and y; see `LinearEstimator.fit`. check_input: input is checked in any case."""
        checked_flag(f"{type(self).__name__}.fit(check_input", check_input)
        found: Self = super().fit(X, y, sample_weight, offset)
        return found

    @property
    def sparse_coef_(self) -> Any:
        """`coef_` as a sparse matrix of one row for each target."""
        return sparse.csr_matrix(self.coef_)

    @property
    def dual_gap_(self) -> Any:
        """How far the objective may be above its minimum, (q,) with several targets.

        Known from the fit's last pass; where that was made before the last step, and of several targets, from a
        further one: the fit makes it where X is in memory, and of a lazy X this does when it is first asked for.
        """
        check_is_fitted(self)
        if self._dual_gap is None:
            assert self._fitted_on is not None
            self._dual_gap = self._gap(self._fitted_on)
        return self._dual_gap

    @property
    def _strengths(self) -> tuple[float, float]:
        """α₁ and β."""
        raise TypeError(f"{type(self).__name__} is not an estimator by itself")

    def _check_parameters(self) -> None:
        super()._check_parameters()
        name = type(self).__name__
        if checked_number(f"{name}(alpha", self.alpha, least=0) == 0:
            warnings.warn(
                f"With alpha=0, this algorithm is least squares without a penalty: you are advised to use "
                f"LinearRegression in place of {name}",
                UserWarning,
                stacklevel=4,
            )

    def _training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        training = super()._training(X, y, sample_weight)
        check_gram(type(self).__name__, self.precompute, training, fit_intercept=bool(self.fit_intercept))
        return training

    def _loss(self, training: Training) -> Loss:
        return Squared()

    def _penalty(self, training: Training) -> Penalty:
        l1, l2 = self._strengths
        return elastic_net(2 * l1, 2 * l2, positive=self.positive)

    def _not_converged(self, passes: int) -> str:
        return "Objective did not converge. You might want to increase the number of iterations."

    def _note_solver(self, result: Result) -> None:
        super()._note_solver(result)
        self._fitted = result.fitted

    def _after(self, training: Training) -> None:
        fitted, self._fitted = self._fitted, None
        coef = self._model().coef
        self._dual_gap = known_gap(fitted, coef, *self._strengths, positive=self.positive)
        self._fitted_on = None
        if self._dual_gap is None and training.lazy:
            self._fitted_on = training
        elif self._dual_gap is None:
            self._dual_gap = self._gap(training)

    def _gap(self, training: Training) -> Any:
        model = self._model()
        found = dual_gap(training, model.coef, np.asarray(model.intercept), *self._strengths, positive=self.positive)
        return float(found) if found.ndim == 0 else found
