"""`dgd.export`: a model as coefficients in CSV, as SQL, or as ONNX."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dgd.data.replaced_file import replaced_file
from dgd.errors import ConfigurationError, ModelError
from dgd.errors.checks import checked_word
from dgd.errors.writing import writing
from dgd.models.export.coefficients import coefficients_csv
from dgd.models.export.sql import sql_query
from dgd.models.prediction.model_of import model_of

FORMS = ("csv", "sql", "onnx")


def export(
    model: Any,
    to: str,
    out: str | os.PathLike[str] | None = None,
    *,
    table: str = "data",
    overwrite: bool = False,
) -> str | bytes:
    """The model in a form that other programs read; it is returned, and written to `out` if that is given.

    to: "csv", the intercept and the coefficients by name, with all digits; "sql", a query that adds predictions to the
        columns of a `table`, in standard SQL; "onnx", a graph in float64, by the package `onnx` (`pip install
        "dgd[onnx]"`), for a runtime such as onnxruntime.
    overwrite: replace a file at `out`.

    A model of a table brings what it knows of its columns: categories, arithmetic, means of missing cells. A row with a
    missing cell, or a level that is not known, is NULL or NaN there. The numbers are those of `predict` but for the
    rounding of sums in another order.

    For scikit-learn see `dgd.estimators.to_sklearn`. Raises ConfigurationError for terms (splines, times,
    hashed categories) and losses that have no such form, and for a model with an offset.
    """
    found = model_of("export", model)
    checked_word("export(to", to, FORMS)
    flaw = found.flaw()
    if flaw is not None:
        raise ModelError(f"the model cannot be exported: {flaw}")
    content: str | bytes
    if to == "onnx":
        from dgd.models.export.onnx_graph import onnx_bytes

        content = onnx_bytes(found)
    else:
        content = coefficients_csv(found) if to == "csv" else sql_query(found, table=table)
    if out is not None:
        _write(
            Path(out), content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"), overwrite
        )
    return content


def _write(path: Path, content: bytes, overwrite: bool) -> None:
    if "://" in os.fspath(path):
        raise ConfigurationError(f"{path} is a URL, and exports are written to local files; copy it there")
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder, and an export is a file; give another path")
    if path.exists() and not overwrite:
        raise ConfigurationError(f"{path} exists; pass overwrite=True to replace it, or give another path")
    with writing(path), replaced_file(path) as file:
        file.write(content)
