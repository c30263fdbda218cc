"""What a fit says about its coefficients: standard errors, tests, intervals, and how well it fits.

se = √diag(cov)      t = b/se      b ± t* se      W = (Rθ − r)ᵀ (R cov Rᵀ)⁻¹ (Rθ − r)      F = W/rows of R
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.errors.words import counted
from dgd.models.inference import table as inference_table
from dgd.models.inference.collinearity import Condition
from dgd.models.inference.contrasts import Hypothesis, hypothesis
from dgd.models.inference.distributions import chi2_tail, f_tail, t_quantile, t_tail
from dgd.models.inference.fit_statistics import FitStatistics, plain
from dgd.models.inference.significance import Contrast, SignificanceTest
from dgd.models.model import Model

SINGULAR = 1e-12
"""Of R cov Rᵀ with a unit diagonal: an eigenvalue below this part of the largest is rounding of 0."""
Refit = Callable[[Hypothesis], Vector]
"""2(ℓ − ℓ₀) of each equation, for the fit under a hypothesis."""


@dataclass(frozen=True, eq=False)
class Inference:
    """Standard errors, tests and intervals of a fit's coefficients; `print` it, or take its numbers.

    With several outputs (columns of y) each is an equation of its own; classes are one together, whose coefficients are
    those of θ, with a mean of 0 over the classes.
    """

    names: tuple[str, ...]
    """The parameters of one output: "intercept", where there is one, and the features."""
    outputs: tuple[Any, ...] | None
    """The labels of classes or the numbers of outputs; None for one."""
    estimates: Vector
    """θ: (p,), or (p, q)."""
    cov: str
    conf: float
    statistics: FitStatistics
    model: Model
    """The model with its covariance, which predicts with intervals and is saved with it; without, where only some
    coefficients were asked for."""
    notes: tuple[str, ...] = ()
    """What is to be known of the numbers."""
    passes: int = 0
    """The passes over the data that were made for it, besides reads of targets and weights alone."""
    clusters: int | None = None
    df: float = math.inf
    """Degrees of freedom of t; infinite where the normal distribution is meant."""
    joint: bool = False
    vif: Vector | None = None
    """The variance inflation factor of each feature, (n,) or (n, q)."""
    condition: Condition | None = None
    """Condition indices of the columns, with the columns involved; None where only some coefficients are here."""
    root: Vector = field(default_factory=lambda: np.zeros((1, 1, 1)), repr=False)
    """L with cov = L Lᵀ, (q, p, k)."""
    refit: Refit | None = field(default=None, repr=False)
    """What fits under a hypothesis; it stays in this process, beside the data."""

    def __getstate__(self) -> dict[str, Any]:
        """Without the data and the client."""
        return {**self.__dict__, "refit": None}

    @property
    def covariance(self) -> Matrix:
        """(p, p); (q, p, p) with q outputs; (q·p, q·p), class by class, of classes."""
        found = np.stack([L @ L.T for L in self._roots])
        return found if self.outputs is not None and not self.joint else found[0]

    @property
    def standard_errors(self) -> Vector:
        """√diag(cov), in the shape and order of θ."""
        return self._like_theta(np.sqrt(np.einsum("qpk,qpk->qp", self.root, self.root)))

    @property
    def t_values(self) -> Vector:
        """b/se: t with `df` degrees of freedom, z where these are infinite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.estimates / self.standard_errors)

    @property
    def p_values(self) -> Vector:
        """P(|T| > |t|) where the coefficient is 0."""
        return _tails(self.t_values, self.df)

    @property
    def intervals(self) -> Vector:
        """The ends of the confidence intervals, a last axis of two."""
        half = t_quantile(1 - self.conf, self.df) * self.standard_errors
        return np.stack([self.estimates - half, self.estimates + half], axis=-1)

    @property
    def r2(self) -> Any:
        """1 − RSS/TSS of the squared loss, about the mean where there is an intercept; else None."""
        return self._one(self.statistics.r2)

    @property
    def adjusted_r2(self) -> Any:
        """R² with both sums divided by their degrees of freedom."""
        return self._one(self.statistics.adjusted_r2)

    @property
    def dispersion(self) -> Any:
        """The variance of a row of weight 1: RSS/(m − p) by the squared loss; 1, or Pearson's estimate, elsewhere."""
        return self._one(self.statistics.dispersion)

    @property
    def log_likelihood(self) -> Any:
        """ℓ at θ, its constants included."""
        return self._one(self.statistics.log_likelihood)

    @property
    def deviance(self) -> Any:
        """Twice what ℓ is below that of predictions equal to the targets; RSS by the squared loss."""
        return self._one(self.statistics.deviance)

    @property
    def null_deviance(self) -> Any:
        """That of the best constant."""
        return self._one(self.statistics.null_deviance)

    @property
    def aic(self) -> Any:
        """−2ℓ + 2p, where p are the coefficients, without the dispersion."""
        return self._one(self.statistics.aic)

    @property
    def bic(self) -> Any:
        """−2ℓ + p log m."""
        return self._one(self.statistics.bic)

    def contrast(self, hypotheses: Any) -> Contrast:
        """Rθ − r with its standard error, t, p and interval; see `contrasts` for what may be given."""
        asked = self._asked(hypotheses)
        estimates = np.stack([asked.R @ theta - asked.r for theta in self._thetas])
        errors = np.stack([np.linalg.norm(asked.R @ L, axis=1) for L in self._roots])
        with np.errstate(divide="ignore", invalid="ignore"):
            t = estimates / errors
        half = t_quantile(1 - self.conf, self.df) * errors
        p = _tails(t, self.df)
        return Contrast(
            estimate=self._rows(estimates),
            standard_error=self._rows(errors),
            t_value=self._rows(t),
            p_value=self._rows(p),
            lower=self._rows(estimates - half),
            upper=self._rows(estimates + half),
            hypothesis=asked.text,
        )

    def wald_test(self, hypotheses: Any) -> SignificanceTest:
        """W by the χ² distribution."""
        asked = self._asked(hypotheses)
        W, rows = self._wald(asked), len(asked.r)
        p = np.array([chi2_tail(each, rows) for each in W])
        return SignificanceTest("Wald χ²", self._one(W), rows, None, self._one(p), asked.text)

    def f_test(self, hypotheses: Any = None) -> SignificanceTest:
        """F = W/r by the F distribution; by default of all coefficients but the intercept."""
        asked = self._asked(self._slopes if hypotheses is None else hypotheses)
        df = self.df if math.isfinite(self.df) else self.statistics.df_residual
        F, rows = self._wald(asked) / len(asked.r), len(asked.r)
        p = np.array([f_tail(each, rows, df) for each in F])
        text = "all coefficients but the intercept are 0" if hypotheses is None else asked.text
        return SignificanceTest("F", self._one(F), rows, df, self._one(p), text)

    def likelihood_ratio_test(self, hypotheses: Any) -> SignificanceTest:
        """2(ℓ − ℓ₀) by the χ² distribution: without a pass for the squared loss, else about five, for the fit under it.

        Raises ConfigurationError where the loss is no likelihood, or the covariance does not rest on it.
        """
        if self.statistics.log_likelihood is None:
            raise ConfigurationError(
                f"the loss {self.model.loss!r} is no likelihood, or its dispersion was estimated; use `wald_test`"
            )
        if self.refit is None:
            raise ConfigurationError(
                "a likelihood-ratio test needs all coefficients and the data: leave out `only=`, and make it where the "
                "fit was made; `wald_test` needs neither"
            )
        asked = self._asked(hypotheses)
        ratio, rows = self.refit(asked), len(asked.r)
        p = np.array([chi2_tail(each, rows) for each in ratio])
        return SignificanceTest("likelihood ratio χ²", self._one(ratio), rows, None, self._one(p), asked.text)

    def __str__(self) -> str:
        return inference_table.text(self)

    def _repr_html_(self) -> str:
        return inference_table.html(self)

    def to_csv(self, path: Any = None) -> str | None:
        """The table as CSV, a coefficient a line: written to `path`, or returned without one."""
        return inference_table.csv(self, path)

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`. Raises ConfigurationError without pandas."""
        return inference_table.to_pandas(self)

    def to_xarray(self) -> Any:
        """The table and the covariance with names, as an `xarray.Dataset`. Raises ConfigurationError without xarray."""
        from dgd.models.labelled import inference_to_xarray

        return inference_to_xarray(self)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain numbers; what is not finite is None."""
        return inference_table.as_json(self)

    @property
    def _slopes(self) -> list[str]:
        return list(self.names[int(self.statistics.intercept) :])

    @property
    def _roots(self) -> list[Matrix]:
        """L of each equation."""
        q, p, k = self.root.shape
        return [self.root.reshape(q * p, k)] if self.joint else list(self.root)

    @property
    def _thetas(self) -> list[Vector]:
        """The parameters of each equation, in the order of its L."""
        rows = np.atleast_2d(self.estimates.T)
        return [rows.ravel()] if self.joint else list(rows)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that hypotheses may use: those of `names`, or "class:name" of each class."""
        if not self.joint:
            return self.names
        assert self.outputs is not None
        return tuple(f"{label}:{name}" for label in self.outputs for name in self.names)

    def _asked(self, hypotheses: Any) -> Hypothesis:
        if self.joint:
            hypotheses = self._of_classes(hypotheses)
        return hypothesis(hypotheses, self.parameters)

    def _of_classes(self, given: Any) -> Any:
        """A feature's name stands for its coefficients of all classes: all but one are 0, and then all."""
        assert self.outputs is not None
        rows: Sequence[Any] = [given] if isinstance(given, str) else given
        if not isinstance(rows, (list, tuple)) or not any(isinstance(row, str) and row in self.names for row in rows):
            return given
        found: list[Any] = []
        for row in rows:
            plainly = isinstance(row, str) and row in self.names
            found += [{f"{label}:{row}": 1} for label in self.outputs[1:]] if plainly else [row]
        return found

    def _wald(self, asked: Hypothesis) -> Vector:
        found = []
        for theta, L in zip(self._thetas, self._roots, strict=True):
            half = asked.R @ L
            size = np.linalg.norm(half, axis=1)
            half = half / np.where(size > 0, size, 1.0)[:, None]
            values, vectors = np.linalg.eigh(half @ half.T)
            if not values[0] > SINGULAR * values[-1]:
                raise ConfigurationError(
                    f"the covariance has too low a rank for {counted(len(size), 'equation')} at once"
                    + (f": it is of {counted(self.clusters, 'group')}" if self.clusters else "")
                    + "; test fewer"
                )
            z = vectors.T @ ((asked.R @ theta - asked.r) / size)
            found.append(float(np.sum(z * z / values)))
        return np.array(found)

    def _like_theta(self, values: Vector) -> Vector:
        """From (q, p) to the shape of θ."""
        return values[0] if self.outputs is None else np.ascontiguousarray(values.T)

    def _rows(self, values: Vector) -> Vector:
        """From (equations, r) to (r,), or (r, q)."""
        return values[0] if len(values) == 1 else np.ascontiguousarray(values.T)

    def _one(self, values: Vector | None) -> Any:
        return plain(values, single=self.outputs is None or self.joint)


def _tails(t: Vector, df: float) -> Vector:
    """P(|T| > |t|) of each."""
    return np.array([t_tail(float(each), df) for each in t.ravel()]).reshape(t.shape)
