"""The base of the estimators: from X, y and weights to a fit of dgd, and from its θ to attributes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from dgd._typing import Vector
from dgd._version import __version__
from dgd.errors.checks import checked_flag, checked_integer, checked_number
from dgd.estimators.callbacks import CallbackSupportMixin, PassTasks, with_callbacks
from dgd.estimators.design import in_order
from dgd.estimators.inputs import (
    SINGLE,
    Training,
    check_same_columns,
    in_memory,
    is_lazy,
    is_lazy_matrix,
    lazily,
    note_columns,
    threads_of,
)
from dgd.estimators.offsets import with_offset
from dgd.estimators.sklearn_names import check_without_effect, not_converged, own_solver
from dgd.fitting.fit import fit
from dgd.fitting.result import Result
from dgd.losses import Loss
from dgd.models.model import Model
from dgd.penalties import ElasticNet, NonNegative, NoPenalty, Penalty
from dgd.solvers import Status

UNFINISHED = {
    Status.ITERATION_LIMIT,
    Status.TIME_LIMIT,
    Status.DIVERGED,
    Status.NO_OPTIMUM,
    Status.ILL_CONDITIONED,
}
MAX_ITER = 1000


class LinearEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """A linear model with scikit-learn's interface. A subclass says which loss, and which penalty for which Σw.

    n_jobs: the threads of a fit to X in memory; -1 for one a processor, None for as many as its size is worth. Where a
    lazy X is fitted, `dgd.fit` decides. It changes no bit of an answer.
    """

    _multi_output = False
    _numeric_target = True
    _subtracts_offset = False
    """Whether an offset is taken from y: a loss of η − y with more than η to find."""
    _ravels_one_column = True
    """Whether a target of shape (m, 1) gives coefficients of shape (n,)."""

    def _loss(self, training: Training) -> Loss:
        raise TypeError(f"{type(self).__name__} is not an estimator by itself")

    def _penalty(self, training: Training) -> Penalty:
        return NoPenalty()

    def _check_parameters(self) -> None:
        """Raise ConfigurationError, a ValueError, for a parameter that cannot be; each class adds its own."""
        name = type(self).__name__
        checked_flag(f"{name}(fit_intercept", self.fit_intercept)
        threads_of(name, self.n_jobs)
        checked_number(f"{name}(tol", self.tol, least=0)
        if self.max_iter is not None:
            checked_integer(f"{name}(max_iter", self.max_iter, least=0)
        check_without_effect(self)
        for flag in ("positive", "warm_start"):
            if hasattr(self, flag):
                checked_flag(f"{name}({flag}", getattr(self, flag))

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit to X (m × n) and y; each iteration is one pass over the data.

        X: an array in memory, dense or sparse, or what `dgd.open_dataset` and `ZarrDesign` take, which is never loaded
        as a whole. y: (m,); a lazy X may bring its own. sample_weight: (m,), or a name in the group of X.
        offset: added to each raw prediction of the fit, and of no prediction later: a number, (m,), or (m, q) with q
        outputs, or a name in the group of X; of counts with exposures e it is log e.
        """
        self._check_parameters()
        training = with_offset(self._training(X, y, sample_weight), X, offset, subtracted=self._subtracts_offset)
        tasks = PassTasks(self, self._max_iter, X, y, sample_weight)
        theta, status, message, passes = (self._solve if self._max_iter else self._unmoved)(training, tasks)
        self._note(theta, passes, training)
        if status in UNFINISHED:
            words = f"{self._not_converged(passes)} " if status is Status.ITERATION_LIMIT else ""
            warnings.warn(f"{words}{type(self).__name__}: {message}", ConvergenceWarning, stacklevel=2)
        self._after(training)
        tasks.end()
        return self

    def _note(self, theta: Vector, passes: int, training: Training) -> None:
        """Set what is known after a fit. Of a float32 X in memory `coef_` is float32, as scikit-learn's is."""
        for name, value in self._attributes(theta).items():
            single = isinstance(value, np.ndarray) and training.dtype == SINGLE
            setattr(self, name, value.astype(SINGLE) if single else value)
        self.n_iter_ = self._iterations(passes)

    def _iterations(self, passes: int) -> Any:
        """`n_iter_`: the passes, in the shape that scikit-learn's has."""
        return passes

    def _not_converged(self, passes: int) -> str:
        """What scikit-learn's class says at its limit of iterations."""
        return not_converged(getattr(self, "solver", "auto"), passes)

    def _unmoved(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        """Where a fit of no pass ends: at the fit before, or at 0."""
        start = self._start(training)
        self.solver_ = "none"
        status = Status.ITERATION_LIMIT
        return np.zeros(self._theta_shape(training)) if start is None else start, status, status.value, 0

    def _theta_shape(self, training: Training) -> tuple[int, ...]:
        assert training.dataset.y is not None
        return (training.dataset.shape[1] + int(self.fit_intercept), *training.dataset.y.shape[1:])

    @property
    def _max_iter(self) -> int:
        return MAX_ITER if self.max_iter is None else int(self.max_iter)

    def _training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        """The data of a fit. Lazy data are recognised first: scikit-learn's own check would compute them."""
        if not (is_lazy_matrix(X) or is_lazy(y) or is_lazy(sample_weight)):
            made = in_memory(self, X, y, sample_weight, multi_output=self._multi_output, numeric=self._numeric_target)
            threads = threads_of(type(self).__name__, self.n_jobs)
            return made if threads is None else replace(made, threads=threads)
        training = lazily(X, y, sample_weight, target=True, multi_output=self._multi_output)
        note_columns(self, training.dataset)
        return training

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        """θ, why the fit ended, in words, and its passes."""
        result = self._result(training, tasks)
        return result.theta, result.status, result.message, result.n_iter_

    def _result(self, training: Training, tasks: PassTasks) -> Result:
        penalty = self._penalty(training)
        result = fit(
            training.dataset,
            loss=self._loss(training),
            penalty=penalty,
            fit_intercept=self.fit_intercept,
            solver=own_solver(type(self).__name__, self.solver, penalty),
            theta0=self._start(training),
            max_iter=self._max_iter,
            tol=self.tol,
            threads=training.threads,
            callbacks=[tasks],
        )
        self._note_solver(result)
        return result

    def _note_solver(self, result: Result) -> None:
        """`solver_`: the solver of dgd's that ran, whichever name was given."""
        assert result.choice is not None
        self.solver_ = result.choice.name

    def _after(self, training: Training) -> None:
        """What is left to do once the attributes are there."""

    def _start(self, training: Training) -> Vector | None:
        """θ of the fit before, for a warm start. Raises ValueError if that was of other columns, outputs or classes."""
        if not (getattr(self, "warm_start", False) and hasattr(self, "coef_")):
            return None
        before, now = np.shape(self.coef_), self._coef_shape(training)
        if before != now:
            raise ValueError(
                f"{type(self).__name__}(warm_start=True) begins where the last fit ended, whose coefficients have "
                f"shape {before}, and those of these data have shape {now}: columns, outputs or classes differ; make a "
                f"new estimator, or set warm_start=False"
            )
        model = self._model()
        coef = model.coef.T
        return np.concatenate([np.reshape(model.intercept, (1, *coef.shape[1:])), coef]) if self.fit_intercept else coef

    def _coef_shape(self, training: Training) -> tuple[int, ...]:
        """The shape of `coef_` after a fit of these data."""
        assert training.dataset.y is not None
        outputs, n = tuple(training.dataset.y.shape[1:]), training.dataset.shape[1]
        return (n,) if self._ravels_one_column and outputs == (1,) else (*outputs, n)

    def _attributes(self, theta: Vector) -> dict[str, Any]:
        """`coef_`, (n,) or (q, n), and `intercept_`, 0.0 where none is fitted."""
        coef = np.ascontiguousarray((theta[1:] if self.fit_intercept else theta).T)
        intercept = theta[0] if self.fit_intercept else 0.0
        if self._ravels_one_column and coef.ndim == 2 and len(coef) == 1:
            coef = coef[0]
        return {"coef_": coef, "intercept_": float(intercept) if np.ndim(intercept) == 0 else np.array(intercept)}

    def to_model(self) -> Model:
        """The fitted model as `dgd.Model`, to be saved without pickle and served: `to_model().save("model.dgd")`."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return self._model(
            feature_names=None if names is None else tuple(str(name) for name in names),
            provenance={"dgd": __version__, "estimator": repr(self), "passes": int(np.max(self.n_iter_))},
        )

    def _model(self, *, loss: str = "squared", **known: Any) -> Model:
        coef = self.coef_.toarray() if sparse.issparse(self.coef_) else self.coef_
        coef = np.asarray(coef, dtype=np.float64)
        intercept = np.asarray(getattr(self, "intercept_", 0.0), dtype=np.float64)
        one = coef.ndim == 1
        return Model(
            coef=coef,
            intercept=float(intercept.ravel()[0]) if one else np.broadcast_to(intercept, coef.shape[:1]),
            loss=loss,
            **known,
        )

    def _raw_prediction(self, X: Any) -> Vector:
        """η = Xb + b₀, (m,) or (m, q), in memory; of a lazy X chunk by chunk."""
        check_is_fitted(self)
        model = self._model()
        if is_lazy_matrix(X):
            training = lazily(X, target=False)
            check_same_columns(self, training.dataset)
            return in_order(Model(model.coef, model.intercept, "squared").predict(training.dataset), training.order)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        raw = np.asarray(X @ model.coef.T + model.intercept) if sparse.issparse(X) else model.raw_prediction(X)
        return raw.astype(SINGLE) if X.dtype == SINGLE == self.coef_.dtype else raw

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = self._multi_output
        tags.target_tags.single_output = True
        return tags


def elastic_net(l1: float, l2: float, *, positive: bool = False) -> Penalty:
    """The penalty of these strengths; with `positive` no coefficient is below 0."""
    return NonNegative(l1=l1, l2=l2) if positive else ElasticNet(l1=l1, l2=l2)
