"""Gamma regression with the logarithm as link.

minimise  1/Σw Σ wᵢ (yᵢ e^−ηᵢ + ηᵢ) + ½ alpha ‖b‖²        l2 = alpha
"""

from __future__ import annotations

from dgd.estimators.log_link_regression import LogLinkRegression


class GammaRegressor(LogLinkRegression):
    """Amounts above 0 with expectation e^η: 1/Σw Σ w (y e^−η + η) + ½ alpha ‖b‖² → min; dgd's l2 = alpha.

    warm_start: begin at the coefficients of the fit before. solver, max_iter, tol: as in `dgd.fit`.
    n_jobs: threads, which change no bit.
    """

    @property
    def _power(self) -> float:
        return 2.0
