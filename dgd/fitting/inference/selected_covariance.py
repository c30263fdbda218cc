"""The covariance of a few coefficients where columns are too many for a Hessian: by conjugate gradients.

    H v_j = e_j      cov_ij = e_iᵀ H⁻¹ e_j = v_iᵀ e_j

for each selected coefficient j, all of them in lock-step: one pass makes H v of all. For HC0, HC1 and groups of rows
one pass more sums the scores' products with the v_j. The error of vᵀe is the square of that of v. Hestenes and Stiefel
(1952), Methods of conjugate gradients for solving linear systems.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.rows import Rows
from dgd.errors import ConfigurationError, DataError
from dgd.fitting.inference.facts import degrees_of_freedom, facts_of, statistics_of
from dgd.fitting.inference.fitted import Fitted, Passes
from dgd.fitting.inference.options import InferenceOptions, group_count
from dgd.models.inference.inference import Inference
from dgd.models.inference.uncertainty import square_root
from dgd.models.model import Model
from dgd.passes.sums.hessian import Expected
from dgd.passes.sums.hessian_product import HessianProduct
from dgd.passes.sums.row_sums import Part
from dgd.passes.sums.sandwich import GroupScores, Sandwich

RESIDUAL = 1e-8
"""‖H v − e‖/‖e‖ at which a column is solved for, in standardised columns."""


def selected_covariance(
    fitted: Fitted, model: Model, options: InferenceOptions, passes: Passes, groups: Rows | None
) -> Inference:
    """The inference of the coefficients that `options.only` names."""
    loss = fitted.method.loss
    if fitted.method.outputs is not None or not (loss.is_likelihood or loss.has_dispersion):
        raise ConfigurationError(
            f"selected coefficients of {fitted.parameters:,} are solved for with one output of a loss that is a "
            f"likelihood; fit the outputs one by one, by 'squared', 'logistic' or 'poisson'"
        )
    facts, _ = facts_of(fitted, options, passes, (), held_bytes=0)
    statistics = statistics_of(fitted, facts, options)
    assert options.only is not None
    index = [options.index(fitted, name) for name in options.only]
    units = _units(fitted, index)
    solved = _solved(fitted, units, passes, expects=options.expects(loss))
    clusters = None
    if options.cov == "classical":
        covariance = float(statistics.dispersion[0]) * (units.T @ solved)
    else:
        part = Sandwich(
            bread=_for_columns(fitted, solved)[None],
            frequency=options.weights == "frequency",
            by_group=groups is not None,
        )
        held = 0 if groups is None else 8 * len(index) * group_count(groups)
        (found,) = passes.sums((part,), groups=groups, held_bytes=held).parts
        covariance, correction = (found.meat if isinstance(found, GroupScores) else found.values)[0], 1.0
        if isinstance(found, GroupScores):
            clusters = len(found.labels)
            if found.rows != facts.all_rows or clusters < 2:
                raise DataError("each row that was fitted needs a group, and there must be two or more", array="groups")
            correction = clusters / (clusters - 1) * (facts.rows - 1) / statistics.df_residual
        elif options.cov == "HC1":
            correction = facts.rows / statistics.df_residual
        covariance = covariance * correction
    theta = model.coef if not fitted.method.fit_intercept else np.concatenate([[model.intercept], model.coef])
    return Inference(
        names=tuple(options.only),
        outputs=None,
        estimates=theta[index],
        cov=options.cov,
        conf=options.conf,
        statistics=statistics,
        model=model,
        notes=tuple(options.notes(fitted)),
        passes=passes.count,
        clusters=clusters,
        df=degrees_of_freedom(fitted, statistics, clusters),
        root=square_root((covariance + covariance.T) / 2)[None],
    )


def _units(fitted: Fitted, index: list[int]) -> Matrix:
    """e of each coefficient in coordinates z: b_j = z_j/s_j, b₀ = z₀ − Σ m_j z_j/s_j; (p, k)."""
    units = np.zeros((fitted.parameters, len(index)))
    first, coordinates = int(fitted.method.fit_intercept), fitted.coordinates
    for column, j in enumerate(index):
        units[j, column] = 1.0
        if j < first:
            units[first:, column] = -fitted.means(coordinates) / coordinates.scale
        else:
            units[j, column] /= coordinates.scale[j - first]
    return units


@dataclass
class _Lockstep:
    """Conjugate gradients of several right-hand sides, a column each."""

    x: Matrix
    residual: Matrix
    direction: Matrix
    squares: Vector
    goal: Vector

    def step(self, product: Matrix) -> None:
        """One step of the columns that are not at their goal."""
        moving = self.squares > self.goal
        curved = np.einsum("ij,ij->j", self.direction, product)
        if not (curved[moving] > 0).all():
            raise DataError(
                "the information at θ is singular in the direction of a coefficient: it has no standard error; leave "
                "out columns that others give (`features=`)",
                array="X",
            )
        alpha = np.where(moving, self.squares / np.where(moving, curved, 1.0), 0.0)
        self.x += alpha * self.direction
        self.residual -= alpha * product
        squares = np.einsum("ij,ij->j", self.residual, self.residual)
        self.direction = self.residual + np.where(moving, squares / self.squares, 0.0) * self.direction
        self.squares = squares

    @property
    def done(self) -> bool:
        """Whether all are at their goal."""
        return bool((self.squares <= self.goal).all())


def _solved(fitted: Fitted, units: Matrix, passes: Passes, *, expects: bool) -> Matrix:
    """V with H V = the units, H the sum over rows in coordinates z."""
    squares = np.einsum("ij,ij->j", units, units)
    state = _Lockstep(np.zeros_like(units), units.copy(), units.copy(), squares, RESIDUAL**2 * squares)
    coordinates = fitted.coordinates
    limit = 2 * fitted.parameters
    for _ in range(limit):
        if state.done:
            return state.x
        vectors = _for_columns(fitted, state.direction)
        part: Part = HessianProduct(vectors[None])
        (found,) = passes.sums((Expected(part) if expects else part,), held_bytes=2 * vectors.nbytes).parts
        product = np.column_stack([coordinates.gradient(column) for column in found.values[0].T])
        state.step(product)
    raise DataError(
        f"the standard errors were not found in {limit:,} passes: columns are near each other; leave out those that "
        f"others give (`features=`)",
        array="X",
    )


def _for_columns(fitted: Fitted, vectors: Matrix) -> Matrix:
    """Vectors in coordinates z as ones for columns less the fit's centre, with an intercept's row."""
    found = np.column_stack([fitted.coordinates.to_user(column) for column in vectors.T])
    return found if fitted.method.fit_intercept else np.concatenate([np.zeros((1, found.shape[1])), found])
