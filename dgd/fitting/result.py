"""What a fit returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_word
from dgd.errors.words import finite_or_none
from dgd.fitting import result_lines
from dgd.fitting.auto_solver import Choice
from dgd.fitting.inference.fitted import Fitted
from dgd.fitting.inference.options import InferenceOptions
from dgd.fitting.record import Record, time_split
from dgd.fitting.shown import result_html
from dgd.fitting.verdict.certificate import Certificate
from dgd.models.coefficient_table import ORDERS
from dgd.models.model import Model
from dgd.models.scoring.classes import ClassScore
from dgd.models.scoring.numbers import Score
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Plan
from dgd.solvers.base import Status

if TYPE_CHECKING:
    from dgd.models.inference.inference import Inference


@dataclass(frozen=True, eq=False)
class Result:
    """A finished fit: parameters, why it ended, and what each pass found.

    `theta` is the raw vector, intercept first when there is one; with q outputs a matrix (n + 1, q). `loss` is the
    objective, penalty included.
    """

    theta: Vector
    status: Status
    history: list[Record]
    loss: float
    model: Model
    plan: Plan | None = field(repr=False, default=None)
    """What its passes cost; None where there were none."""
    advice: str = ""
    """What the solver learnt, and what lessens trust in the coefficients."""
    caution: str = ""
    """The second part of that."""
    choice: Choice | None = None
    """Which solver, and why."""
    explained: float | None = None
    """R² for the squared loss, about the mean; else the part of the null model's deviance. None if not known."""
    uncentered_r2: float | None = None
    """R² about 0, 1 − Σ wr²/Σ wy², which R, Spark and statsmodels give without an intercept; None with one."""
    certificate: Certificate | None = None
    """A bound on the distance to the optimum, where there is one; of the last point that was evaluated."""
    rows_held_out: int = 0
    """Rows of the dataset that were validated on and not fitted."""
    rows_left_out: int = 0
    """Rows with a missing cell, which count for nothing (`missing="drop"`)."""
    chunks_filled: int = 0
    """Stored chunks that are not there and were taken as their fill value (`missing_chunks="fill"`)."""
    missing_cells: dict[str, int] = field(default_factory=dict)
    """The missing cells of each column that has some, most first."""
    bytes_before_first_pass: int = 0
    """Stored bytes that were read to find the best constant: of targets, weights and offsets, once."""
    same_bits: bool = True
    """Whether θ has the bits it would have in this process. Not if workers have another NumPy or BLAS kernel."""
    loss_is_before_last_step: bool = False
    """Whether `loss` and `explained` are those of the θ before the last step: those of `theta` would cost a pass."""
    checkpoint: str | None = None
    """The file with which `dgd.resume` goes on from here, where the fit stopped before its end and has one."""
    fitted: Fitted | None = field(default=None, repr=False)
    """What `inference` goes back to the data with; it stays in this process."""
    _repr_html_ = result_html

    def __getstate__(self) -> dict[str, Any]:
        """Without the data and the client."""
        return {**self.__dict__, "fitted": None}

    @property
    def coef_(self) -> Vector:
        """The coefficients, shape (n,), or (q, n) with q outputs or classes."""
        return self.model.coef

    @property
    def intercept_(self) -> float | Vector:
        """The intercept, or (q,) of them; 0.0 where none was fitted."""
        return self.model.intercept

    @property
    def n_iter_(self) -> int:
        """The passes over the data that were made."""
        return len(self.history)

    @property
    def stopped_before_its_first_pass(self) -> bool:
        """Whether the coefficients are but those that it began with; of a summary a fit needs no pass."""
        return not self.history and self.plan is not None

    @property
    def converged(self) -> bool:
        """Whether the gradient norm fell to `tol`."""
        return self.status is Status.CONVERGED

    @property
    def seconds(self) -> float:
        """Time of all passes."""
        return sum(record.seconds for record in self.history)

    @property
    def message(self) -> str:
        """Why the fit ended, in a sentence, with what the solver learnt."""
        return self.status.value + (f" ({self.advice})" if self.advice else "")

    def time_split(self) -> dict[str, float]:
        """Seconds of all threads in all passes: "read" until stored bytes are there, "decode", "compute", "wait".

        wait is what is left of the threads' time: messages of a cluster, and the end of a pass. Empty where no pass was
        measured.
        """
        return time_split(self.history)

    def predict(self, data: Any, **options: Any) -> Array:
        """Predictions of the model for every row; see `dgd.predict`."""
        return self.model.predict(data, **options)

    def score(self, data: Any, y: Any = None, **options: Any) -> Score | ClassScore:
        """How well the model predicts a dataset; see `dgd.score`."""
        return self.model.score(data, y, **options)

    def inference(
        self,
        cov: str = "classical",
        *,
        groups: Any = None,
        conf: float = 0.95,
        weights: str = "precision",
        dispersion: str = "model",
        penalized: str = "refuse",
        only: Sequence[str] | None = None,
        information: str = "expected",
        client: Any = None,
        threads: int | None = None,
        execution: Execution | None = None,
    ) -> Inference:
        """Standard errors, tests, intervals and information criteria of the coefficients; `print` it.

        cov: "classical", what the loss's model says: squared φ(XᵀWX)⁻¹, logistic, softmax, counts and amounts the
            inverse information times φ, huber Huber's (1981) 7.6.10; "HC0" to "HC3" hold whatever the variance of a row
            is; "cluster" whatever the rows of a group have to do with each other.
        groups: for "cluster" the group of each row: an array, or the name of one beside the data.
        conf: of the intervals.
        weights: what weights mean. "precision": a row of weight w has the variance φ/w; "frequency": it stands for w
            rows. θ is the same; degrees of freedom and sandwiches are not.
        dispersion: "model": φ is RSS/(m − p) by the squared loss, Pearson's χ²/(m − p) by gamma, tweedie and
            inverse_gaussian, else 1; "pearson": χ²/(m − p) for counts and proportions too (quasi-likelihood).
        penalized: "refuse", or "ignore": the formulas of a fit without penalty, at this θ.
        only: names of the coefficients to report; needed where columns are too many for a Hessian (above 2,048).
        information: by which classical covariance where the link is not canonical: "expected", Fisher's, as R and
            statsmodels' GLM have it, or "observed", the Hessian at θ. Sandwiches have the observed one.
        client, threads, execution: where its passes run; by default where the fit ran.

        Passes over the data: none for "classical" after Newton's method (targets and weights are read once more where a
        likelihood needs them), one where θ's Hessian is not known, or not the expected one; one more for a sandwich.
        Wide data: one for each step of conjugate gradients. t is meant where φ is estimated by "model", else the normal
        distribution.

        Raises ConfigurationError where there is no honest answer: penalties, bounds, no optimum; DataError where
        columns depend on each other or are constant, naming them.
        """
        from dgd.fitting.inference.inference import infer

        options = InferenceOptions(cov, groups, conf, weights, dispersion, penalized, only, information)
        if self.fitted is None:
            raise ConfigurationError(
                "`inference` goes back to the data, and a result that was pickled, or is of several penalties, has "
                "none to go to; fit again"
            )
        given = any(each is not None for each in (client, threads, execution))
        where = execution_of(execution, client, threads) if given else self.fitted.where
        return infer(self.fitted, self.model, options, where)

    def of_data(self, data: Any, reading: ReadingOptions) -> Result:
        """The result, with what the fit was given as data."""
        return replace(self, fitted=self.fitted and replace(self.fitted, data=data, reading=reading))

    def to_xarray(self) -> Any:
        """The coefficients with their names, as an `xarray.Dataset`; see `Model.to_xarray`."""
        return self.model.to_xarray()

    def explain(self) -> str:
        """Which solver was taken, and why, in a line."""
        return "" if self.choice is None else str(self.choice)

    def learning_curve(self) -> dict[str, Vector]:
        """The objective after each pass, on the training rows and on the validation rows (NaN without them)."""
        validation = [np.nan if r.validation_loss is None else r.validation_loss for r in self.history]
        return {
            "passes": np.array([r.iteration for r in self.history], dtype=np.float64),
            "loss": np.array([r.loss for r in self.history]),
            "validation_loss": np.array(validation),
        }

    def summary(self) -> str:
        """The fit in a few lines, with twelve digits."""
        return result_lines.summary(self)

    def overview(self, *, order: str = "order") -> str:
        """What was fitted, how, what came out and how sure it is, rounded for people, as `dgd fit` prints it.

        order: of the coefficients: "order", that of the columns, "size", the largest first, or "name".
        """
        return result_lines.overview(self, order=checked_word("overview(order", order, ORDERS))

    def as_json(self) -> dict[str, Any]:
        """Everything but the model's provenance, as plain numbers; a number that is not finite is None."""
        return {
            "status": self.status.name.lower(),
            "message": self.message,
            "solver": None if self.choice is None else self.choice.name,
            "because": None if self.choice is None else self.choice.because,
            "n_iter": self.n_iter_,
            "seconds": self.seconds,
            "loss": finite_or_none(self.loss),
            "explained": finite_or_none(self.explained),
            "uncentered_r2": finite_or_none(self.uncentered_r2),
            "certificate": None if self.certificate is None else asdict(self.certificate),
            "same_bits": self.same_bits,
            "loss_is_before_last_step": self.loss_is_before_last_step,
            "rows_held_out": self.rows_held_out,
            "checkpoint": self.checkpoint,
            "rows_left_out": self.rows_left_out,
            "chunks_filled": self.chunks_filled,
            "missing_cells": self.missing_cells,
            "bytes_before_first_pass": self.bytes_before_first_pass,
            "theta": self.theta.tolist(),
            "intercept": np.asarray(self.intercept_).tolist(),
            "coef": self.coef_.tolist(),
            "classes": None if self.model.classes is None else list(self.model.classes),
            "feature_names": list(self.model.feature_names) if self.model.feature_names else None,
            "history": [record.as_json() for record in self.history],
        }
