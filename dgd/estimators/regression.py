"""What estimators of a number share."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from dgd._typing import Vector
from dgd.estimators.base import LinearEstimator
from dgd.estimators.inputs import scored


class Regression(RegressorMixin, LinearEstimator):  # type: ignore[misc]
    """A linear model of a number."""

    def predict(self, X: Any) -> Vector:
        """η = Xb + b₀ for each row; a lazy X is read chunk by chunk, and the predictions are in memory."""
        return self._raw_prediction(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """R² of the predictions; a lazy X may bring its own y."""
        y, predicted, sample_weight = scored(X, y, sample_weight, self.predict(X))
        return float(r2_score(y, predicted, sample_weight=sample_weight))
