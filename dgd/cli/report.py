"""`dgd report`."""

from __future__ import annotations

from functools import partial

import click

from dgd.cli import options
from dgd.cli.arrays import Arrays
from dgd.cli.arrays import arrays as with_arrays
from dgd.cli.grouped import GroupedCommand
from dgd.cli.options import Where
from dgd.cli.output import note, print_json
from dgd.errors.words import size


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="MODEL|RUN")
@click.argument("data", required=False)
@click.option("--out", metavar="FILE", default="report.html", help="The HTML file [report.html].")
@click.option("--run", metavar="FILE", help="The event file of the model's fit, for its passes [none].")
@click.option("--title", metavar="TEXT", help="The heading [Report of a linear model].")
@options.overwrite
@partial(with_arrays, is_fitted=False)
@options.where_to_run
@options.as_json
def report(
    source: str,
    data: str | None,
    out: str,
    run: str | None,
    title: str | None,
    overwrite: bool,
    arrays: Arrays,
    where: Where,
    as_json: bool,
) -> int:
    """Write a report of MODEL, or of RUN, the event file of a fit, as one HTML file that needs nothing else.

    Of a run loss and gradient by pass and by second; of a model its coefficients; on DATA, from one pass, residuals or
    calibration and ROC curves, and the loss of each chunk.
    """
    from dgd.fitting.report.report import report as write_report

    with where.execution() as execution:
        made = write_report(
            source, data, out=out, run=run, title=title, overwrite=overwrite, execution=execution, **arrays.arguments
        )
    if as_json:
        print_json({"report": str(made), "bytes": made.stat().st_size})
    else:
        note(f"report written to {made} ({size(made.stat().st_size)})")
    return 0
