"""The options that say what is minimised and how: loss, penalty, solver."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from dgd.cli.losses import losses
from dgd.cli.options import Command
from dgd.losses import Loss
from dgd.penalties import L1, L2, Box, ElasticNet, NoPenalty, Penalty
from dgd.solvers import SOLVERS

if TYPE_CHECKING:
    from dgd.data.dataset import Dataset

solver_named = click.option(
    "--solver",
    type=click.Choice(["auto", *SOLVERS]),
    default="auto",
    metavar="NAME",
    help=f"The method: {', '.join(SOLVERS)}; or auto, which says what and why [auto].",
)
RATE_WORDS = ("auto", "exact", "backtracking")
INFINITY = float("inf")


@dataclass(frozen=True)
class Chosen:
    """What is minimised and how, as the command line has it."""

    loss: Loss
    penalty: Penalty
    solver: str
    learning_rate: float | str
    fit_intercept: bool

    def of(self, dataset: Dataset) -> tuple[Chosen, Any]:
        """The same with the classes of the dataset's target where the loss needs them, and the method made of it."""
        from dgd.fitting.problem import make_method

        method = make_method(
            self.loss,
            self.penalty,
            self.solver,
            self.learning_rate,
            fit_intercept=self.fit_intercept,
            dataset=dataset,
            read_labels=True,
        )
        return replace(self, loss=method.loss), method

    @property
    def arguments(self) -> dict[str, Any]:
        """As arguments of `dgd.fit` and `dgd.plan`."""
        return {
            "loss": self.loss,
            "penalty": self.penalty,
            "solver": self.solver,
            "learning_rate": self.learning_rate,
            "fit_intercept": self.fit_intercept,
        }


def method(command: Command) -> Command:
    """The options --loss, --classes, --l1, --l2, --lower, --upper, --solver, --learning-rate and --intercept."""

    @losses
    @click.option("--l1", type=click.FloatRange(0), default=0.0, metavar="S", help="Strength of the l1 penalty [0].")
    @click.option("--l2", type=click.FloatRange(0), default=0.0, metavar="S", help="Strength of the l2 penalty [0].")
    @click.option("--lower", type=float, default=-INFINITY, metavar="B", help="The least a coefficient may be [any].")
    @click.option("--upper", type=float, default=INFINITY, metavar="B", help="The most a coefficient may be [any].")
    @solver_named
    @click.option(
        "--learning-rate",
        callback=learning_rate,
        default="auto",
        metavar="|".join((*RATE_WORDS, "NUMBER")),
        help="The step: found and guarded on the way, a rule, or a number [auto].",
    )
    @click.option(
        "--intercept/--no-intercept", "fit_intercept", default=True, help="Fit an intercept or none [fit it]."
    )
    @functools.wraps(command)
    def with_method(
        *,
        loss: Loss,
        l1: float,
        l2: float,
        lower: float,
        upper: float,
        solver: str,
        learning_rate: float | str,
        fit_intercept: bool,
        **others: Any,
    ) -> int:
        penalty = penalty_of(l1, l2, lower, upper)
        return command(chosen=Chosen(loss, penalty, solver, learning_rate, fit_intercept), **others)

    return with_method


def penalty_of(l1: float, l2: float, lower: float, upper: float) -> Penalty:
    """The simplest penalty that has those strengths and bounds."""
    if (lower, upper) != (-INFINITY, INFINITY):
        return Box(lower=lower, upper=upper, l1=l1, l2=l2)
    if l1 and l2:
        return ElasticNet(l1=l1, l2=l2)
    return L1(l1) if l1 else L2(l2) if l2 else NoPenalty()


def learning_rate(ctx: click.Context, param: click.Parameter, value: str) -> float | str:
    """The number, or one of the words."""
    if value in RATE_WORDS:
        return value
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number nor one of {', '.join(RATE_WORDS)}") from None
