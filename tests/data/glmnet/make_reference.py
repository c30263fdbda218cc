"""What glmnet finds on ../gd/diabetes.csv: `python make_reference.py LIBRARY` writes reference.json beside it.

LIBRARY holds glmnet's own Fortran routines (elnet, lognet, fishnet): the extension module of the package python-glmnet
2.6.1, glmnet/_glmnet.*.so, whose symbols are called past its wrapper.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
STRENGTHS, RATIO, THRESHOLD, MOST = 20, 1e-4, 1e-24, 10_000_000
DIGITS = 12
ALPHAS = {"lasso": 1.0, "elastic net": 0.5, "nearly ridge": 0.05}


def data() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Columns of mean 0 and variance 1, and a target for each family."""
    table = np.loadtxt(HERE.parent / "gd" / "diabetes.csv", delimiter=",", skiprows=1)
    X, y = table[:, :-1], table[:, -1]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, {"gaussian": y, "binomial": (y > 140).astype(float), "poisson": np.floor(y / 50)}


def path(library: Any, family: str, X: np.ndarray, y: np.ndarray, alpha: float) -> dict[str, Any]:
    """Strengths, intercepts and coefficients of a path without standardisation."""
    m, n = X.shape
    x = np.asfortranarray(X.copy())
    a0, nin, levels = (np.zeros(STRENGTHS, dtype) for dtype in (float, np.int32, float))
    coef, columns = np.zeros((n, STRENGTHS), order="F"), np.zeros(n, np.int32)
    deviance, null, count, passes, error = np.zeros(STRENGTHS), np.zeros(1), *np.zeros((3, 1), np.int32)
    bounds = np.asfortranarray(np.tile([[-9.9e35], [9.9e35]], (1, n)))
    grid = np.zeros(STRENGTHS)
    common = [
        np.zeros(1, np.int32), np.ones(n), bounds, n + 1, n, STRENGTHS, RATIO, grid, THRESHOLD, 0, 1, MOST,
    ]  # fmt: skip
    found = [count, a0, coef, columns, nin]
    if family == "gaussian":
        arguments = [1, alpha, m, n, x, y.copy(), np.ones(m), *common, *found, deviance, levels, passes, error]
        routine = library.elnet_
    elif family == "binomial":
        classes = np.asfortranarray(np.column_stack([y, 1 - y]))
        offset = np.zeros((m, 1), order="F")
        arguments = [alpha, m, n, 1, x, classes, offset, *common, 0, *found, null, deviance, levels, passes, error]
        routine = library.lognet_
    else:
        arguments = [alpha, m, n, x, y.copy(), np.zeros(m), np.ones(m), *common, *found]
        arguments += [null, deviance, levels, passes, error]
        routine = library.fishnet_
    routine(*map(argument, arguments))
    assert error[0] == 0, error
    dense = np.zeros((int(count[0]), n))
    for k in range(len(dense)):
        used = columns[: nin[k]] - 1
        dense[k, used] = coef[: nin[k], k]
    levels = levels[: len(dense)]
    # glmnet gives the first strength as endless; its wrappers take it from the next two.
    levels[0] = np.exp(2 * np.log(levels[1]) - np.log(levels[2]))
    return {"strengths": rounded(levels), "intercepts": rounded(a0[: len(dense)]), "coefs": rounded(dense)}


def argument(value: Any) -> Any:
    """Fortran takes everything by its address."""
    if isinstance(value, np.ndarray):
        return value.ctypes.data_as(ctypes.c_void_p)
    return ctypes.byref(ctypes.c_int(value) if isinstance(value, int) else ctypes.c_double(value))


def rounded(values: np.ndarray) -> Any:
    return np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"))(values).tolist()


def main(library: str) -> None:
    """Write reference.json."""
    glmnet = ctypes.CDLL(library)
    # Go on to the last strength, however little the deviance changes.
    glmnet.chg_fract_dev_(argument(0.0))
    glmnet.chg_dev_max_(argument(0.999999))
    X, targets = data()
    found = {
        f"{family} {name}": {"alpha": alpha, **path(glmnet, family, X, y, alpha)}
        for family, y in targets.items()
        for name, alpha in ALPHAS.items()
    }
    (HERE / "reference.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
