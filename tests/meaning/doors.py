"""Every door that data come through: what it gives for one format, held to the naive numbers."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dgd
from dgd.errors import DgdError
from tests.meaning.formats import Data
from tests.meaning.visit import L2, Visit

WORKS, NOTHING = "ok", "–"
DOORS: dict[str, Callable[[Visit], str]] = {}


class WrongNumber(AssertionError):
    """A door that opens, and gives another number."""


def door(name: str) -> Callable[[Callable[[Visit], str]], Callable[[Visit], str]]:
    """Adds a door."""

    def added(enter: Callable[[Visit], str]) -> Callable[[Visit], str]:
        DOORS[name] = enter
        return enter

    return added


def same(found: Any, expected: np.ndarray, what: str, tolerance: float = 1e-6) -> str:
    """`ok`, or WrongNumber with the largest difference."""
    found = np.asarray(found)
    if found.dtype.kind in "US":
        agrees = found.shape == expected.shape and bool((found == expected).all())
    else:
        agrees = found.shape == expected.shape and np.allclose(
            found, expected, rtol=tolerance, atol=tolerance, equal_nan=True
        )
    if not agrees:
        raise WrongNumber(f"{what} {found.ravel()[:4]}, expected {np.ravel(expected)[:4]}")
    return WORKS


def enter(name: str, visit: Visit) -> str:
    """What one door gives: `ok`, `refused: …` with the sentence, `WRONG …`, `crash …`, or nothing to try."""
    if name in PATH_DOORS and visit.data.path is None:
        return NOTHING
    if name in OBJECT_DOORS and visit.data.objects is None:
        return NOTHING
    try:
        return DOORS[name](visit)
    except WrongNumber as error:
        return f"WRONG {error}"
    except DgdError as error:
        sentence = " ".join(str(error).split())
        return f"{'refused' if has_way_out(sentence) else 'NO WAY OUT'}: {sentence}"
    except Exception as error:  # whatever else comes out of a door is a finding
        return f"crash {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def has_way_out(sentence: str) -> bool:
    """Whether a refusal says what to do: dgd's sentences put that after a semicolon."""
    return "; " in sentence


def is_right(name: str, data: Data, cell: str) -> bool:
    """Whether a cell is as it should be: right numbers, nothing to try, or a refusal that is expected."""
    words = data.refused.get(name, data.refused.get("path") if name in PATH_DOORS else None)
    return cell in (WORKS, NOTHING) if words is None else cell.startswith("refused") and words in cell


def tolerance_of(visit: Visit) -> float:
    """Two solvers of a softmax regression agree to less than a sum of squares."""
    return 1e-4 if visit.data.classes else 1e-6


@door("fit, path")
def fit_path(visit: Visit) -> str:
    return same(visit.by_path(dgd.fit, **visit.method).theta, visit.theta, "θ", tolerance_of(visit))


@door("fit, object")
def fit_object(visit: Visit) -> str:
    return same(visit.by_object(dgd.fit, **visit.method).theta, visit.theta, "θ", tolerance_of(visit))


def expected_predictions(visit: Visit) -> np.ndarray:
    """Of each row; NaN or "" where X has a missing cell."""
    X = visit.data.X
    whole = ~np.isnan(X).any(axis=1)
    theta = visit.theta.reshape(X.shape[1] + 1, -1)
    raw = X[whole] @ theta[1:] + theta[0]
    if visit.data.classes:
        labels = np.array(visit.model.classes)[raw.argmax(axis=1)]
        out = np.full(len(X), "", labels.dtype)
        out[whole] = labels
        return out
    numbers = np.full(len(X), np.nan)
    numbers[whole] = raw[:, 0]
    return numbers


def without_target(named: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in named.items() if key != "y"}


@door("predict, path")
def predict_path(visit: Visit) -> str:
    found = dgd.predict(visit.model, visit.data.path, **without_target(visit.data.named))
    return same(found, expected_predictions(visit), "predicted")


@door("predict, object")
def predict_object(visit: Visit) -> str:
    assert visit.data.objects is not None
    found = dgd.predict(visit.model, visit.data.objects[0], **visit.data.reading)
    return same(found, expected_predictions(visit), "predicted")


@door("predict_to")
def predict_to(visit: Visit) -> str:
    import xarray as xr
    import zarr

    out = visit.folder / "predicted.zarr"
    data = visit.data
    X, named = (data.path, without_target(data.named)) if data.objects is None else (data.objects[0], data.reading)
    dgd.predict_to(visit.model, X, out, overwrite=True, **named)
    with xr.open_zarr(out, consolidated=False) if is_group(out) else xr.Dataset() as ds:
        found = next(iter(ds.data_vars.values())).values if ds.data_vars else np.asarray(zarr.open_array(out)[:])
    return same(found.ravel(), expected_predictions(visit), "predicted")


def is_group(path: Path) -> bool:
    """Whether a store holds named arrays."""
    import zarr

    return isinstance(zarr.open(path, mode="r"), zarr.Group)


def expected_score(visit: Visit) -> float:
    data = visit.data
    if data.classes:
        from sklearn.metrics import log_loss

        raw = data.X[data.complete] @ visit.theta[1:] + visit.theta[0]
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        return float(log_loss(data.y[data.complete], odds / odds.sum(axis=1, keepdims=True)))
    residual = (data.y - expected_predictions(visit))[data.complete]
    return float(np.mean(residual**2))


def compared_score(visit: Visit, found: Any) -> str:
    value = found.log_loss if visit.data.classes else found.mse
    return same(value, np.asarray(expected_score(visit)), "score", 1e-4 if visit.data.classes else 1e-6)


@door("score, path")
def score_path(visit: Visit) -> str:
    return compared_score(visit, visit.by_path(lambda *given, **named: dgd.score(visit.model, *given, **named)))


@door("score, object")
def score_object(visit: Visit) -> str:
    return compared_score(visit, visit.by_object(lambda *given, **named: dgd.score(visit.model, *given, **named)))


@door("plan")
def plan(visit: Visit) -> str:
    call = visit.by_path if visit.data.objects is None else visit.by_object
    return WORKS if call(dgd.plan, **visit.method).fits else "WRONG it does not fit"


@door("info")
def info(visit: Visit) -> str:
    options = {key: visit.data.named[key] for key in ("storage_options",) if key in visit.data.named}
    table = dgd.info(visit.data.path, **options).table()
    return WORKS if table.strip() else "WRONG nothing is said"


def in_the_shell(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `dgd` with these words, in this process."""
    from dgd.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def said(code: int, err: str) -> str:
    """A refusal in the shell, or a crash."""
    sentence = " ".join(err.split("error:")[-1].split())
    if code in (2, 3) and "Traceback" not in err:
        return f"{'refused' if has_way_out(sentence) else 'NO WAY OUT'}: {sentence}"
    return f"crash exit {code}: {err[-300:]}"


@door("CLI fit")
def cli_fit(visit: Visit) -> str:
    method = ["--loss", "softmax", "--l2", str(L2)] if visit.data.classes else []
    place = os.fspath(visit.data.path)
    code, out, err = in_the_shell("fit", place, *visit.options, *method, "--json", "--quiet")
    return said(code, err) if code else same(json.loads(out)["theta"], visit.theta, "θ", tolerance_of(visit))


@door("CLI score")
def cli_score(visit: Visit) -> str:
    model = visit.folder / "m.dgd"
    visit.model.save(model, overwrite=True)
    code, out, err = in_the_shell("score", str(model), os.fspath(visit.data.path), *visit.options, "--json")
    if code:
        return said(code, err)
    found = json.loads(out)["log_loss" if visit.data.classes else "mse"]
    return same(found, np.asarray(expected_score(visit)), "score", 1e-4)


@door("cluster")
def cluster(visit: Visit) -> str:
    if visit.client is None:
        return NOTHING
    call = visit.by_path if visit.data.objects is None else visit.by_object
    alone = call(dgd.fit, threads=1, **visit.method).theta
    spread = call(dgd.fit, client=visit.client, **visit.method).theta
    if spread.tobytes() != alone.tobytes():
        raise WrongNumber(f"θ on a cluster {spread.ravel()[:4]}, on a thread {alone.ravel()[:4]}")
    return same(spread, visit.theta, "θ", tolerance_of(visit))


@door("estimator")
def estimator(visit: Visit) -> str:
    from dgd.estimators import LinearRegression, LogisticRegression
    from dgd.estimators.design import ZarrDesign

    data = visit.data
    rows = int(data.complete.sum())
    kind: Any = LogisticRegression(C=1 / (L2 * rows), tol=1e-10) if data.classes else LinearRegression()
    if data.objects is None or data.reading:
        X, y = (data.path, None) if data.objects is None else data.objects
        named = data.named if data.objects is None else data.reading
        given: tuple[Any, ...] = (ZarrDesign(X, **({} if y is None else {"y": y}), **named),)
    else:
        given = tuple(each for each in data.objects if each is not None)
    kind.fit(*given)
    found = np.column_stack([np.atleast_1d(kind.intercept_), np.atleast_2d(kind.coef_)])
    return same(found.T.reshape(visit.theta.shape), visit.theta, "θ", tolerance_of(visit))


PATH_DOORS = {"fit, path", "predict, path", "score, path", "info", "CLI fit", "CLI score"}
OBJECT_DOORS = {"fit, object", "predict, object", "score, object"}
