"""A million targets × 1,000 rows × 20 columns in 512 MiB, beside a bare loop of NumPy over the same panels.

python -m pytest -m slow tests/panels/test_fit_to_scale.py -n0 -s
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

ROWS, TARGETS, FEATURES, CHUNK = 1000, 10**6, 20, 1000
LIMIT = 512 * 2**20

DGD = """
import json, sys, time
import dgd
from dgd.passes.memory import peak_bytes
began = time.perf_counter()
where = dgd.Execution(threads=2, memory_limit=int(sys.argv[3]))
found = dgd.fit_to(sys.argv[1], sys.argv[2], execution=where, **json.loads(sys.argv[4]))
print(json.dumps({"seconds": time.perf_counter() - began, "peak": peak_bytes(), "planned": found.plan.memory_bytes,
                  "y_reads": found.plan.y_reads, "x_reads": found.plan.x_reads, "panels": found.plan.panels}))
"""
NUMPY = """
import json, sys, time
import numpy as np, zarr
from dgd.passes.memory import peak_bytes
began = time.perf_counter()
data, wide = zarr.open_group(sys.argv[1], mode="r"), 10_000
X, y = data["X"][:], data["y"]
centred = X - X.mean(axis=0)
inverse = np.linalg.inv(centred.T @ centred) @ centred.T
out, q = zarr.create_group(sys.argv[2]), y.shape[1]
whole = {"dtype": "f8", "compressors": None}
coef = out.create_array("coef", shape=(q, X.shape[1]), chunks=(wide, X.shape[1]), **whole)
intercept, r2 = (out.create_array(name, shape=(q,), chunks=(wide,), **whole) for name in ("intercept", "r2"))
for k in range(0, q, wide):
    values = y[:, k : k + wide].astype(float)
    level = values.mean(axis=0)
    values -= level
    b = inverse @ values
    left = values - centred @ b
    coef[k : k + wide], intercept[k : k + wide] = b.T, level - X.mean(axis=0) @ b
    r2[k : k + wide] = 1 - (left * left).sum(axis=0) / (values * values).sum(axis=0)
print(json.dumps({"seconds": time.perf_counter() - began, "peak": peak_bytes()}))
"""


def run(program: str, *arguments: Any) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_targets_in_half_a_gibibyte(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, FEATURES))
    for name, chunks in {"columns": (ROWS, CHUNK), "rows": (1, TARGETS)}.items():
        group = zarr.create_group(tmp_path / f"{name}.zarr")
        group.create_array("X", data=X, chunks=(ROWS, FEATURES))
        group.create_array("y", shape=(ROWS, TARGETS), chunks=chunks, dtype="f4", compressors=None)
    columns = zarr.open_group(tmp_path / "columns.zarr")["y"]
    slopes = rng.normal(size=(FEATURES, TARGETS)).astype("f4")
    for k in range(0, TARGETS, 10 * CHUNK):
        noise = rng.normal(size=(ROWS, 10 * CHUNK)).astype("f4")
        columns[:, k : k + 10 * CHUNK] = X.astype("f4") @ slopes[:, k : k + 10 * CHUNK] + noise + 280
    rows = zarr.open_group(tmp_path / "rows.zarr")["y"]
    for k in range(ROWS):
        rows[k] = X[k].astype("f4") @ slopes + 280
    bare = run(NUMPY, tmp_path / "columns.zarr", tmp_path / "bare.zarr")
    print(f"\nNumPy, columns    {bare['seconds']:6.1f} s  {bare['peak'] / 2**20:5.0f} MiB")
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("columns", "columns", {}),
        ("columns", "gcv", {"strengths": np.logspace(-3, 1, 9).tolist()}),
        ("rows", "rows", {}),
    ]
    for name, out, options in cases:
        found = run(DGD, tmp_path / f"{name}.zarr", tmp_path / f"{out}-out.zarr", LIMIT, json.dumps(options))
        print(f"dgd, {out:<12} {found}")
        assert found["peak"] <= found["planned"] <= LIMIT
        assert found["x_reads"] == 1
        assert name == "rows" or found["y_reads"] == 1
    results = [zarr.open_group(tmp_path / f"{name}.zarr", mode="r") for name in ("bare", "columns-out")]
    for name, most in {"coef": 1e-12, "intercept": 1e-10, "r2": 1e-12}.items():
        one, other = (each[name][:] for each in results)
        assert np.abs(one - other).max() < most
