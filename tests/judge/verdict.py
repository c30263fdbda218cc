"""What a fit is worth: converged, wrong, honest about not having converged, refused, crashed, or not ended."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import dgd
from dgd.errors import DgdError
from tests.judge.arithmetic import LONG, best_constant, derivative, least_subgradient, second
from tests.judge.problems import Problem

SECONDS, IDLE = 30, 3
ALLOWED = 1e-5
"""The gradient that a converged fit may have, as a part of the null model's; or 1000 · tol, if that is more."""
EPS = float(np.finfo(np.float64).eps)
DELTA = 1.35
MOST_CONDITION = 1e8


def judge(problem: Problem) -> tuple[str, str]:
    """A verdict, and why."""
    try:
        with alarm(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error")
            result = problem.fit()
    except DgdError as error:
        return "refused", f"{type(error).__name__}: {error}"
    except TimeoutError:
        return "not ended", f"after {SECONDS} s of CPU, or {IDLE * SECONDS} s"
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"
    _, _, lower, upper = problem.strengths
    if not ((result.coef_ >= lower) & (result.coef_ <= upper)).all():
        return "bounds violated", str(result.coef_)
    if not result.converged:
        return result.status.name.lower(), result.message
    found = worth(problem, result)
    return ("wrong", found) if found else ("converged", "")


def worth(problem: Problem, result: dgd.Result) -> str:
    """Why it is no minimum; nothing if it is one."""
    loss, y = problem.loss, problem.y.astype(LONG)
    X = problem.X.astype(LONG)
    w = np.ones(len(X), LONG) if problem.w is None else problem.w.astype(LONG)
    intercept = problem.options["fit_intercept"]
    mean = (w[:, None] * X).sum(axis=0) / w.sum() if intercept else np.zeros(X.shape[1], LONG)
    C = X - mean
    scale = np.sqrt((w[:, None] * C * C).sum(axis=0) / w.sum())
    live = scale > 0
    if intercept and problem.strengths[2] <= 0 <= problem.strengths[3] and np.any(result.coef_.T[~live]):
        return f"a constant column has the coefficient {result.coef_.T[~live]}"
    C, scale = C[:, live] / scale[live], scale[live]
    coef = result.coef_.T.astype(LONG)
    idle = mean[~live] @ coef[~live]
    b = coef[live]
    shape = (len(X), *coef.shape[1:])
    z = b * (scale if b.ndim == 1 else scale[:, None])
    level = np.asarray(result.intercept_, LONG) + mean[live] @ b + idle
    norms = []
    for part in (0 * z, z):
        eta = C @ part if C.shape[1] else np.zeros(shape, LONG)
        constant: Any = 0
        if intercept:
            constant = best_constant(loss, eta, y, w, DELTA, level)
        r = derivative(loss, eta + constant, y, DELTA)
        wr = (r.T * w).T
        gradient = (C.T @ wr) / w.sum()
        l1, l2, lower, upper = problem.strengths
        s = scale if b.ndim == 1 else scale[:, None]
        # Measured where the columns, with the ridge below them, have curvature one.
        slope = least_subgradient(part / s, gradient * s, l1, l2, lower, upper) / np.sqrt(s * s + l2)
        norms.append(float(np.sqrt((slope * slope).sum())))
        size = float(np.sqrt((wr * wr).sum() * len(X)) / w.sum()) * np.sqrt(z.size + 1)
        curvature = float((w * second(loss, eta + constant, y, DELTA).reshape(len(X), -1).max(axis=1)).max() / w.mean())
        floor = EPS * (64 * size + 8 * curvature * float(abs(part).sum() * np.sqrt(max(z.size, 1))))
    allowed = max(ALLOWED, 1000 * problem.options.get("tol", 1e-12)) * norms[0] + floor
    if norms[1] > allowed:
        return f"gradient {norms[1]:.2e}, null {norms[0]:.2e}, allowed {allowed:.2e}"
    if intercept and loss != "softmax":
        spread = float(np.sqrt((w * (eta + constant - level) ** 2).sum() / w.sum()))
        rounding = 8 * EPS * float(abs(mean[live] * b).sum() + abs(np.asarray(result.intercept_, LONG)).max())
        unit = float(np.std(y.astype(float))) if loss in ("squared", "huber") else 1.0
        off = abs(float(constant - level))
        # Where the loss is next to nothing, so is its slope: no `tol` tells one intercept from another.
        if (
            off * curvature > allowed
            and off > max(1e-4, 1e4 * problem.options.get("tol", 0.0)) * max(unit, spread) + rounding
        ):
            return f"the intercept is {off:.2e} off, for a rounding of {rounding:.2e}"
    if loss == "squared" and result.certificate is not None and not np.isfinite(problem.strengths[2:]).any():
        distance = _distance(C, y, w, z, scale, problem.strengths, centred=intercept)
        if distance is not None and distance > result.certificate.distance * (1 + 1e-6) + 1e-300:
            return f"the certificate says {result.certificate.distance:.3e}, and the distance is {distance:.3e}"
    return ""


def _distance(C: Any, y: Any, w: Any, z: Any, scale: Any, strengths: Any, *, centred: bool) -> float | None:
    """‖b − b*‖, by refining z in long double; None where the columns are too nearly dependent, or there is an l1."""
    l1, l2, _, _ = strengths
    if l1 or z.ndim != 1 or not z.size:
        return None
    H = 2 * (C.T * w) @ C / w.sum() + np.diag(l2 / scale**2)
    H64 = H.astype(float)
    if np.linalg.cond(H64) > MOST_CONDITION:
        return None
    best = z.copy()
    # Exact, while y of 1e9 less η of 1 would keep 1e-10 of long double's digits.
    y = y - y[0] if centred else y
    for _ in range(30):
        r = C @ best - y
        r = r - (w * r).sum() / w.sum() if centred else r
        slope = 2 * C.T @ (w * r) / w.sum() + l2 * best / scale**2
        best = best - np.linalg.solve(H64, slope.astype(float)).astype(LONG)
    return float(np.sqrt((((z - best) / scale) ** 2).sum()))


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after so many seconds of CPU, however loaded the machine is, or `IDLE` times as many."""

    def ring(*_: object) -> None:
        raise TimeoutError

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, IDLE * seconds))
    before = [signal.signal(number, ring) for _, number, _ in timers]
    for timer, _, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
