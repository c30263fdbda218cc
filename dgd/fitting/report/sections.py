"""The parts of a report: each is a heading and HTML, of what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors.markup import escaped, table
from dgd.errors.words import counted, size
from dgd.fitting.record import SPLIT, Record, time_split
from dgd.fitting.report.charts import Line, bar, cell_map, interval_chart, line_chart
from dgd.models.inference.distributions import t_quantile
from dgd.models.predictor import Predictor
from dgd.models.scoring.diagnosis import ChunkLoss, Diagnosis

SHOWN = 40
"""Coefficients that are drawn."""
MOST_CELLS = 800
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
Section = tuple[str, str]


def facts(pairs: Sequence[tuple[str, Any]]) -> Section:
    """What was fitted, and how it ended."""
    return "The fit", f'<div class="scroll">{table(pairs)}</div>'


def passes(records: Sequence[Record], elapsed: Sequence[float]) -> Section:
    """Loss and gradient, by pass and by second."""
    number = np.array([record.iteration for record in records], dtype=np.float64)
    seconds = np.array(elapsed)
    loss = np.array([record.loss for record in records])
    gradient = np.array([record.grad_norm for record in records])
    above = loss - np.nanmin(np.where(np.isfinite(loss), loss, np.nan)) if np.isfinite(loss).any() else loss
    held = np.array([math.nan if r.validation_loss is None else r.validation_loss for r in records])
    curves = [Line("training", number, loss, dots=True)]
    if np.isfinite(held).any():
        curves.append(Line("validation", number, held, dots=True))
    by_second = [Line("", seconds, above, dots=True)]
    norms = [Line("", x, gradient, dots=True) for x in (number, seconds)]
    charts = [
        line_chart("Loss by pass", curves, "pass", "loss"),
        line_chart("Gradient norm by pass", norms[:1], "pass", "‖∇F‖", log_y=True),
        line_chart("Loss above the least, by second", by_second, "seconds", "loss − least", log_y=True),
        line_chart("Gradient norm by second", norms[1:], "seconds", "‖∇F‖", log_y=True),
    ]
    return "Passes", f'<div class="charts">{"".join(charts)}</div>'


def pass_times(records: Sequence[Record], elapsed: Sequence[float]) -> Section:
    """Where the time between the first and the last line went, and that of the threads within passes."""
    in_passes = sum(record.seconds for record in records)
    between = max(0.0, (elapsed[-1] if len(elapsed) else in_passes) - in_passes)
    read = sum(record.bytes_read for record in records)
    number = np.array([record.iteration for record in records], dtype=np.float64)
    seconds = np.array([record.seconds for record in records])
    rate = np.array([record.bytes_read / max(record.seconds, 1e-9) / 1e6 for record in records])
    rows = [
        ("in passes", f"{in_passes:.3f} s"),
        ("before and between them", f"{between:.3f} s"),
        ("read", size(read)),
        ("chunks in memory in the last pass", f"{records[-1].resident_share:.0%}"),
    ]
    charts = line_chart("Seconds of each pass", [Line("", number, seconds, dots=True)], "pass", "seconds")
    charts += line_chart("Stored bytes read, a second", [Line("", number, rate, dots=True)], "pass", "MB/s")
    split = time_split(records)
    if split:
        charts += bar("Seconds of all threads, in all passes", list(split.items()))
        lines = [Line(n.removesuffix("_seconds"), number, np.array([getattr(r, n) for r in records])) for n in SPLIT]
        charts += line_chart("Seconds of all threads, by pass", lines, "pass", "seconds")
    return "Time", f'{table(rows)}<div class="charts">{charts}</div>'


def coefficients(model: Predictor, conf: float = 0.95) -> Section:
    """The largest coefficients, with intervals where the model has a covariance."""
    names = list(model.feature_names or (f"x{j}" for j in range(model.n_features)))
    outputs = np.atleast_2d(model.coef)
    labels = list(model.classes) if model.classes and len(outputs) > 1 else list(range(len(outputs)))
    errors = None
    if model.uncertainty is not None:
        errors = np.sqrt((model.uncertainty.user_root() ** 2).sum(axis=2))[:, 1:]
    parts = []
    for number, values in enumerate(outputs[:6]):
        title = "" if len(outputs) == 1 else f" of {labels[number]}"
        se = None if errors is None else errors[min(number, len(errors) - 1)]
        parts.append(_coefficients_of(f"Coefficients{title}", names, values, se, model, conf))
    said = "" if errors is not None else "<p>No intervals: the model was saved without its inference.</p>"
    if model.n_features > SHOWN:
        said += f"<p>The {SHOWN} of {model.n_features:,} with the largest size.</p>"
    intercept = ", ".join(f"{value:.8g}" for value in np.atleast_1d(model.intercept)[:6])
    return "Coefficients", f"{said}<p>intercept: {escaped(intercept)}</p>{''.join(parts)}"


def _coefficients_of(
    title: str, names: list[str], values: Vector, se: Vector | None, model: Predictor, conf: float
) -> str:
    largest = np.sort(np.argsort(-np.abs(values), kind="stable")[:SHOWN])
    some = values[largest]
    lower = upper = None
    if se is not None and model.uncertainty is not None:
        times = t_quantile(1 - conf, model.uncertainty.df)
        lower, upper = some - times * se[largest], some + times * se[largest]
        title += f", {conf:.0%} intervals ({model.uncertainty.cov})"
    rows = []
    for place, j in enumerate(largest):
        ends = [] if lower is None or upper is None else [f"{lower[place]:.6g}", f"{upper[place]:.6g}"]
        rows.append([names[j], f"{some[place]:.6g}", *ends])
    head = ["column", "coefficient"] + ([] if lower is None else ["from", "to"])
    chart = interval_chart(title, [names[j] for j in largest], some, lower, upper)
    return f'<div class="charts">{chart}<div class="scroll">{table(rows, head)}</div></div>'


def quality(found: Diagnosis) -> Section:
    """The score, and residuals or calibration and ROC curves."""
    skipped = {"groups", "calibration"}
    figures = {name: getattr(found.score, name) for name in found.score.__slots__ if name not in skipped}
    counts = {"rows", "rows_left_out"}
    rows = [
        (name.replace("_", " "), f"{value:,}" if name in counts else f"{value:.8g}")
        for name, value in figures.items()
        if not (math.isnan(value) or (name == "rows_left_out" and value == 0))
    ]
    return "How well it predicts these rows", (
        f'<div class="charts"><div>{table(rows)}</div>{_of_numbers(found)}{_of_classes(found)}</div>'
    )


def _of_numbers(found: Diagnosis) -> str:
    if found.residuals is None or found.predicted is None:
        return ""
    values, shares = found.residuals
    low, high = found.quantile(0.001), found.quantile(0.999)
    edges = np.linspace(low, high, 41) if high > low else np.array([low - 0.5, low + 0.5])
    density = np.diff(np.interp(edges, values, shares, left=0.0))
    middles = (edges[1:] + edges[:-1]) / 2
    within = f" (within {found.within:.1g} of each)" if found.within else ""
    quantiles = table([(f"{q:.0%}", f"{found.quantile(q):.6g}") for q in QUANTILES], ["of the weight", "at most"])
    predicted, observed = found.predicted
    chart = line_chart("Residuals y − ŷ", [Line("", middles, density)], "residual", "part of the weight")
    chart += f"<div><b>Quantiles of the residuals{escaped(within)}</b>{quantiles}</div>"
    ends = np.array([predicted.min(), predicted.max()])
    lines = [Line("", ends, ends, guide=True), Line("mean target", predicted, observed, dots=True)]
    return chart + line_chart("Mean target by prediction", lines, "mean prediction of a twentieth", "mean target")


def _of_classes(found: Diagnosis) -> str:
    chart = ""
    diagonal = np.array([0.0, 1.0])
    bins = getattr(found.score, "calibration", ())
    if bins:
        x, y = (np.array([getattr(each, name) for each in bins]) for name in ("predicted", "observed"))
        lines = [Line("", diagonal, diagonal, guide=True), Line("observed", x, y, dots=True)]
        chart += line_chart("Calibration", lines, "predicted probability", "part in the class")
    if found.roc:
        lines = [Line("", diagonal, diagonal, guide=True)]
        lines += [Line(str(label), false, true) for label, false, true in found.roc]
        chart += line_chart("ROC curve", lines, "false positive rate", "true positive rate")
    return chart


def chunks(found: Diagnosis) -> Section:
    """The data as a map of its chunks, by mean loss, and those that stand out."""
    cells = _cells(found.chunks)
    suspects = found.suspects()
    values = np.array([cell.loss for cell in cells])
    labels = [f"rows {c.start:,} to {c.start + c.rows:,}: mean loss {c.loss:.6g}" for c in cells]
    chart = cell_map("The chunks in the order of the rows, by mean loss", values, labels)
    rows = [
        (c.index, f"{c.start:,} to {c.start + c.rows:,}", f"{c.loss:.6g}", "stands out" if c in suspects else "")
        for c in found.worst(12)
    ]
    said = "<p>No chunk stands out: none has a mean loss far above the others'.</p>"
    if suspects:
        said = (
            f'<p class="warn">{len(suspects)} of {len(found.chunks):,} chunks have a mean loss far above that of the '
            f"others. Look at these rows first: a damaged file, another unit, shuffled targets. <code>dgd verify</code>"
            f" says whether bytes have changed.</p>"
        )
    head = ["chunk", "rows", "mean loss", ""]
    return "The data, chunk by chunk", f'{said}{chart}<div class="scroll">{table(rows, head)}</div>'


def _cells(chunks: Sequence[ChunkLoss]) -> list[ChunkLoss]:
    """At most 800 cells: of more chunks, neighbours as one, with the largest loss of them."""
    together = -(-len(chunks) // MOST_CELLS)
    cells = []
    for first in range(0, len(chunks), together):
        some = chunks[first : first + together]
        known = [chunk.loss for chunk in some if not math.isnan(chunk.loss)]
        rows = some[-1].start + some[-1].rows - some[0].start
        cells.append(ChunkLoss(some[0].index, some[0].start, rows, max(known, default=math.nan)))
    return cells


def this_pass(found: Diagnosis) -> Section:
    """Where the time of the report's own pass went."""
    whole = found.seconds * found.threads
    compute = min(found.arithmetic_seconds, whole)
    shares = [("arithmetic", compute), ("reading, decoding and waiting", max(whole - compute, 0.0))]
    chart = bar("Seconds of all threads, in the pass of this report", shares)
    read = f"{size(found.bytes_read)} in {found.seconds:.3f} s, {counted(found.threads, 'thread')}"
    return "Where a pass spends its time", f"<p>{escaped(read)}</p>{chart}"
