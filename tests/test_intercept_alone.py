"""Fits of an intercept alone: the best constant of each loss, in closed form where there is one, by any door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import dgd
from dgd.errors import ConfigurationError, SchemaError
from dgd.losses import LOSSES

RNG = np.random.default_rng(0)
AMOUNT = np.exp(RNG.normal(size=90))
COUNT = RNG.poisson(2, size=90).astype(float)
SIGN = (AMOUNT > 1.2).astype(float)
NOTHING = np.zeros((90, 0))
TARGETS: dict[str, np.ndarray] = {
    **dict.fromkeys(("logistic", "probit", "cloglog", "squared_hinge"), SIGN),
    **dict.fromkeys(("poisson", "negative_binomial", "tweedie"), COUNT),
    "softmax": RNG.integers(0, 3, 90),
    "binomial": np.c_[COUNT, SIGN + 1],
}


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs", "gd", "nesterov"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_best_constant(name: str, solver: str) -> None:
    y = TARGETS.get(name, AMOUNT)
    found = dgd.fit(NOTHING, y, loss=name, solver=solver)
    column = dgd.fit(np.ones((90, 1)), y, loss=name)
    # Of the inverse Gaussian rounding may hide the last bit of a descent.
    assert found.converged or (name == "inverse_gaussian" and found.status.name == "STALLED")
    assert found.coef_.shape == ((3, 0) if name == "softmax" else (0,))
    assert found.loss == pytest.approx(column.loss, rel=1e-9)
    y, loss = found.model.loss_itself.encode(np.asarray(y), np.dtype(np.float64)), found.model.loss_itself
    mean = np.bincount(y.astype(int)) / 90 if name == "softmax" else y.mean(axis=0)
    null = loss.null_value(mean, y.var(axis=0))
    assert np.isnan(null) or found.loss == pytest.approx(null, rel=1e-9)


def test_closed_forms_with_weights_and_offsets() -> None:
    weight, offset = COUNT + 1, 0.3 * AMOUNT
    found = dgd.fit(NOTHING, COUNT, loss="poisson", weight=weight, offset=offset)
    expected = np.log((weight * COUNT).sum() / (weight * np.exp(offset)).sum())
    assert found.intercept_ == pytest.approx(expected, rel=1e-10)
    mean = dgd.fit(NOTHING, np.c_[AMOUNT, COUNT], weight=weight)
    np.testing.assert_allclose(mean.intercept_, [np.average(AMOUNT, weights=weight), np.average(COUNT, weights=weight)])
    assert dgd.summarize(NOTHING, COUNT).fit().intercept_ == pytest.approx(COUNT.mean())


def test_everything_that_a_result_is_asked_for(tmp_path: Path) -> None:
    found = dgd.fit(NOTHING, COUNT, loss="poisson")
    assert "intercept" in found.summary()
    inference = found.inference()
    assert inference.standard_errors[0] == pytest.approx(1 / np.sqrt(COUNT.sum()), rel=1e-9)  # of log μ
    found.model.save(tmp_path / "a.dgd")
    model = dgd.load_model(tmp_path / "a.dgd")
    np.testing.assert_allclose(dgd.predict(model, NOTHING), np.full(90, COUNT.mean()), rtol=1e-12)
    assert dgd.score(model, NOTHING, COUNT).d2 == pytest.approx(0, abs=1e-12)
    assert dgd.plan(NOTHING, COUNT, loss="poisson").features == 0
    squared = dgd.fit(NOTHING, AMOUNT).inference()
    assert squared.standard_errors[0] == pytest.approx(AMOUNT.std(ddof=1) / np.sqrt(90), rel=1e-9)


def test_a_formula_of_1() -> None:
    table = pandas.DataFrame({"y": COUNT, "a": AMOUNT})
    found = dgd.fit(table, design="y ~ 1", loss="poisson")
    assert found.intercept_ == pytest.approx(np.log(COUNT.mean()), rel=1e-10)
    np.testing.assert_allclose(dgd.predict(found.model, table), np.full(90, COUNT.mean()))


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"fit_intercept=False leaves nothing to fit"):
        dgd.fit(NOTHING, COUNT, fit_intercept=False)
    with pytest.raises(SchemaError, match="no rows"):
        dgd.fit(np.zeros((0, 0)), np.zeros(0))


def test_bits_by_threads() -> None:
    arguments: dict[str, Any] = {"loss": "logistic", "weight": COUNT + 1}
    found = [dgd.fit(NOTHING, SIGN, threads=threads, **arguments).theta for threads in (1, 2)]
    assert (found[0] == found[1]).all()
