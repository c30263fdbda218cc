"""The table of coefficients as people know it: text, HTML, CSV, pandas, JSON."""

from __future__ import annotations

import csv as csv_format
import html as html_format
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd.errors import ConfigurationError
from dgd.errors.columns_text import table_lines
from dgd.errors.words import visible
from dgd.errors.writing import writing
from dgd.models.inference.uncertainty import finite_df

if TYPE_CHECKING:
    from dgd.models.inference.inference import Inference

SHOWN = 40
"""Coefficients that a printed table has; CSV and the others have all."""
LEAST_P = 0.0005
"""Below it a printed p is given by its order."""


def rows(inference: Inference) -> list[dict[str, Any]]:
    """A dictionary for each coefficient, output by output, in the order of θ within one."""
    columns = {
        "coef": inference.estimates,
        "std_err": inference.standard_errors,
        statistic_name(inference): inference.t_values,
        "p": inference.p_values,
        "lower": inference.intervals[..., 0],
        "upper": inference.intervals[..., 1],
    }
    if inference.outputs is None:
        return [
            {"name": name, **{key: float(values[j]) for key, values in columns.items()}}
            for j, name in enumerate(inference.names)
        ]
    return [
        {"output": label, "name": name, **{key: float(values[j, k]) for key, values in columns.items()}}
        for k, label in enumerate(inference.outputs)
        for j, name in enumerate(inference.names)
    ]


def statistic_name(inference: Inference) -> str:
    """t or z."""
    return "t" if np.isfinite(inference.df) else "z"


def text(inference: Inference, width: int | None = None) -> str:
    """What `print` shows; width: columns of the terminal."""
    heading = [f"{label:<14}{value}" for label, value in facts(inference)]
    lines = table_lines(_cells(inference), width)
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*heading, "", *lines, *_more(inference), *(f"note: {note}" for note in inference.notes)])


def html(inference: Inference) -> str:
    """A table for a notebook; names and labels are escaped."""
    head, *body = _cells(inference)
    facts_of = "".join(
        f"<tr><th style='text-align:left'>{_escaped(label)}</th><td>{_escaped(value)}</td></tr>"
        for label, value in facts(inference)
    )
    header = "".join(f"<th>{_escaped(cell)}</th>" for cell in head)
    lines = "".join(
        f"<tr><th style='text-align:left'>{_escaped(name)}</th>"
        + "".join(f"<td style='text-align:right'>{_escaped(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in body
    )
    below = "".join(f"<p>{_escaped(line)}</p>" for line in [*_more(inference), *inference.notes])
    return f"<table>{facts_of}</table><table><thead><tr>{header}</tr></thead><tbody>{lines}</tbody></table>{below}"


def csv(inference: Inference, path: str | os.PathLike[str] | None) -> str | None:
    """All rows with all digits; written to the path, or returned."""
    found = rows(inference)
    stream = io.StringIO()
    writer = csv_format.DictWriter(stream, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    if path is None:
        return stream.getvalue()
    with writing(Path(path)):
        Path(path).write_text(stream.getvalue(), encoding="utf-8", errors="surrogatepass")
    return None


def to_pandas(inference: Inference) -> Any:
    """Indexed by name, or by output and name."""
    try:
        import pandas
    except ImportError as error:
        raise ConfigurationError("a DataFrame needs pandas: python -m pip install pandas") from error
    index = ["name"] if inference.outputs is None else ["output", "name"]
    return pandas.DataFrame(rows(inference)).set_index(index)


def as_json(inference: Inference) -> dict[str, Any]:
    """The table, the facts and the notes."""
    statistics = ("dispersion", "r2", "adjusted_r2", "log_likelihood", "deviance", "null_deviance", "aic", "bic")
    return {
        "cov": inference.cov,
        "conf": inference.conf,
        "df": finite_df(inference.df),
        "rows": inference.statistics.rows,
        "df_residual": inference.statistics.df_residual,
        "clusters": inference.clusters,
        **{name: _plain(getattr(inference, name)) for name in statistics},
        "coefficients": [{key: _plain(value) for key, value in row.items()} for row in rows(inference)],
        "vif": _plain(inference.vif),
        "condition": None if inference.condition is None else inference.condition.as_json(),
        "notes": list(inference.notes),
        "passes": inference.passes,
    }


def facts(inference: Inference) -> list[tuple[str, str]]:
    """What stands above the coefficients."""
    found, statistics = inference, inference.statistics
    covariance = found.cov if found.clusters is None else f"{found.cov}, {found.clusters:,} groups"
    listed = [
        ("loss", found.model.loss),
        ("covariance", covariance),
        ("rows", f"{statistics.rows:,.12g}, {statistics.df_residual:,.12g} degrees of freedom left"),
    ]
    for label, value in (
        ("R²", found.r2),
        ("adjusted R²", found.adjusted_r2),
        ("dispersion", found.dispersion),
        ("deviance", found.deviance),
        ("log-likelihood", found.log_likelihood),
        ("AIC", found.aic),
        ("BIC", found.bic),
    ):
        if value is not None:
            listed.append((label, "  ".join(f"{each:.6g}" for each in np.atleast_1d(value)[:SHOWN])))
    return [(label if len(label) < 14 else f"{label} ", value) for label, value in listed]


def _cells(inference: Inference) -> list[list[str]]:
    """Header and rows of the printed table, as text."""
    statistic, tail = statistic_name(inference), (1 - inference.conf) / 2
    head = ["", "coef", "std err", statistic, f"P>|{statistic}|", f"[{tail:.4g}", f"{1 - tail:.4g}]"]
    body = []
    for row in rows(inference)[:SHOWN]:
        name = row["name"] if "output" not in row else f"{row['output']}:{row['name']}"
        numbers = [f"{row[key]:.6g}" for key in ("coef", "std_err")] + [f"{row[statistic]:.3f}", _p(row["p"])]
        body.append([visible(str(name)), *numbers, f"{row['lower']:.6g}", f"{row['upper']:.6g}"])
    return [head, *body]


def _more(inference: Inference) -> list[str]:
    count = inference.estimates.size - SHOWN
    return [f"… and {count:,} more; `to_csv`, `to_pandas` and `to_xarray` have all"] if count > 0 else []


def _p(p: float) -> str:
    return "<1e-300" if p < 1e-300 else f"{p:.1e}" if p < LEAST_P else f"{p:.3f}"


def _escaped(value: str) -> str:
    return html_format.escape(visible(value))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
