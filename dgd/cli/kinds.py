"""The options of fits by a kind of penalty at many strengths."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import click

from dgd.cli import options
from dgd.cli.losses import losses
from dgd.cli.method import solver_named
from dgd.cli.options import Command
from dgd.fitting.verdict.stopping import MAX_ITER
from dgd.losses import Loss

FOLD_TOL = 1e-8


@dataclass(frozen=True)
class Kind:
    """A kind of penalty, and the arguments of `dgd.path` and `dgd.cross_validate` beside it."""

    penalty: str | float
    arguments: dict[str, Any]


def kind(command: Command) -> Command:
    """The options --loss, --classes, --penalty, --n-lambdas, --solver, --intercept, --max-iter, --tol, --precision."""

    @losses
    @click.option(
        "--penalty",
        callback=penalty_kind,
        default="l2",
        metavar="l1|l2|R",
        help="The kind of penalty, or the part R of l1, from 0 to 1 [l2].",
    )
    @click.option("--n-lambdas", type=click.IntRange(1), metavar="N", help="Strengths [20; 100 for the squared loss].")
    @solver_named
    @click.option(
        "--intercept/--no-intercept", "fit_intercept", default=True, help="Fit an intercept or none [fit it]."
    )
    @click.option("--max-iter", default=MAX_ITER, metavar="N", help=f"Passes at most [{MAX_ITER}].")
    @click.option(
        "--tol", default=FOLD_TOL, metavar="T", help=f"The gradient's norm to reach, as a part [{FOLD_TOL:g}]."
    )
    @options.precision
    @functools.wraps(command)
    def with_kind(
        *,
        loss: Loss,
        penalty: str | float,
        n_lambdas: int | None,
        solver: str,
        fit_intercept: bool,
        max_iter: int,
        tol: float,
        precision: str,
        **others: Any,
    ) -> int:
        arguments = {
            "loss": loss,
            "n_lambdas": n_lambdas,
            "solver": solver,
            "fit_intercept": fit_intercept,
            "max_iter": max_iter,
            "tol": tol,
            "precision": precision,
        }
        return command(kind=Kind(penalty, arguments), **others)

    return with_kind


def penalty_kind(ctx: click.Context, param: click.Parameter, value: str) -> str | float:
    """One of the words, or a number from 0 to 1."""
    if value in ("l1", "l2"):
        return value
    try:
        ratio = float(value)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise click.BadParameter(f"{value!r} is neither l1 nor l2 nor a number from 0 to 1")
    return ratio
