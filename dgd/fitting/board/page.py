"""The fits as a page of HTML: those that run with their curves, those that have ended as a table."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dgd.errors.markup import table
from dgd.errors.words import size
from dgd.fitting.report.charts import Line, bar, line_chart
from dgd.fitting.report.page import page

if TYPE_CHECKING:
    from dgd.fitting.board.board import Fit

REFRESH_SECONDS = 3
DRAWN = 8
"""Fits that run, with curves, and below them the last that ended; the others are in a table."""
SILENT_SECONDS = 10.0
HEAD = ("", "data", "rows × columns", "loss, solver", "passes", "loss", "began", "how it ended")


def page_of(fits: Sequence[Fit], now: float) -> str:
    """The page, which a browser asks for anew every three seconds."""
    running = [fit for fit in reversed(fits) if fit.runs]
    ended = sorted((fit for fit in fits if not fit.runs), key=lambda fit: -(fit.ended or 0.0))
    drawn = [*running[:DRAWN], *ended[:1]]
    rest = [fit for fit in running + ended if fit not in drawn]
    sections = [(_title(fit), _fit(fit, now)) for fit in drawn]
    if rest:
        rows = [_row(fit) for fit in rest]
        sections.append(("Others", f'<div class="scroll">{table(rows, HEAD)}</div>'))
    said = f"{len(running)} running, {len(ended)} ended" if fits else "No fit has begun since the scheduler did."
    return page("Fits", said, sections, time.strftime("%Y-%m-%d %H:%M:%S"), refresh=REFRESH_SECONDS)


def _title(fit: Fit) -> str:
    return f"{fit.texts['data'] or 'data'}: {fit.state.replace('_', ' ')}"


def _fit(fit: Fit, now: float) -> str:
    pairs = [
        ("model", f"{fit.texts['loss']} loss, {fit.texts['penalty'] or 'no penalty'}, by {fit.texts['solver']}"),
        ("data", f"{_sizes(fit)}{', target ' * bool(fit.texts['target'])}{fit.texts['target']}"),
        ("passes", f"{_whole(fit.count('passes'))} of at most {_whole(fit.sizes['max_iter'])}"),
        ("loss", _rounded(fit.count("loss_now")) if fit.count("passes") else ""),
        ("gradient norm", _rounded(fit.count("grad_norm")) if fit.count("passes") else ""),
        ("this pass", _this_pass(fit) if fit.runs else ""),
        ("read", _read(fit)),
        ("began", _clock(fit)),
        ("ended", fit.message if not fit.runs else ""),
    ]
    silent = now - fit.heard
    said = ""
    if fit.runs and silent > SILENT_SECONDS:
        said = f'<p class="warn">Nothing was heard of it for {silent:,.0f} s.</p>'
    shown = f"{said}<div>{_progress(fit) if fit.runs else ''}{table([p for p in pairs if p[1]])}</div>"
    return f'<div class="charts">{shown}{_curves(fit)}{_split(fit)}</div>'


def _progress(fit: Fit) -> str:
    """A bar for the pass that runs."""
    done = min(1.0, max(0.0, fit.count("chunks") / fit.count("of"))) if fit.count("of") else 0.0
    return (
        f'<svg viewBox="0 0 640 14" role="img" aria-label="{done:.0%} of this pass"><rect width="640" height="10" '
        f'fill="#ddd"/><rect width="{640 * done:.0f}" height="10" fill="#1f5fa8"/></svg>'
    )


def _curves(fit: Fit) -> str:
    if not fit.curve:
        return ""
    number, seconds, loss, gradient = np.array(fit.curve, dtype=np.float64).T
    return line_chart("Loss by pass", [Line("", number, loss, dots=True)], "pass", "loss") + line_chart(
        "Gradient norm by second", [Line("", seconds, gradient, dots=True)], "seconds", "‖∇F‖", log_y=True
    )


def _split(fit: Fit) -> str:
    total = sum(fit.split.values())
    return bar("Seconds of all threads", list(fit.split.items())) if math.isfinite(total) and total > 0 else ""


def _this_pass(fit: Fit) -> str:
    done, of, seconds = fit.count("chunks"), fit.count("of"), fit.heard - fit.pass_began
    if not of > 0:
        return ""
    rate = done / seconds if seconds > 0 else 0.0
    left = f", {rate:,.3g} chunks/s, {(of - done) / rate:,.0f} s left" if rate > 0 else ""
    return f"{_whole(done)} of {_whole(of)} chunks ({done / of:.0%}){left}"


def _read(fit: Fit) -> str:
    read, seconds = fit.count("bytes_read"), fit.count("elapsed")
    if not (read > 0 and math.isfinite(read)):
        return ""
    return size(read) + (f", {size(read / seconds)}/s" if seconds > 0 else "")


def _row(fit: Fit) -> list[str]:
    how = fit.message or fit.state.replace("_", " ")
    return [
        fit.state.replace("_", " "), fit.texts["data"], _sizes(fit), f"{fit.texts['loss']}, {fit.texts['solver']}",
        _whole(fit.count("passes")), _rounded(fit.count("loss_now")), _clock(fit), how,
    ]  # fmt: skip


def _sizes(fit: Fit) -> str:
    return f"{_whole(fit.sizes['rows'])} rows × {_whole(fit.sizes['columns'])} columns"


def _clock(fit: Fit) -> str:
    seconds = fit.count("elapsed")
    return f"{time.strftime('%H:%M:%S', time.localtime(fit.began))}, {_rounded(seconds, 3)} s"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "?"


def _rounded(value: float, digits: int = 6) -> str:
    return f"{value:,.{digits}g}"
