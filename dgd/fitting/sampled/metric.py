"""A metric where a Hessian of all rows is out of the question: that of a sample, where the fit begins.

Of columns that are too many it is the Hessian over the sample; of outputs that share their columns, and where curvature
vanishes, a product of columns and outputs (`columns`). With l1 or bounds it is the parabola with which quasi-newton
begins, in the place of fista. Quasi-newton, conjugate gradients and L-BFGS then take the passes that the sample's
likeness to the data asks for, whatever the condition of the columns: with r rows for each column M⁻¹H has eigenvalues
of (1 ± r^−½)², so that a pass makes the gradient about √r times smaller. M costs s·p² + p³ multiplications, here,
between two passes; of many columns, where gradients of the sample fall without it, it is not made.

Avron, Maymounkov and Toledo (2010), Blendenpik; Meng, Saunders and Mahoney (2014), LSRN.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Matrix
from dgd.data.dataset import Dataset
from dgd.data.sampled_rows import Sampling
from dgd.fitting.known import Known, Pass
from dgd.fitting.objective import Objective
from dgd.fitting.problem import Method
from dgd.fitting.sampled.columns import RARE, Shape, by_columns
from dgd.fitting.sampled.size import QUASI_NEWTON, SampleSize
from dgd.fitting.sampled.start import on_rows
from dgd.passes.parts import ROWS_PER_COLUMN
from dgd.passes.sums.block_rows import HESSIAN_ROWS
from dgd.passes.workspace import BLOCKS
from dgd.solvers import LBFGS, ConjugateGradient, Fista, QuasiNewton
from dgd.solvers.base import Solver
from dgd.solvers.steps.metric import ProductMetric

MOST, FEWER = 8192, 4096
"""Columns: 512 MiB for each matrix. With l1 or bounds some parabolas are minimised for each pass, and of products
eigenvectors are computed.
"""
QUADRATIC_ROWS, ROWS = 4, 20
"""Rows of the sample for each parameter; more where curvature changes on the way."""
LEAST_ROWS = 3
FEW_ROWS = 20_000
"""Of few columns: products of so many take no time, and have the columns as they are on the whole."""
FACTORED, FACTORED_KINKED = 6, 9
"""Matrices alive at once while a metric is made of its Hessian, or that is brought to the solver's coordinates; with
l1 or bounds where a singular parabola is minimised.
"""
TURNED, CORRECTED = 4, 30
"""Of points, while one is turned by a metric of columns and outputs; with l1 or bounds, the pairs that correct it."""
MINIMISED = 4 * CORRECTED + 12
"""Points while its parabola is minimised: pairs, what they make of it, and those of a round."""
TRIED, FALLEN = 24, 1e-4
"""Passes over the sample in which gradients must fall to this part, or the metric is made."""


def metric_sample(method: Method, dataset: Dataset) -> SampleSize | None:
    """The sample of which a metric is made; None where none would pay."""
    loss, rows, p = method.loss, dataset.shape[0], method.n_parameters // (method.outputs or 1)
    kinked, shared = not method.penalty.is_smooth, by_columns(loss, method.outputs)
    crawls = isinstance(method.solver, Fista if kinked else (LBFGS, ConjugateGradient))
    if not (crawls and method.choice.automatic) or method.by_the_book:
        return None
    if kinked and not method.penalty.has_kinks:
        return None
    dense = dataset.non_zeros is None and dataset.kinds is None
    if not (shared or (p > QUASI_NEWTON and dense and loss.convex)):
        return None
    if p > (QUASI_NEWTON if not dense else FEWER if kinked or shared else MOST):
        return None
    wanted = min(QUADRATIC_ROWS * p, rows // 4) if loss.quadratic else min(ROWS * p, rows // 2)
    wanted = max(wanted, min(FEW_ROWS, 10 * ROWS * p, rows // 2)) if shared else wanted
    if wanted < LEAST_ROWS * p:
        return None
    sampling = Sampling(max(2, rows // wanted))
    count = sampling.count(rows)
    then = QuasiNewton(again=False, memory=CORRECTED) if kinked else None
    return SampleSize(sampling, count, count * dataset.row_bytes, then, metric=p)


def metric_bytes(sample: SampleSize, threads: int, outputs: int) -> int:
    """What making the metric takes beside the rows: of each thread a sum, a product to add and rows scaled for that.

    And a sum that waits on each level of the tree over the sample's chunks; of outputs, what is factored of theirs.
    """
    matrix, leaves = 8 * (sample.metric + 1) ** 2, -(-sample.rows // _chunk_rows(sample.metric))
    threads = min(threads, leaves)
    blocks = BLOCKS * 8 * HESSIAN_ROWS * sample.metric
    factored = FACTORED if sample.then is None else FACTORED_KINKED
    points = TURNED if sample.then is None else MINIMISED
    of_outputs = 8 * (FACTORED * outputs**2 + points * outputs * (sample.metric + 1)) if outputs > 1 else 0
    return matrix * max(2 * threads + leaves.bit_length(), factored + threads) + threads * blocks + of_outputs


def _chunk_rows(p: int) -> int:
    """Of the sample: each chunk's sum is as large as the Hessian."""
    return ROWS_PER_COLUMN * p


def sampled_metric(objective: Objective, found: Pass, solver: Solver) -> ProductMetric | Matrix | str:
    """The metric, or the matrix of one, from the first pass and what it has copied aside; or why there is none."""
    assert found.sample is not None
    known, point = found.known, found.evaluation.point
    shared, p = by_columns(objective.loss, objective.outputs), point.size // (objective.outputs or 1)
    sample = on_rows(objective, found.sample.dataset(objective.dataset, _chunk_rows(p)))
    if not ((shared and p <= QUASI_NEWTON) or _crawls(sample, solver, point, known)):
        return "gradients fall quickly without its curvature"
    if shared:
        shape = Shape.of(sample, found)
        if not shape.finite:
            return "its curvature is not finite"
        return shape.matrix() if objective.then is not None and objective.outputs is None else shape.metric()
    H = sample.evaluate(point, known, hessian=True).evaluation.hessian
    if H is None or not np.isfinite(H).all():
        return "its curvature is not finite"
    return _definite(objective, known, H)


def _crawls(sample: Objective, solver: Solver, point: Matrix, known: Known) -> bool:
    """Whether the solver makes little of the gradient over the sample."""
    state, first, least, prox = solver.init(point), 0.0, np.inf, sample.prox(known)
    for _ in range(TRIED):
        asked = solver.ask(state)
        assert isinstance(asked, np.ndarray)
        evaluation = sample.evaluate(asked, known).evaluation
        first, least = first or evaluation.grad_norm, min(least, evaluation.grad_norm)
        state = solver.tell(state, evaluation, prox)
        if least <= FALLEN * first or state.status is not None:
            return False
    return True


def _definite(objective: Objective, known: Known, H: Matrix) -> Matrix | str:
    """H with the curvature of columns that the sample nearly lacks as it is over all rows, by their variance there.

    In the memory of H.
    """
    diagonal = np.diag(H).copy()
    level = None
    if known.coordinates.standardised:
        level = objective.loss.gradient_scale if objective.loss.quadratic else float(H[0, 0])
        if not (objective.loss.quadratic or objective.fit_intercept):
            level = None
    if level is not None:
        lacking = diagonal < RARE * level
        H[np.diag_indices_from(H)] += np.where(lacking, level - diagonal, 0.0)
    elif not (diagonal > 0).all():
        return "a column is constant in it"
    try:
        np.linalg.cholesky(H)
    except np.linalg.LinAlgError:
        return "its columns depend on each other"
    return H
