"""A summary of rows, from which every fit of a squared loss follows without reading them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.data.summed_rows import SummedRows
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.words import shown
from dgd.fitting.result import Result
from dgd.fitting.summary_fit import fit_of_gram
from dgd.passes.sums.gram import Gram
from dgd.passes.tree import sum_siblings
from dgd.penalties import Penalty


@dataclass(frozen=True, eq=False)
class Summary:
    """Weights, means and centred products of columns and targets: all that a squared loss asks of the rows.

        n² + nq + 2n + 2q numbers for each part         F(θ) = 1/Σw Σ w (θᵀx − y)² for any θ, from these alone

    Made by `dgd.summarize`. Two of different rows are added; `fit` needs no pass.
    """

    parts: tuple[Gram, ...] = field(repr=False)
    """One for each fold, or for each chunk; a single one where neither was asked for."""
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    several: bool = False
    """Whether y has columns, however many, so that coefficients have a row for each."""
    source: str = "memory"
    identity: str = ""
    """A digest of what was read."""
    rows_left_out: int = 0
    dataset: Dataset | None = field(default=None, repr=False)
    """What it was made of, where that is at hand; not saved."""

    @cached_property
    def total(self) -> Gram:
        """The sums over all parts."""
        return sum_siblings(self.parts)

    @property
    def rows(self) -> int:
        """The rows that were read."""
        return self.total.rows

    @property
    def weight(self) -> float:
        """Σw; the number of rows where there are no weights."""
        return self.total.weight

    @property
    def shape(self) -> tuple[int, int]:
        """Features and targets."""
        n, q = self.total.cross.shape
        return n, q

    @property
    def mean(self) -> Vector:
        """Of each column, (n,)."""
        return self.total.about + self.total.mean

    @property
    def covariance(self) -> Vector:
        """Of the columns, (n, n), by Σw."""
        return self.total.products / self.total.weight

    @property
    def target_mean(self) -> Vector:
        """Of each target, (q,)."""
        return self.total.level + self.total.target_mean

    @property
    def target_variance(self) -> Vector:
        """Of each target, (q,), by Σw."""
        return self.total.squares / self.total.weight

    def part(self, index: int) -> Self:
        """The summary of one fold or chunk alone."""
        return replace(self, parts=(self.parts[index],), dataset=None)

    def without_part(self, index: int) -> Self:
        """The summary of all folds or chunks but one: added up again without it, so that no digit is lost."""
        if len(self.parts) < 2:
            raise ConfigurationError(
                "the summary has a single part; make it with `summarize(folds=...)` or by_chunk=True"
            )
        rest = self.parts[:index] + self.parts[index + 1 :]
        return replace(self, parts=rest, dataset=None)

    def __add__(self, other: Self) -> Self:
        if not isinstance(other, Summary):
            return NotImplemented
        _check_alike(self, other)
        together = len(self.parts) == len(other.parts) == 1
        parts = (self.total + other.total,) if together else self.parts + other.parts
        return replace(
            self,
            parts=parts,
            source=f"{self.source}, {other.source}",
            identity=f"{self.identity}+{other.identity}",
            rows_left_out=self.rows_left_out + other.rows_left_out,
            dataset=None,
        )

    def fit(
        self,
        *,
        penalty: Penalty | Sequence[Penalty] | None = None,
        features: Sequence[str] | Sequence[int] | None = None,
        targets: int | Sequence[int] | None = None,
        fit_intercept: bool = True,
    ) -> Result:
        """Fit the squared loss to the rows of the summary, without reading them: what `dgd.fit` minimises.

        penalty: an object of `dgd.penalties`, of any kind; or a list of them, one for each target.
        features: some columns, by name or number, in this order; a penalty's numbers are then theirs.
        targets: a target's number, or some of them; all by default.

        The result's history is empty, for there was no pass. Its certificate says how far rounding of the sums may have
        moved the coefficients; where fewer than 8 digits of them are sure, its status is ILL_CONDITIONED.
        Raises ConfigurationError for columns, targets or penalties that are not there or do not fit.
        """
        columns = self._columns(features)
        chosen, several = self._targets(targets)
        gram = self.total.select(columns, chosen)
        names = None if self.feature_names is None else tuple(self.feature_names[j] for j in columns)
        return fit_of_gram(gram, self._as_rows(gram, names, several=several), penalty, fit_intercept=fit_intercept)

    def _as_rows(self, gram: Gram, names: tuple[str, ...] | None, *, several: bool) -> Dataset:
        """A dataset of these columns that cannot be read: its shapes and names alone."""
        n, q = gram.cross.shape
        rows = max(1, gram.rows)
        return Dataset(
            SummedRows("X", (rows, n)),
            SummedRows("y", (rows, q) if several else (rows,)),
            feature_names=names,
            target_name=self.target_name,
            source=self.source,
        )

    def _columns(self, features: Any) -> list[int]:
        n = self.shape[0]
        if features is None:
            return list(range(n))
        if isinstance(features, str) or not hasattr(features, "__iter__"):
            raise ConfigurationError(f"`fit(features=...)` must be a list of names or numbers, got {shown(features)}")
        place = {name: j for j, name in enumerate(self.feature_names or ())}
        found = [place.get(each, -1) if isinstance(each, str) else _number(each, n) for each in features]
        if not found or min(found) < 0 or len(set(found)) < len(found):
            raise ConfigurationError(
                f"`fit(features=...)` must be different columns of the summary's {n} "
                f"({', '.join(list(place)[:12]) or 'which have numbers from 0 alone'}), got {shown(features)}"
            )
        return found

    def _targets(self, targets: Any) -> tuple[list[int], bool]:
        q = self.shape[1]
        if targets is None:
            return list(range(q)), self.several
        one = not hasattr(targets, "__iter__")
        found = [_number(each, q) for each in ([targets] if one else targets)]
        if not found or min(found) < 0:
            raise ConfigurationError(f"`fit(targets=...)` must be numbers from 0 to {q - 1}, got {shown(targets)}")
        return found, not one


def _number(value: Any, count: int) -> int:
    """A number from 0 below `count`, −1 for anything else."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    return int(value) if whole and 0 <= value < count else -1


def _check_alike(one: Summary, other: Summary) -> None:
    if one.shape != other.shape or one.several != other.several or one.feature_names != other.feature_names:
        raise SchemaError(
            f"summaries are added of the same columns and targets, and these have {one.shape} and {other.shape}"
            + ("" if one.feature_names == other.feature_names else ", with other names"),
        )
