"""Strengths and bounds for each class, and of the intercept: equal to SciPy's L-BFGS-B, from every solver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import dgd
from dgd.errors import ConfigurationError
from dgd.losses import LOSSES, Softmax
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative
from dgd.penalties.separable import Separable

RNG = np.random.default_rng(17)
X = RNG.normal(size=(300, 3)) * [1, 3, 0.5] + [0, 2, -1]
ETA = np.c_[0.5 + X @ [1, 0.2, 0], X @ [0, -0.3, 1.0], 0 * X[:, 0]]
CLASSES = np.argmax(ETA + RNG.gumbel(size=(300, 3)), axis=1)
TWO = (ETA[:, 0] + RNG.logistic(size=300) > 0).astype(float)
NUMBERS = ETA[:, :2] + 0.3 * RNG.normal(size=(300, 2))
COUNTS = RNG.poisson(np.exp(0.3 * ETA[:, 0])).astype(float)


def by_scipy(loss: Any, y: np.ndarray, penalty: Separable, outputs: int | None) -> tuple[np.ndarray, float]:
    """θ and F, with b = b⁺ − b⁻ where there is an l1."""
    n, q = X.shape[1], outputs or 1
    own = penalty.intercept or Separable()
    rows = {}
    for name in ("lower", "upper", "l1", "l2"):
        whole = np.empty((n + 1, q))
        whole[0] = getattr(own, name)
        given = np.asarray(getattr(penalty, name))
        whole[1:] = given.T if given.ndim == 2 else np.reshape(given, (-1, 1))
        rows[name] = whole
    design = np.c_[np.ones(len(X)), X]
    shape = (n + 1,) if outputs is None else (n + 1, q)
    target = loss.encode(y, np.dtype(np.float64))

    def value(parts: np.ndarray) -> tuple[float, np.ndarray]:
        up, down = parts.reshape(2, n + 1, q)
        theta = up - down
        raw = design @ theta.reshape(shape)
        each, slope = loss.value_and_derivative(raw, target)
        gradient = loss.gradient_scale * (design.T @ slope).reshape(n + 1, q) / len(X) + rows["l2"] * theta
        F = each.mean() + (rows["l1"] * (up + down)).sum() + 0.5 * (rows["l2"] * theta**2).sum()
        return F, np.concatenate([(gradient + rows["l1"]).ravel(), (rows["l1"] - gradient).ravel()])

    limits = [(max(lo, 0.0), max(hi, 0.0)) for lo, hi in zip(rows["lower"].ravel(), rows["upper"].ravel(), strict=True)]
    limits += [
        (max(-hi, 0.0), max(-lo, 0.0)) for lo, hi in zip(rows["lower"].ravel(), rows["upper"].ravel(), strict=True)
    ]
    found = minimize(
        value,
        np.zeros(2 * (n + 1) * q),
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 40},
    )
    up, down = found.x.reshape(2, n + 1, q)
    return (up - down).reshape(shape), float(found.fun)


LOWER = np.array([[0.0, -0.1, -np.inf], [-1, -1, -1], [-0.2, -0.2, -np.inf]])
CASES: dict[str, tuple[str, np.ndarray, Separable, int | None]] = {
    "bounds by class": ("softmax", CLASSES, Box(lower=LOWER, upper=[[0.3, 0.5, np.inf]] * 3), 3),
    "strengths by class": ("softmax", CLASSES, L2(np.array([[0.1], [0.01], [1.0]])), 3),
    "lasso by class": (
        "softmax",
        CLASSES,
        ElasticNet(l1=0.02 * (np.ones((3, 3))), l2=np.abs(LOWER).clip(0, 1) * 0.1),
        3,
    ),
    "bounds of each intercept": ("softmax", CLASSES, Box(lower=-0.5, intercept=Box(lower=[-0.1, 0, -1], upper=0.2)), 3),
    "all": ("softmax", CLASSES, Box(lower=LOWER, l1=0.01, l2=0.1, intercept=Box(lower=-0.2, upper=0.2, l2=0.3)), 3),
    "intercept bound": ("logistic", TWO, Box(upper=0.7, intercept=Box(upper=0.1)), None),
    "intercept ridge": ("logistic", TWO, L2(0.05, intercept=L2(0.5)), None),
    "intercept lasso": ("poisson", COUNTS, L1(0.02, intercept=L1(0.05)), None),
    "non-negative intercept": ("squared", NUMBERS[:, 0], NonNegative(intercept=NonNegative(l1=0.1)), None),
    "ridge by target": ("squared", NUMBERS, L2(np.array([[0.1, 0.0, 1.0], [3.0, 0.2, 0.0]])), 2),
    "bounds by target": ("squared", NUMBERS, Box(lower=np.array([[0.0], [-0.1]]), intercept=Box(lower=[0.3, -1])), 2),
    "huber": ("huber", NUMBERS[:, 0], L2(0.1, intercept=L2(1.0)), None),
}


@pytest.mark.parametrize("solver", ["auto", "newton", "fista", "lbfgs"])
@pytest.mark.parametrize("case", CASES)
def test_the_minimum_of_scipy(case: str, solver: str) -> None:
    name, y, penalty, outputs = CASES[case]
    loss = Softmax(3) if name == "softmax" else LOSSES[name]()
    if (solver == "lbfgs" and not penalty.is_smooth) or (solver == "fista" and penalty.is_smooth):
        return
    expected, least = by_scipy(loss, y, penalty, outputs)
    found = dgd.fit(X, y, loss=loss, penalty=penalty, solver=solver, max_iter=5000)
    assert found.converged
    assert found.loss <= least + 1e-9 * abs(least)
    if name == "softmax":  # all classes may be shifted, as far as bounds let them: the probabilities are the same
        design = np.c_[np.ones(len(X)), X]
        np.testing.assert_allclose(loss.response(design @ found.theta), loss.response(design @ expected), atol=1e-4)
    else:
        np.testing.assert_allclose(found.theta, expected, atol=2e-5)
    low = np.broadcast_to((penalty.intercept or Separable()).lower, np.shape(found.intercept_))
    assert (np.asarray(found.intercept_) >= low).all()
    assert (found.coef_ >= np.asarray(penalty.lower)).all()
    assert (found.coef_ <= np.asarray(penalty.upper)).all()


def test_what_is_the_same_for_all_classes_is_one_number() -> None:
    for one, each in (
        (Box(lower=-0.2, l2=0.1), Box(lower=np.full((3, 3), -0.2), l2=np.full((3, 1), 0.1))),
        (L2(0.3), L2(np.full((3, 3), 0.3))),
    ):
        found = [dgd.fit(X, CLASSES, loss="softmax", penalty=penalty) for penalty in (one, each)]
        np.testing.assert_allclose(found[0].theta, found[1].theta, atol=1e-9)


@pytest.mark.parametrize("solver", ["auto", "lbfgs", "fista"])
def test_bits_by_threads_and_after_a_checkpoint(solver: str, tmp_path: Path) -> None:
    penalty = L2(np.array([[0.1], [0.01], [1.0]]), intercept=L2(0.1))
    if solver == "fista":
        penalty = Box(lower=LOWER, intercept=Box(upper=0.1))  # type: ignore[assignment]
    common: dict[str, Any] = {"loss": Softmax(3), "penalty": penalty, "solver": solver}
    found = [dgd.fit(X, CLASSES, threads=threads, **common).theta for threads in (1, 2)]
    assert (found[0] == found[1]).all()
    dgd.fit(X, CLASSES, checkpoint=tmp_path / "a", checkpoint_every="pass", max_iter=2, **common)
    resumed = dgd.resume(tmp_path / "a", data=X, y=CLASSES, max_iter=5000)
    assert (resumed.theta == found[0]).all()


@pytest.mark.parametrize(
    ("penalty", "options", "message"),
    [
        (Box(lower=np.zeros((2, 3))), {}, r"got shape \(2, 3\)"),
        (L2(np.zeros((3, 2))), {}, r"\(3, 3\) or \(3, 1\), got shape \(3, 2\)"),
        (Box(intercept=Box(lower=[0.0, 1.0])), {}, r"one for each output or class: 3 here"),
        (L2(0.1, intercept=L2(0.1)), {"fit_intercept": False}, r"needs an intercept, and fit_intercept=False has none"),
        (L2(0.1, intercept=L2(0.1)), {"loss": "squared", "solver": "summary"}, r"use solver='newton'"),
    ],
)
def test_what_does_not_go_together_is_refused(penalty: Any, options: dict[str, Any], message: str) -> None:
    y = NUMBERS[:, 0] if options.get("loss") == "squared" else CLASSES
    with pytest.raises(ConfigurationError, match=message):
        dgd.fit(X, y, **{"loss": "softmax", "penalty": penalty, **options})


def test_wrong_arguments_are_refused_with_the_class() -> None:
    with pytest.raises(ConfigurationError, match=r"0.5 > 0.1 for feature 1 of output 2 \(counted from 0\)"):
        Box(lower=[[0, 0.0]] * 2 + [[0, 0.5]], upper=0.1)
    with pytest.raises(ConfigurationError, match=r"-1.0 for feature 0 of output 1"):
        L2([[0.0], [-1.0]])
    with pytest.raises(ConfigurationError, match=r"`L2\(intercept=...\)` must be a penalty"):
        L2(0.1, intercept=0.1)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"for a path or a summary give a list"):
        dgd.path(X, CLASSES, loss="softmax", penalty=[L2(np.ones((3, 1)))])
    assert repr(L2(0.1, intercept=Box(lower=0))) == "L2(l2=0.1, intercept=Box(lower=0.0, upper=inf, l1=0.0, l2=0.0))"
