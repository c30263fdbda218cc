"""What a call of `fit_to` asks for: its arguments checked, its data opened, nothing read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.folds import Folds, make_folds
from dgd.data.reading import Reading
from dgd.data.targets.opening import open_targets
from dgd.data.targets.tiles import Tiles
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag, checked_integer, checked_number, checked_word
from dgd.errors.words import shown
from dgd.fitting.arguments import make_penalty
from dgd.fitting.panels.missing_cells import pair_count
from dgd.fitting.panels.plan import Job
from dgd.fitting.panels.row_groups import RowGroups
from dgd.passes.execution import Execution
from dgd.passes.learning import learning

BY = ("gcv", "folds")


@dataclass(frozen=True, eq=False)
class Asked:
    """A call, checked and opened."""

    job: Job
    strengths: Vector
    """Of l2: one, or those to choose among."""
    by: str
    folds: Folds | None
    fit_intercept: bool
    panel: int | None

    @property
    def chooses(self) -> bool:
        """Whether a strength is chosen for each target."""
        return len(self.strengths) > 1


def asked(
    call: str,
    data: Any,
    y: Any,
    weight: Any,
    *,
    penalty: Any,
    strengths: Sequence[float] | None,
    by: str,
    folds: int | Folds,
    seed: int,
    fit_intercept: bool,
    panel: int | None,
    reading: Reading,
    where: Execution,
) -> Asked:
    """The arguments of `fit_to`, checked; `call`: its name, as errors quote it."""
    checked_word(f"{call}(by", by, BY)
    if reading.split is not None:
        raise ConfigurationError(
            f"`{call}(split=...)`: many targets are fitted on all rows; leave rows out by a weight of 0"
        )
    tried = _strengths(call, penalty, strengths)
    intercept = checked_flag(f"{call}(fit_intercept", fit_intercept)
    width = None if panel is None else checked_integer(f"{call}(panel", panel, least=1)
    dataset, targets = open_targets(data, y, weight, reading, learning(where))
    targets = replace(
        targets, rows=targets.rows.reading_ahead(targets.rows.footprint.ahead).waiting_at_most(where.read_timeout)
    )
    held_out = None
    if by == "folds" and len(tried) > 1:
        held_out = folds if isinstance(folds, Folds) else make_folds(call, dataset, folds, "rows", seed)
    n, drop = dataset.shape[1], reading.missing == "drop"
    numbers = max(n, pair_count(n)) if drop else n
    job = Job(
        dataset,
        targets,
        Tiles.of(targets.sizes, targets.chunks, max(1, numbers)),
        RowGroups.of(targets.bounds),
        folds=1 if held_out is None else held_out.count,
        strengths=len(tried),
        drop=drop,
    )
    return Asked(job, tried, by, held_out, intercept, width)


def _strengths(call: str, penalty: Any, strengths: Any) -> Vector:
    if strengths is None:
        found = make_penalty(penalty)
        l2: Any = getattr(found, "l2", 0.0)
        if not found.is_smooth or np.ndim(l2) != 0:
            raise ConfigurationError(
                f"`{call}(penalty=...)` must be None or an L2 of one strength, got {shown(penalty)}; `dgd.fit` takes "
                f"other penalties, for some of the targets at a time"
            )
        return np.array([float(l2)])
    if penalty is not None:
        raise ConfigurationError(f"`{call}(penalty=..., strengths=...)`: give one of them")
    given = list(strengths) if hasattr(strengths, "__iter__") else [strengths]
    tried = np.array([checked_number(f"{call}(strengths", each, least=0) for each in given])
    if not len(tried) or not np.isfinite(tried).all():
        raise ConfigurationError(f"`{call}(strengths=...)` must be one or more finite numbers of 0 or more")
    return tried
