"""`partial_fit` of least squares, exact: summaries of batches are added."""

from __future__ import annotations

from typing import Any, Self

from sklearn.utils.validation import validate_data

from dgd.estimators.base import LinearEstimator
from dgd.estimators.inputs import is_lazy_matrix
from dgd.estimators.summary_solve import solved, summary_of
from dgd.fitting.summary.summary import Summary


class PartialSummaries(LinearEstimator):
    """A least-squares estimator that rows can be added to."""

    _summary: Summary | None = None

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add rows to those fitted so far, each read once: the coefficients are those of one fit of all of them.

        What is kept is their summary, n² + nq numbers. `fit` begins anew.
        """
        self._check_parameters()
        before = self._summary
        if before is not None and not is_lazy_matrix(X):
            validate_data(self, X, accept_sparse="csr", reset=False, skip_check_array=True)
        training = self._training(X, y, sample_weight)
        summary = summary_of(training)
        self._summary = summary if before is None else before + summary
        theta, _, _, passes = solved(
            self._summary, self._summary_penalty(self._summary.weight), fit_intercept=bool(self.fit_intercept)
        )
        self._note(theta, passes, training)
        self.solver_ = "summary"
        return self

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit to X (m × n) and y, and forget rows that `partial_fit` has seen; see `LinearEstimator.fit`."""
        self._summary = None
        found: Self = super().fit(X, y, sample_weight, offset)
        return found

    def _summary_penalty(self, weight: float) -> Any:
        """The penalty for rows of that Σw."""
        raise TypeError(f"{type(self).__name__} is not an estimator by itself")
