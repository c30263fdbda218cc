"""The solvers. A new one is a file here and a line in `by_name`."""

from __future__ import annotations

from dgd.solvers.backtracking import Backtracking
from dgd.solvers.barzilai_borwein import BarzilaiBorwein
from dgd.solvers.base import Epoch, Evaluation, Prox, Solver, State, Status, no_prox
from dgd.solvers.by_name import SOLVERS, Rate, gradient_descent
from dgd.solvers.conjugate_gradient import ConjugateGradient
from dgd.solvers.exact_line_search import ExactLineSearch
from dgd.solvers.fista import Fista
from dgd.solvers.gradient_descent import GradientDescent
from dgd.solvers.lbfgs import LBFGS
from dgd.solvers.minibatch import MiniBatch
from dgd.solvers.momentum import Momentum, SafeMomentum
from dgd.solvers.nesterov import Nesterov
from dgd.solvers.newton import FromSummary, Newton
from dgd.solvers.quasi_newton import QuasiNewton
from dgd.solvers.safe_step import SafeStep
from dgd.solvers.steps.schedules import Constant, Decay, InverseScaling, Schedule

__all__ = [
    "LBFGS",
    "SOLVERS",
    "Backtracking",
    "BarzilaiBorwein",
    "ConjugateGradient",
    "Constant",
    "Decay",
    "Epoch",
    "Evaluation",
    "ExactLineSearch",
    "Fista",
    "FromSummary",
    "GradientDescent",
    "InverseScaling",
    "MiniBatch",
    "Momentum",
    "Nesterov",
    "Newton",
    "Prox",
    "QuasiNewton",
    "Rate",
    "SafeMomentum",
    "SafeStep",
    "Schedule",
    "Solver",
    "State",
    "Status",
    "Vector",
    "gradient_descent",
    "no_prox",
]
