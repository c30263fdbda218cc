"""A short run of the judge: fixed seeds, none of them wrong; and the judge itself finds what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dgd
from tests.judge.problems import problem
from tests.judge.verdict import judge, worth

BAD = {"wrong", "crashed", "not ended", "bounds violated", "refused"}


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(20, 120, 20))])
def test_no_fit_is_silently_wrong(first: int) -> None:
    bad = {seed: found for seed in range(first, first + 20) if (found := judge(problem(seed)))[0] in BAD}
    assert not bad


@pytest.mark.slow
def test_most_fits_converge() -> None:
    verdicts = [judge(problem(seed))[0] for seed in range(300, 320)]
    assert verdicts.count("converged") >= 15


@pytest.mark.each(5)
@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "poisson", "softmax"])
def test_a_small_error_of_a_coefficient_or_of_the_intercept_is_found(loss: str) -> None:
    found = 0
    for seed in range(400):
        one = problem(seed)
        if one.loss != loss or np.isfinite(one.strengths[2:]).any() or not one.options["fit_intercept"]:
            continue
        result = one.fit()
        if not result.converged or worth(one, result):
            continue
        model = replace(result.model, coef=result.model.coef * 1.01)
        if worth(one, replace(result, model=model)):
            found += 1
        if found == 3:
            return
    raise AssertionError(f"{found} of 3 spoilt fits were found")


def test_a_problem_says_what_it_is() -> None:
    text = str(problem(0))
    assert "solver" in text
    assert isinstance(problem(0).fit(), dgd.Result)


@pytest.mark.parametrize("seed", [2521, 3546, 21041, 21384, 21392, 21781, 23122, 24003, 26914])
def test_seeds_that_once_were_wrong(seed: int) -> None:
    assert judge(problem(seed))[0] not in BAD
