"""Regression with a variance that grows like a power of the mean: normal, Poisson, compound Poisson, gamma.

    minimise  1/(2 Σw) Σ wᵢ d(yᵢ, μᵢ) + ½ alpha ‖b‖²        d the deviance of the power, l2 = alpha

power 0 is ½ (η − y)², half of dgd's squared loss, whose l2 is therefore 2·alpha.
"""

from __future__ import annotations

from typing import Any

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number, checked_word
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.inputs import Training
from dgd.estimators.log_link_regression import LogLinkRegression
from dgd.losses import Loss, Squared
from dgd.penalties import Penalty


class TweedieRegressor(LogLinkRegression):
    """Half the mean deviance of a Tweedie distribution + ½ alpha ‖b‖² → min; dgd's l2 = alpha, 2·alpha for power 0.

    power: 0 for the normal distribution (η is expected), 1 Poisson, between 1 and 2 amounts that are often 0, 2 gamma,
    3 inverse Gaussian (e^η is expected). link: "auto", or "log" and "identity" where it is that. warm_start: begin at
    the coefficients of the fit before. solver, max_iter, tol: as in `dgd.fit`. n_jobs: threads, which change no bit.
    """

    def __init__(
        self,
        *,
        power: float = 0.0,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        link: str = "auto",
        solver: str = "auto",
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        warm_start: bool = False,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.power = power
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.link = link
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    @property
    def _power(self) -> float:
        return float(self.power)

    @property
    def _is_normal(self) -> bool:
        return self.power == 0

    def predict(self, X: Any) -> Vector:
        """The expected target of each row: e^η, by power 0 η."""
        return self._raw_prediction(X) if self._is_normal else super().predict(X)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        power = checked_number("TweedieRegressor(power", self.power, least=0)
        if not (power in (0, 3) or 1 <= power <= 2):
            raise ConfigurationError(f"`TweedieRegressor(power=...)` must be 0, from 1 to 2, or 3, got {self.power!r}")
        link = checked_word("TweedieRegressor(link", self.link, ["auto", "identity", "log"])
        own = "identity" if self._is_normal else "log"
        if link not in ("auto", own):
            raise ConfigurationError(
                f"`TweedieRegressor(link={link!r})` is not known for power={self.power!r}, whose link is {own!r}; "
                f"leave it out"
            )

    def _loss(self, training: Training) -> Loss:
        return Squared() if self._is_normal else super()._loss(training)

    def _penalty(self, training: Training) -> Penalty:
        return elastic_net(0.0, 2 * self.alpha) if self._is_normal else super()._penalty(training)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = not self._is_normal
        return tags
