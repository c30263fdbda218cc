"""Categories by their codes: a pass beside the same columns dense, and a fit of many levels in bounded memory.

pass    Rows of flights: carrier, origin, destination, month and hour, 156 columns of zeros and ones. After each pass
        over the codes one over the dense float64 columns, in the same process, both in two threads; `ratio` is the
        median of the ratios codes / dense. The first pairs are dropped. Loss and gradient are summed.
fit     The logistic loss of these rows with l2, `tol` 1e-8.
levels  L-BFGS for 10⁷ rows × 3 categories of 10⁵ levels each in a process of its own that is allowed 2 GiB, with the
        largest resident set it had. By a busy core: rows by the second of processor time, whoever else is busy.

Where `--peer` is the interpreter of an environment with glum, its fit of the same rows is timed, and one pair of
tabmat's products with the squared residuals between them, after each other and not in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np

import dgd
from dgd.data.arrays.mixed_rows import MixedRows
from dgd.data.dataset import Dataset
from dgd.data.mixed import Coded
from dgd.losses import LOSSES
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.row_sums import RowSums
from dgd.passes.threads import ThreadExecutor

FLIGHTS, LEVELS = 327_346, (16, 3, 105, 12, 20)
PAIRS, DROPPED, THREADS, LIMIT = 15, 3, 2, 2 * 2**30

FIT = """
import json, sys, time
import numpy as np
import dgd
from dgd.data.arrays.mixed_rows import MixedRows
from dgd.data.mixed import Coded
from dgd.passes.memory import peak_bytes
rows, levels, loss = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(0)
codes = [rng.integers(0, levels, rows, dtype=np.int32) for _ in range(3)]
y = rng.normal(size=rows, loc=codes[0] / levels)
y = (y > 0.5).astype(np.int8) if loss == "logistic" else y
X = MixedRows("X", [Coded(each, levels) for each in codes])
execution = dgd.Execution(threads=2, memory_limit=2 * 2**30)
options = dict(loss=loss, solver="lbfgs", max_iter=9, tol=0, penalty=dgd.penalties.L2(1e-6))
busy = []
callbacks = [lambda record: busy.append(time.process_time())]
result = dgd.fit(X, y, execution=execution, callbacks=callbacks, **options)
seconds = [record.seconds for record in result.history][1:]
pace = rows * len(seconds) / sum(seconds), rows * (len(busy) - 1) / (busy[-1] - busy[0])
print(json.dumps([result.plan.memory_bytes, peak_bytes(), *pace]))
"""

TABMAT = """
import json, sys, time
import numpy as np, tabmat
rows, levels = int(sys.argv[1]), json.loads(sys.argv[2])
rng = np.random.default_rng(0)
X = tabmat.SplitMatrix([tabmat.CategoricalMatrix(rng.integers(0, k, rows, dtype=np.int32)) for k in levels])
y, b = rng.normal(size=rows), rng.normal(size=X.shape[1])
times = []
for _ in range(15):
    began = time.perf_counter()
    r = X.matvec(b) - y
    loss, gradient = r @ r, X.transpose_matvec(r)
    times.append(time.perf_counter() - began)
print(json.dumps(sorted(times[3:])[6]))
"""

GLUM = """
import sys, time
import glum, numpy as np, tabmat
found = np.load(sys.argv[1])
X = tabmat.SplitMatrix([tabmat.CategoricalMatrix(found[f"c{k}"].astype(np.int32)) for k in range(5)])
model = glum.GeneralizedLinearRegressor(family="binomial", alpha=1e-4, l1_ratio=0, gradient_tol=1e-8)
began = time.perf_counter()
model.fit(X, found["y"])
np.savez(sys.argv[1], coef=model.coef_, seconds=time.perf_counter() - began)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the categories of many levels")
    parser.add_argument("--levels", type=int, default=100_000, help="of each of three categories")
    parser.add_argument("--peer", default=None, help="a Python with glum, whose products are timed beside")


def measure(rows: int = 10_000_000, levels: int = 100_000, peer: str | None = None) -> list[dict[str, Any]]:
    """The lines of both tables."""
    lines = [*(_passes(loss, peer) for loss in ("squared", "logistic")), _fit(peer)]
    return lines + [_many_levels(rows, levels, loss, peer) for loss in ("squared", "logistic")]


def _passes(loss: str, peer: str | None) -> dict[str, Any]:
    """Codes and dense columns, in turn."""
    rng = np.random.default_rng(0)
    codes = MixedRows("X", [Coded(rng.integers(0, k, FLIGHTS).astype(np.int8), k) for k in LEVELS])
    y = rng.integers(0, 2, FLIGHTS).astype(np.float64)
    chunk_sum = RowSums(LOSSES[loss](), 0.1, rng.normal(size=sum(LEVELS)), (LossAndGradient(),))
    cells = codes.whole.toarray().astype(np.float64)
    datasets = [dgd.open_dataset(X, y) for X in (codes, cells)]
    with closing(ThreadExecutor(THREADS)) as executor:
        times = [[_seconds(executor, each, chunk_sum) for each in datasets] for _ in range(PAIRS)][DROPPED:]
    own, dense = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    line = {"rows": FLIGHTS, "columns": sum(LEVELS), "loss": loss, "codes, ms": 1e3 * own, "dense, ms": 1e3 * dense}
    return {**line, "ratio": ratio, "≤ 0.3": ratio <= 0.3, "tabmat, ms": _tabmat(peer, FLIGHTS, LEVELS)}


def _fit(peer: str | None) -> dict[str, Any]:
    """A fit of dgd's, and one of glum's."""
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, k, FLIGHTS).astype(np.int8) for k in LEVELS]
    raw = sum(rng.normal(size=k)[each] for k, each in zip(LEVELS, codes, strict=True))
    y = (raw + rng.logistic(size=FLIGHTS) > 0).astype(np.float64)
    X = MixedRows("X", [Coded(each, k) for k, each in zip(LEVELS, codes, strict=True)])
    began = time.perf_counter()
    result = dgd.fit(X, y, loss="logistic", penalty=dgd.penalties.L2(1e-4), tol=1e-8, threads=THREADS)
    line = {"rows": FLIGHTS, "fit": "logistic, l2", "passes": result.n_iter_, "dgd, s": time.perf_counter() - began}
    if peer is None:
        return line
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/flights.npz"
        np.savez(place, y=y, **{f"c{k}": each for k, each in enumerate(codes)})
        subprocess.run([peer, "-c", GLUM, place], check=True, capture_output=True)
        found = np.load(place)
        difference = float(np.abs(found["coef"] - result.coef_).max())
        return {**line, "glum, s": float(found["seconds"]), "greatest difference": difference}


def _seconds(executor: ThreadExecutor, dataset: Dataset, chunk_sum: Callable[..., Any]) -> float:
    began = time.perf_counter()
    executor.sweep(dataset, chunk_sum)
    return time.perf_counter() - began


def _many_levels(rows: int, levels: int, loss: str, peer: str | None) -> dict[str, Any]:
    """A fit in a process that is allowed 2 GiB."""
    command = [sys.executable, "-c", FIT, str(rows), str(levels), loss]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    planned, peak, pace, busy = json.loads(done.stdout)
    line = {
        "rows": rows,
        "levels": 3 * levels,
        "loss": loss,
        "planned, MiB": planned / 2**20,
        "peak, MiB": peak / 2**20,
    }
    fits = {"≤ 2 GiB": peak <= LIMIT, "million rows/s": pace / 1e6, "≥ 20": pace >= 20e6, "by a busy core": busy / 1e6}
    return {**line, **fits, "tabmat, ms": _tabmat(peer, rows, (levels,) * 3)}


def _tabmat(peer: str | None, rows: int, levels: tuple[int, ...]) -> float | None:
    """Milliseconds of Xb, of squared residuals and of Xᵀr."""
    if peer is None:
        return None
    command = [peer, "-c", TABMAT, str(rows), json.dumps(levels)]
    return 1e3 * float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
