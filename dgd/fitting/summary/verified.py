"""A fit from a summary, held to the rows: one pass sums the loss and the gradient at its coefficients anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dgd.data.dataset import Dataset
from dgd.data.rows import Rows
from dgd.data.transforms.selected_columns import SelectedColumns
from dgd.errors import ConfigurationError
from dgd.fitting.auto_solver import Choice
from dgd.fitting.fit import fit
from dgd.fitting.result import Result
from dgd.penalties import Penalty


def verified(
    result: Result,
    dataset: Dataset | None,
    penalty: Penalty | Sequence[Penalty] | None,
    columns: Sequence[int],
    targets: Sequence[int],
    *,
    fit_intercept: bool,
) -> Result:
    """The result with loss, history and certificate of a pass over the rows; the coefficients stay.

    Raises ConfigurationError where the data are not at hand, or cannot be read as the fit saw them.
    """
    if dataset is None:
        raise ConfigurationError(
            "`fit(verify=True)` reads the data again, which a summary that was loaded, added or divided does not have; "
            "evaluate there with `dgd.fit(data, theta0=result, solver='newton', max_iter=1)`"
        )
    if isinstance(penalty, (list, tuple)) or (result.theta.ndim == 1 and dataset.y and len(dataset.y.shape) == 2):
        raise ConfigurationError("`fit(verify=True)` takes one penalty, and targets as a list, such as targets=[0]")
    again = fit(
        _chosen(dataset, columns, targets),
        penalty=penalty,  # type: ignore[arg-type]
        fit_intercept=fit_intercept,
        solver="newton",
        theta0=result.theta,
        max_iter=1,
    )
    choice = Choice("summary", f"{result.choice.because if result.choice else ''}; verified by one")
    status = again.status if again.converged else result.status
    return replace(again, theta=result.theta, model=result.model, status=status, choice=choice)


def _chosen(dataset: Dataset, columns: Sequence[int], targets: Sequence[int]) -> Dataset:
    """The dataset of some columns and some targets."""
    chosen: dict[str, Any] = {"X": _some(dataset.X, columns)}
    if dataset.y is not None and len(dataset.y.shape) == 2:
        chosen["y"] = _some(dataset.y, targets)
    if dataset.feature_names is not None:
        chosen["feature_names"] = tuple(dataset.feature_names[j] for j in columns)
    return replace(dataset, **chosen)


def _some(rows: Rows, columns: Sequence[int]) -> Rows:
    return rows if list(columns) == list(range(rows.shape[1])) else SelectedColumns(rows, tuple(columns))
