"""`dgd export`."""

from __future__ import annotations

import click

from dgd.cli import options
from dgd.cli.output import note, print_json, print_text

FORMS = ("csv", "sql", "onnx")


@click.command
@click.argument("model")
@click.option("--to", type=click.Choice(FORMS), required=True, help="Coefficients, a query, or a graph in float64.")
@click.option("--out", metavar="FILE", help="Write it there [print it; onnx is always written].")
@click.option("--table", default="data", metavar="NAME", help="What the query selects from [data].")
@options.overwrite
@options.as_json
def export(model: str, to: str, out: str | None, table: str, overwrite: bool, as_json: bool) -> int:
    """Write MODEL for other programs: its coefficients as CSV, SQL that predicts within a database, or ONNX."""
    from dgd.models.export.export import export as export_model
    from dgd.models.model import load_model

    if out is None and to == "onnx":
        raise click.UsageError("--to onnx is no text: give --out model.onnx")
    content = export_model(load_model(model), to, out, table=table, overwrite=overwrite)
    if out is not None:
        note(f"written to {out}")
        if as_json:
            print_json({"out": out})
    elif as_json:
        print_json({to: content})
    else:
        assert isinstance(content, str)
        print_text(content)
    return 0
