"""Families of problems that no method was tuned on: what they say of their rows, and the passes that they take."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import families, passes, sklearnex, tol
from benchmarks._conditioned import CONDITIONED, ORDERED, correlated

from tests.families import FAMILIES, TABLES
from tests.families.family import Family

NAMES = [family.name for family in FAMILIES]
ROWS = 3_000


@pytest.mark.each(4)
@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_auto_needs_few_passes(family: Family) -> None:
    ((_, rows),) = families.problems([family], 1, rows=ROWS)
    count = families.fit(family, rows)
    reached = count.to(1e-8)
    assert count.converged
    assert reached is not None
    assert reached <= 30, count.said
    assert 1 <= count.hessians_to(1e-8) <= reached


def test_a_seed_makes_the_same_rows_again() -> None:
    for family in FAMILIES[:3]:
        first, again = (family.rows_of(np.random.default_rng(3), 500) for _ in range(2))
        np.testing.assert_array_equal(first.X, again.X)
        np.testing.assert_array_equal(first.y, again.y)


def test_names_are_those_of_one_family() -> None:
    every = [*NAMES, *(table.name for table in TABLES)]
    assert len(set(every)) == len(every)
    assert len(FAMILIES) >= 10


@pytest.mark.parametrize("condition", [1e2, 1e6])
def test_correlations_have_the_condition_that_is_asked_for(condition: float) -> None:
    B = correlated(np.random.default_rng(0), 12, condition)
    R = B.T @ B
    np.testing.assert_allclose(np.diag(R), 1, rtol=1e-9)
    assert np.linalg.cond(R) == pytest.approx(condition, rel=1e-4)


def test_passes_are_counted_to_each_part_of_the_gradient() -> None:
    auto, newton, lbfgs = passes.rows_of(CONDITIONED[0], 40, rows=2_000)
    assert auto["solver"].startswith("auto: ")
    assert 3 <= newton["to 1e-6"] <= newton["to 1e-8"] <= newton["to 1e-12"] == newton["H"]
    assert lbfgs["to 1e-6"] == "> 40"
    assert lbfgs["H"] == 0


def test_sorted_rows_are_the_shuffled_ones_in_order() -> None:
    shuffled, by_column, by_label = (case.rows_of(500) for case in ORDERED[:3])
    assert (np.diff(by_column[0][:, 0]) >= 0).all()
    assert (np.diff(by_label[1]) >= 0).all()
    np.testing.assert_array_equal(np.sort(by_label[0], axis=0), np.sort(shuffled[0], axis=0))


def test_a_smaller_tol_brings_digits_where_the_gradient_alone_decides() -> None:
    (problem,) = (each for each in tol.PROBLEMS if each.loss == "quantile")
    found = tol.row(problem, rows=1_000)
    passes_of, digits_of = zip(*(found[f"{each:g}"].rstrip(")").split(" (") for each in tol.TOLS), strict=True)
    assert np.all(np.diff([int(each) for each in passes_of]) > 0)
    assert np.all(np.diff([float(each) for each in digits_of]) > 0.5)
    assert float(digits_of[-1]) >= 7


def test_by_newton_the_step_decides_whatever_the_tol() -> None:
    (problem,) = (each for each in tol.PROBLEMS if each.name == "n = 30, κ = 1e2" and each.loss == "poisson")
    found = tol.row(problem, rows=1_000)
    assert all(float(found[f"{each:g}"].rstrip(")").split(" (")[1]) >= 9 for each in tol.TOLS)


def test_least_squares_from_files_beside_a_peer() -> None:
    *_, single, double = sklearnex.measure(rows=2_000, rounds=2)
    assert single["digits"] > 3
    assert double["digits"] > 9


def test_what_a_sample_saves_is_told_by_its_distribution() -> None:
    family = next(each for each in FAMILIES if each.name == "exposures of 4 orders")
    ((_, rows),) = families.problems([family], 1, rows=40_000)
    with families.no_sample():
        plain = families.fit(family, rows)
    with families.any_size():
        found = families.fit(family, rows)
    assert plain.sampled == ""
    assert found.sampled
    passes_saved, work_saved = families.distribution([("one", plain, found), ("other", plain, plain)])
    assert (passes_saved["fits"], passes_saved["sampled"], passes_saved["taken"]) == (2, 1, found.sampled == "taken")
    assert passes_saved["gain"] + passes_saved["same"] + passes_saved["lose"] == 1
    assert passes_saved["before"] - passes_saved["after"] == passes_saved["worst"] >= -1
    assert work_saved["before"] > passes_saved["before"], "Hessians count for more"
