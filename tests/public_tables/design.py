"""Columns of X by pandas, NumPy and scikit-learn, of all rows; what is learned is learned from `known` rows.

Each function gives names as dgd has them, with a value for each row: NaN where a cell is missing or a level unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder

Columns = dict[str, np.ndarray]
MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def in_train(rows: int, fraction: float, seed: int) -> np.ndarray:
    """Whether a row is to be fitted: splitmix64 of its number, as the guide's reference has it."""
    with np.errstate(over="ignore"):
        z = (np.arange(rows, dtype=np.uint64) + np.uint64(seed + 1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX[0])
        z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX[1])
        z ^= z >> np.uint64(31)
    return z < np.uint64(int(fraction * 2**64))


@dataclass(frozen=True)
class Frame:
    """A table, and which of its rows may be learned from."""

    data: pd.DataFrame
    known: np.ndarray

    def numbers(self, *names: str) -> Columns:
        """Columns as they are."""
        return {name: self.data[name].to_numpy(dtype=float, na_value=np.nan) for name in names}

    def log(self, *names: str) -> Columns:
        """Their logarithms."""
        return {f"log({name})": np.log(values) for name, values in self.numbers(*names).items()}

    def levels(self, *names: str) -> Columns:
        """A column for each level but the first."""
        found: Columns = {}
        for name in names:
            column = self.data[name]
            encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
            encoder.fit(column[self.known & column.notna()].to_numpy()[:, None])
            whole = encoder.transform(column.to_numpy()[:, None])
            whole[column.isna().to_numpy() | (whole.sum(axis=1) == 0)] = np.nan
            for level, values in zip(encoder.categories_[0][1:], whole.T[1:], strict=True):
                found[f"{name}[{text(level)}]"] = values
        return found

    def every_level(self, name: str) -> Columns:
        """A column for each level."""
        values = self.data[name].to_numpy()
        return {f"{name}[{text(level)}]": (values == level).astype(float) for level in np.unique(values[self.known])}

    def powers(self, name: str, degree: int) -> Columns:
        """Orthogonal polynomials of the rows to learn from, by a QR decomposition of their powers."""
        x = self.numbers(name)[name]
        known = x[self.known & np.isfinite(x)]
        shifted = np.vander(x - known.mean(), degree + 1, increasing=True)
        R = np.linalg.qr(np.vander(known - known.mean(), degree + 1, increasing=True))[1]
        basis = np.linalg.solve((R * np.sign(np.diag(R))[:, None]).T, shifted.T).T
        return {f"poly({name}, {degree})[{power}]": basis[:, power] for power in range(1, degree + 1)}

    def filled(self, *names: str) -> Columns:
        """Numbers with the mean of those to learn from in missing cells."""
        return {
            name: np.where(np.isnan(values), np.nanmean(values[self.known]), values)
            for name, values in self.numbers(*names).items()
        }

    def days(self, name: str) -> Columns:
        """Days since 1970."""
        since = pd.to_datetime(self.data[name], utc=True) - pd.Timestamp(0, tz="UTC")
        return {name: (since / pd.Timedelta(days=1)).to_numpy()}


def products(left: Columns, right: Columns) -> Columns:
    """An interaction."""
    return {f"{a}:{b}": x * y for a, x in left.items() for b, y in right.items()}


def text(level: object) -> str:
    """A level as a name of dgd has it."""
    return f"{level:g}" if isinstance(level, float) else str(level)
