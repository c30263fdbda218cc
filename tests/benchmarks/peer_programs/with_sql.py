"""Least squares where a query is exact: polars or DuckDB sums all products of columns of Parquet, NumPy solves."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from columns import PARQUET, write_parquet
from course import SETTINGS, Course, tell


def main() -> None:
    if SETTINGS.get("prepare"):
        write_parquet()
        return
    names = [f"x{j}" for j in range(SETTINGS["columns"])] + ["y"]
    pairs = list(combinations_with_replacement(names, 2))
    sums = {"polars": by_polars, "duckdb": by_duckdb}[SETTINGS["solver"]]
    course = Course()
    found = sums(names, pairs)
    means = np.array(found[: len(names)]) / found[-1]
    products = np.zeros((len(names), len(names)))
    for (a, b), value in zip(pairs, found[len(names) : -1], strict=True):
        products[names.index(a), names.index(b)] = products[names.index(b), names.index(a)] = value
    S = products / found[-1] - np.outer(means, means)
    b = np.linalg.solve(S[:-1, :-1], S[:-1, -1])
    course.add(b, means[-1] - means[:-1] @ b, last=True)
    tell(course.answer(f"{len(pairs) + len(names)} sums in one query"))


def by_polars(names: list[str], pairs: list[tuple[str, str]]) -> list[float]:
    """Sums of the columns and of their products, and the number of rows; streamed."""
    import polars as pl

    one = {name: pl.col(name).cast(pl.Float64) for name in names}
    asked = [one[name].sum().alias(name) for name in names]
    asked += [(one[a] * one[b]).sum().alias(f"{a}*{b}") for a, b in pairs]
    frame: Any = pl.scan_parquet(PARQUET).select(*asked, pl.len().alias("rows")).collect(engine="streaming")
    return [float(value) for value in frame.row(0)]


def by_duckdb(names: list[str], pairs: list[tuple[str, str]]) -> list[float]:
    """The same in SQL."""
    import duckdb

    one = {name: f"{name}::DOUBLE" for name in names}
    asked = [f"sum({one[name]})" for name in names] + [f"sum({one[a]} * {one[b]})" for a, b in pairs]
    connection = duckdb.connect(config={"threads": 2})
    row: Any = connection.execute(f"SELECT {', '.join(asked)}, count(*) FROM '{PARQUET}'").fetchone()
    return [float(value) for value in row]


if __name__ == "__main__":
    main()
