"""`dgd show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dgd.cli import options
from dgd.cli.output import columns, print_json, print_text, say
from dgd.errors import ConfigurationError
from dgd.errors.columns_text import folded
from dgd.errors.words import counted, visible

if TYPE_CHECKING:
    from dgd.models.coefficient_table import CoefficientTable
    from dgd.models.model import Model

FORMS = ("text", "csv", "json", "markdown")


@click.command
@click.argument("model_path", metavar="MODEL")
@options.sort
@click.option(
    "--match", multiple=True, metavar="PATTERN", help="Only coefficients of such names, as carrier*; repeatable."
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N of them, after the intercept [all].")
@click.option(
    "--conf",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    metavar="P",
    help="The confidence of intervals, of a model that was saved with --inference [0.95].",
)
@click.option(
    "--to",
    type=click.Choice(FORMS),
    default="text",
    help="Text for people; the others with all digits but markdown [text].",
)
@options.as_json
def show(
    model_path: str, order: str, match: tuple[str, ...], top: int | None, conf: float, to: str, as_json: bool
) -> int:
    """Show MODEL: what it predicts from what, its design, where it comes from, and its coefficients.

    With standard errors, tests and intervals where it was fitted with --inference.
    """
    from dgd.models.coefficient_table import coefficient_table
    from dgd.models.model import load_model

    model = load_model(model_path)
    table = coefficient_table(model, conf=conf).sorted_by(order).matching(match).first(top)
    if not table.names:
        raise ConfigurationError(f"{model_path} has no coefficient that --match {' or '.join(match)} fits")
    if as_json or to == "json":
        print_json(document(model, model_path, table))
    elif to != "text":
        print_text(table.csv() if to == "csv" else table.markdown())
    else:
        width = columns()
        say("\n".join([folded("\n".join(facts(model)), width), "", table.text(width)]))
    return 0


def facts(model: Model) -> list[str]:
    """What is known of the model, a line each."""
    from dgd.fitting.result_lines import loss_in_words, passes_made

    known = model.provenance
    columns = counted(model.n_features if model.columns is None else len(model.columns), "column")
    version = f"dgd {known['dgd']}, NumPy {known.get('numpy')}" if known.get("dgd") else ""
    found = {
        "predicts": f"{model.target_name or 'the target'} from {columns}",
        "classes": ", ".join(map(str, model.classes or ())),
        "design": model.design.line() if model.design else "",
        "loss": loss_in_words(model),
        "penalty": "" if known.get("penalty") in (None, "NoPenalty()") else known["penalty"],
        "fitted to": f"{known['rows']:,} rows of {known.get('dataset')}" if known.get("rows") else "",
        "left out": f"{known['rows_left_out']:,} rows with a missing cell" if known.get("rows_left_out") else "",
        "weights": known.get("weight"),
        "offsets": known.get("offset"),
        "part": known.get("split"),
        "solver": f"{known['solver']}, {passes_made(known.get('passes', 0))}, {known.get('status')}"
        if known.get("solver")
        else "",
        "reached": f"loss {known['loss_value']:.6g}" if known.get("loss_value") is not None else "",
        "covariance": model.uncertainty.cov if model.uncertainty else "",
        "made by": version,
    }
    return [f"{name:<14}{visible(str(value))}" for name, value in found.items() if value]


def document(model: Model, path: str, table: CoefficientTable) -> dict[str, Any]:
    """The same as JSON, every number with all its digits."""
    return {
        "model": path,
        "target": model.target_name,
        "loss": model.loss,
        "classes": None if model.classes is None else list(model.classes),
        "columns": None if model.columns is None else list(model.columns),
        "design": None if model.design is None else model.design.as_json(),
        "covariance": None if model.uncertainty is None else model.uncertainty.cov,
        "provenance": model.provenance,
        "coefficients": table.as_json(),
    }
