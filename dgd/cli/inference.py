"""The options of `dgd fit --inference`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from dgd.cli.options import Command
from dgd.cli.output import note
from dgd.solvers.base import Status

if TYPE_CHECKING:
    from dgd.data.dataset import Dataset
    from dgd.data.reading import ReadingOptions
    from dgd.passes.execution import Execution

COVARIANCES = ("classical", "HC0", "HC1", "HC2", "HC3", "cluster")


@dataclass(frozen=True)
class Asked:
    """The inference that was asked for: arguments of `Result.inference`, with the name of an array as groups."""

    arguments: dict[str, Any]

    def check(self, method: Any, dataset: Dataset) -> None:
        """Refuse, before the fit, what would be refused after it for its loss or penalty."""
        from dgd.fitting.inference.options import InferenceOptions

        options = InferenceOptions(**self.arguments)
        options.check_problem(method.loss, method.penalty, weighted=dataset.weight is not None)

    def infer(self, result: Any, store: str, reading: ReadingOptions, execution: Execution) -> Any:
        """The inference; None of a fit that was stopped or diverged, which is said elsewhere."""
        from dgd.passes.opening import open_dataset

        if result.status in (Status.INTERRUPTED, Status.DIVERGED) or result.stopped_before_its_first_pass:
            note("no inference: the fit has not come to its end")
            return None
        given = dict(self.arguments)
        if given["groups"] is not None:
            if "design" in reading:
                reading = {**reading, "design": reading["design"].without_target()}
            given["groups"] = open_dataset(store, given["groups"], **reading).y
        return result.inference(**given, execution=execution)


def inference(command: Command) -> Command:
    """The options --inference, --cov, --groups and others; the command gets `asked`, None without --inference."""

    @click.option("--inference", is_flag=True, help="Standard errors, tests and intervals; saved with the model.")
    @click.option("--cov", type=click.Choice(COVARIANCES), help="Which covariance [classical; cluster with --groups].")
    @click.option("--groups", metavar="NAME", help="The array of the rows' groups, for --cov cluster.")
    @click.option("--conf", type=float, metavar="P", help="The confidence of intervals [0.95].")
    @click.option("--weights", type=click.Choice(["precision", "frequency"]), help="What a weight is [precision].")
    @click.option("--dispersion", type=click.Choice(["model", "pearson"]), help="The dispersion of counts [model].")
    @click.option("--information", type=click.Choice(["expected", "observed"]), help="Of other links [expected].")
    @click.option("--penalized", type=click.Choice(["refuse", "ignore"]), help="With a penalty or bounds [refuse].")
    @click.option("--only", metavar="A,B,…", help="The coefficients to report, for wide data [all].")
    @functools.wraps(command)
    def with_inference(
        inference: bool,
        cov: str | None,
        groups: str | None,
        conf: float | None,
        weights: str | None,
        dispersion: str | None,
        information: str | None,
        penalized: str | None,
        only: str | None,
        **others: Any,
    ) -> int:
        given: dict[str, Any] = {
            "cov": cov,
            "groups": groups,
            "conf": conf,
            "weights": weights,
            "dispersion": dispersion,
        }
        given |= {"information": information, "penalized": penalized, "only": None if only is None else only.split(",")}
        arguments = {name: value for name, value in given.items() if value is not None}
        if arguments and not inference:
            raise click.UsageError(f"--{next(iter(arguments))} goes with --inference")
        default = {"cov": "cluster" if groups is not None else "classical", "groups": None}
        return command(asked=Asked({**default, **arguments}) if inference else None, **others)

    return with_inference
