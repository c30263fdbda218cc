"""A small table of every kind of column, as pandas has it, and what makes others of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def table(rows: int = 600, *, missing: bool = False, seed: int = 0) -> pd.DataFrame:
    """Numbers a, c and e, text b, months k, a date t, a flag f, a target y that depends on them, a label, a weight."""
    rng = np.random.default_rng(seed)
    a, c, b = rng.normal(size=rows), rng.normal(5, 2, rows), rng.choice(["x", "y", "z"], rows)
    k, f = rng.integers(1, 13, rows), rng.random(rows) > 0.5
    days = rng.integers(0, 1000, rows)
    y = a + 2 * (b == "y") - (b == "z") + 0.1 * c**2 + k / 4 + a * (b == "z") + rng.normal(size=rows)
    found = pd.DataFrame(
        {
            "a": a,
            "b": b,
            "c": c,
            "k": k,
            "t": pd.Timestamp("2020-01-01") + pd.to_timedelta(days, "D"),
            "f": f,
            "e": rng.integers(1, 50, rows) / 7,
            "y": y,
            "label": np.where(y > y.mean(), "up", "down"),
            "w": rng.integers(1, 4, rows),
        }
    )
    if missing:
        for name, part in (("a", 0.1), ("b", 0.05), ("c", 0.02)):
            found.loc[rng.random(rows) < part, name] = None
    return found


def written(path: Path, found: pd.DataFrame, *, group: int = 100) -> Path:
    """It in Parquet, in row groups."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found.to_parquet(path, row_group_size=group, index=False)
    return path
