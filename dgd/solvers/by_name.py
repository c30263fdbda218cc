"""The solvers, by name. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Callable

from dgd.errors import ConfigurationError
from dgd.solvers.backtracking import Backtracking
from dgd.solvers.barzilai_borwein import BarzilaiBorwein
from dgd.solvers.base import Solver
from dgd.solvers.conjugate_gradient import ConjugateGradient
from dgd.solvers.exact_line_search import ExactLineSearch
from dgd.solvers.fista import Fista
from dgd.solvers.gradient_descent import RATES, GradientDescent
from dgd.solvers.lbfgs import LBFGS
from dgd.solvers.minibatch import MiniBatch
from dgd.solvers.momentum import Momentum, SafeMomentum, check_rate
from dgd.solvers.nesterov import Nesterov
from dgd.solvers.newton import FromSummary, Newton
from dgd.solvers.quasi_newton import QuasiNewton
from dgd.solvers.safe_step import SafeStep
from dgd.solvers.steps.schedules import Constant, InverseScaling, Schedule

Rate = float | str | Schedule
"""A learning rate as a user gives it: a number, the name of a rule, or a function of the iteration."""


def gradient_descent(learning_rate: Rate) -> Solver:
    """Batch gradient descent by its learning-rate rule: a number, a schedule, "auto", "exact" or "backtracking"."""
    if learning_rate == "auto":
        return SafeStep()
    if learning_rate == "exact":
        return ExactLineSearch()
    if learning_rate == "backtracking":
        return Backtracking()
    if isinstance(learning_rate, str):
        raise ConfigurationError(f"`fit(learning_rate=...)` must be {RATES}, got {learning_rate!r}")
    return GradientDescent(learning_rate)


def momentum(learning_rate: Rate) -> Solver:
    """The heavy ball with a number, or with "auto"."""
    if learning_rate == "auto":
        return SafeMomentum()
    return Momentum(checked_number(learning_rate, "momentum"))


def nesterov(learning_rate: Rate) -> Solver:
    """Accelerated gradient with a number, or with "auto"."""
    return Nesterov("auto" if learning_rate == "auto" else checked_number(learning_rate, "nesterov"))


def fista(learning_rate: Rate) -> Solver:
    """Accelerated proximal gradient with a number, or with "auto"."""
    return Fista("auto" if learning_rate == "auto" else checked_number(learning_rate, "fista"))


def checked_number(learning_rate: Rate, solver: str) -> float:
    """The learning rate, if it is a positive number."""
    check_rate(learning_rate, solver)
    assert not isinstance(learning_rate, str)
    assert not callable(learning_rate)
    return learning_rate


def minibatch(learning_rate: Rate) -> Solver:
    """Mini-batches of 32 rows with a number, a schedule, or with "auto" 0.01/t^0.25 (for standardised columns)."""
    if callable(learning_rate):
        return MiniBatch(learning_rate)
    if learning_rate == "auto":
        return MiniBatch(InverseScaling(0.01))
    return MiniBatch(Constant(checked_number(learning_rate, "minibatch")))


def without_rate(make: Callable[[], Solver], name: str) -> Callable[[Rate], Solver]:
    """A solver that finds its steps by itself: a learning rate given to it is refused."""

    def solver(learning_rate: Rate) -> Solver:
        if learning_rate != "auto":
            raise ConfigurationError(
                f"`fit(learning_rate={learning_rate!r})` does not go with solver={name!r}, which finds its own steps: "
                "leave learning_rate='auto', or take solver='gd'"
            )
        return make()

    return solver


SOLVERS: dict[str, Callable[[Rate], Solver]] = {
    "gd": gradient_descent,
    "momentum": momentum,
    "nesterov": nesterov,
    "fista": fista,
    "barzilai-borwein": without_rate(BarzilaiBorwein, "barzilai-borwein"),
    "cg": without_rate(ConjugateGradient, "cg"),
    "lbfgs": without_rate(LBFGS, "lbfgs"),
    "newton": without_rate(Newton, "newton"),
    "quasi-newton": without_rate(QuasiNewton, "quasi-newton"),
    "summary": without_rate(FromSummary, "summary"),
    "minibatch": minibatch,
}
