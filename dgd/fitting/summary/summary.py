"""A summary of rows, from which every fit of a squared loss follows without reading them again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, Unpack

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.dataset import Dataset
from dgd.data.design.design import Design
from dgd.data.design.opening import as_known
from dgd.data.reading import ReadingOptions
from dgd.data.transforms.summed_rows import SummedRows
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.checks import checked_flag
from dgd.fitting.result import Result
from dgd.fitting.summary.chosen import chosen_columns, chosen_targets
from dgd.fitting.summary.files import read_summary, write_summary
from dgd.fitting.summary.gram_fit import fit_of_sums
from dgd.fitting.summary.ridge_choice import RidgeChoice, ridge_choice
from dgd.fitting.summary.updated import updated
from dgd.fitting.summary.verified import verified
from dgd.passes.execution import Execution, execution_of
from dgd.passes.opening import open_dataset
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.r_factor import RFactor
from dgd.passes.tree import sum_siblings
from dgd.penalties import Penalty


@dataclass(frozen=True, eq=False)
class Summary:
    """Weights, means and centred products of columns and targets: all that a squared loss asks of the rows.

        n² + nq + 2n + 2q numbers for each part         F(θ) = 1/Σw Σ w (θᵀx − y)² for any θ, from these alone

    Made by `dgd.summarize`. Two of different rows are added; `fit` needs no pass.
    """

    parts: tuple[Gram | RFactor, ...] = field(repr=False)
    """One for each fold, or for each chunk; a single one where neither was asked for."""
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    several: bool = False
    """Whether y has columns, however many, so that coefficients have a row for each."""
    by_chunk: bool = False
    """Whether the parts are the chunks of the data, in their order."""
    precision: str = "double"
    source: str = "memory"
    identity: str = ""
    """A digest of what was read."""
    rows_left_out: int = 0
    chunks: Matrix = field(default_factory=lambda: np.zeros((0, 3)), repr=False)
    """Where each chunk of the data ended, and a digest of it, as far as known, for `update`."""
    dataset: Dataset | None = field(default=None, repr=False)
    """What it was made of, where that is at hand; not saved."""
    bytes_read: int = field(default=0, repr=False)
    """Stored bytes that were read for it, or for its update; not saved."""
    roles: tuple[str, ...] = ()
    """Whether a weight and an offset stood beside X and y."""
    design: Design | None = field(default=None, repr=False)
    """How the columns are made of those of a table, where they are."""

    @cached_property
    def factor(self) -> RFactor | None:
        """The R factor of all parts; None where products were summed."""
        factors = [part for part in self.parts if isinstance(part, RFactor)]
        return sum_siblings(factors) if factors else None

    @cached_property
    def grams(self) -> tuple[Gram, ...]:
        """The centred products of each part."""
        return tuple(part.gram if isinstance(part, RFactor) else part for part in self.parts)

    @cached_property
    def total(self) -> Gram:
        """The centred products of all parts."""
        return sum_siblings(self.grams) if self.factor is None else self.factor.gram

    @property
    def method(self) -> str:
        """ "gram" or "qr"."""
        return "gram" if self.factor is None else "qr"

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
        return self._of((self.parts[index],))

    def of_sums(self, sums: Gram) -> Self:
        """The summary of other rows of the same columns and targets."""
        return self._of((sums,))

    def _of(self, parts: tuple[Any, ...]) -> Self:
        """Another summary of the same columns, no longer of all of the data."""
        return replace(self, parts=parts, by_chunk=False, chunks=np.zeros((0, 3)), dataset=None, bytes_read=0)

    def without_part(self, index: int) -> Self:
        """The summary of all folds or chunks but one: added up again without it, so that no digit is lost."""
        if len(self.parts) < 2:
            raise ConfigurationError(
                "the summary has a single part; make it with `summarize(folds=...)` or by_chunk=True"
            )
        index = range(len(self.parts))[index]
        return self._of(self.parts[:index] + self.parts[index + 1 :])

    def without(self, other: Summary) -> Self:
        """The summary without rows that are in it, and which `other` sums: their products are subtracted.

        Refused where too few digits are left of what remains; `without_part` and `summarize` of the other rows lose
        none. Raises ConfigurationError for that, and for R factors, which cannot be subtracted.
        """
        _check_alike(self, other)
        if self.factor is not None or other.factor is not None:
            raise ConfigurationError("`without(...)` subtracts products, and this summary is of an R factor")
        return self._of((self.total.without(other.total),))

    def __add__(self, other: Self) -> Self:
        if not isinstance(other, Summary):
            return NotImplemented
        _check_alike(self, other)
        if self.method != other.method:
            raise ConfigurationError("a summary of products and one of an R factor cannot be added")
        first: Any = self.parts[0]
        together = len(self.parts) == len(other.parts) == 1
        return replace(
            self._of((first + other.parts[0],) if together else self.parts + other.parts),
            source=f"{self.source}, {other.source}",
            identity=f"{self.identity}+{other.identity}",
            rows_left_out=self.rows_left_out + other.rows_left_out,
        )

    def update(
        self,
        data: Any,
        y: Any = None,
        *,
        weight: Any = None,
        offset: Any = None,
        client: Any = None,
        threads: int | None = None,
        execution: Execution | None = None,
        **reading: Unpack[ReadingOptions],
    ) -> Summary:
        """The summary of data to which rows were appended: only chunks that are new are read.

        data, y, weight, offset, reading: as they were summarised, with more rows. Chunks are held to what they were
        where the writer left checksums, as dgd does, without being read; of other stores their number of rows alone.
        A chunk that has changed, such as a last one that was not full, is read again if the summary was made with
        by_chunk=True, and is a DatasetChangedError if not. With by_chunk=True the result has the bits of a new summary.

        Raises ConfigurationError for the summary of folds, SchemaError for other columns.
        """
        where = execution_of(execution, client, threads)
        if self.design is not None and not isinstance(data, Dataset):
            reading = as_known(reading, self.design)
        dataset = open_dataset(data, y, weight=weight, offset=offset, **reading).waiting_at_most(where.read_timeout)
        return updated(self, dataset, where)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the summary as a folder: summary.json and arrays, with their checksums; see `Model.save`.

        `dgd.load_summary` reads it. Raises WriteError, and ConfigurationError where something else is in the way.
        """
        write_summary(self, path, overwrite=overwrite)

    def fit(
        self,
        *,
        penalty: Penalty | Sequence[Penalty] | None = None,
        features: Sequence[str] | Sequence[int] | None = None,
        targets: int | Sequence[int] | None = None,
        fit_intercept: bool = True,
        verify: bool = False,
    ) -> Result:
        """Fit the squared loss to the rows of the summary, without reading them: what `dgd.fit` minimises.

        penalty: an object of `dgd.penalties`, of any kind; or a list of them, one for each target.
        features: some columns, by name or number, in this order; a penalty's numbers are then theirs.
        targets: a target's number, or some of them; all by default.
        verify: spend one pass over the data on the loss and the gradient at these coefficients.

        The result's history is empty, for there was no pass. Its certificate says how far rounding of the sums may have
        moved the coefficients; where fewer than 8 digits of them are sure, its status is ILL_CONDITIONED.
        Raises ConfigurationError for columns, targets or penalties that are not there or do not fit.
        """
        columns = chosen_columns(features, self.feature_names, self.shape[0])
        chosen = chosen_targets(targets, self.shape[1])
        several = self.several if targets is None else hasattr(targets, "__iter__")
        sums = (self.factor or self.total).select(columns, chosen)
        names = None if self.feature_names is None else tuple(self.feature_names[j] for j in columns)
        rows = self._as_rows(sums, names, several=several)
        found = fit_of_sums(sums, rows, penalty, fit_intercept=fit_intercept)
        if not checked_flag("fit(verify", verify):
            return found
        return verified(found, self.dataset, penalty, columns, chosen, fit_intercept=fit_intercept)

    def choose_ridge(self, strengths: Sequence[float], *, by: str = "gcv", fit_intercept: bool = True) -> RidgeChoice:
        """The best strength of an l2 penalty for each target, without a pass; `fit(penalty=choice.penalties)` uses it.

        strengths: those to try, as of `L2`. by: "gcv", generalised cross-validation, or "folds", the exact error of
        each fold's rows for coefficients of the others, where the summary is of folds.
        """
        return ridge_choice(
            self.grams, strengths, by, fit_intercept=checked_flag("choose_ridge(fit_intercept", fit_intercept)
        )

    def _as_rows(self, sums: Gram | RFactor, names: tuple[str, ...] | None, *, several: bool) -> Dataset:
        """A dataset of these columns that cannot be read: its shapes and names alone."""
        n, q = len(sums.about), len(sums.level)
        rows = max(1, sums.rows)
        return Dataset(
            SummedRows("X", (rows, n)),
            SummedRows("y", (rows, q) if several else (rows,), sums.counted, sums.log_weight),
            feature_names=names,
            target_name=self.target_name,
            source=self.source,
            design=self.design if names == self.feature_names else None,
        )


def load_summary(path: str | os.PathLike[str]) -> Summary:
    """Read a summary that `Summary.save` wrote, after checking every checksum, field and array.

    Raises ModelError if the folder is missing, damaged, or of a later format.
    """
    return Summary(**read_summary(path))


def _check_alike(one: Summary, other: Summary) -> None:
    if one.shape != other.shape or one.several != other.several or one.feature_names != other.feature_names:
        raise SchemaError(
            f"summaries are added of the same columns and targets, and these have {one.shape} and {other.shape}"
            + ("" if one.feature_names == other.feature_names else ", with other names"),
        )
