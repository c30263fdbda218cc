"""The numbers of fits, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dgd.passes.cluster.pages import Sample
from dgd.solvers.base import Status

if TYPE_CHECKING:
    from dgd.fitting.board.board import Fit

STATES = (*(status.name.lower() for status in Status), "failed", "lost", "other")
"""By which ended fits are counted."""
KEPT_SECONDS = 300.0
"""A fit that has ended is shown for so long: also a short one is then seen by whoever looks every 15 s."""
EACH = {
    "dgd_fit_running": ("gauge", "1 while the fit runs, as far as its scheduler knows"),
    "dgd_fit_pass": ("gauge", "passes over the data that are done"),
    "dgd_fit_loss": ("gauge", "the objective of the last pass"),
    "dgd_fit_gradient_norm": ("gauge", "the gradient's norm in the last pass"),
    "dgd_fit_chunks_done": ("gauge", "chunks of the pass that runs that are done"),
    "dgd_fit_chunks_total": ("gauge", "chunks of a pass"),
    "dgd_fit_rows": ("gauge", "rows of the data"),
    "dgd_fit_bytes_read": ("counter", "stored bytes that its passes have read"),
    "dgd_fit_elapsed_seconds": ("gauge", "seconds since its first pass began"),
    "dgd_fit_seconds_since_moved": ("gauge", "seconds since a chunk or a pass was done; 0 once it has ended"),
}


def samples_of(fits: Sequence[Fit], ends: Mapping[str, int], now: float) -> Iterator[Sample]:
    """All of them; a fit that has ended for some minutes."""
    known = [fit for fit in fits if fit.ended is None or now - fit.ended < KEPT_SECONDS]
    yield "dgd_fits", "fits that run", "gauge", (((), float(sum(fit.runs for fit in fits))),)
    counted = tuple(((("status", state),), float(ends.get(state, 0))) for state in STATES)
    yield "dgd_fits_ended", "fits that have ended, by how", "counter", counted
    values = {fit.name: _values(fit, now) for fit in known}
    for name, (kind, what) in EACH.items():
        yield name, what, kind, tuple((_labels(fit), values[fit.name][name]) for fit in known)
    split = tuple(((*_labels(fit), ("on", part)), spent) for fit in known for part, spent in fit.split.items())
    yield "dgd_fit_thread_seconds", "seconds of all threads, by what they were spent on", "counter", split


def text_of(samples: Iterable[Sample]) -> str:
    """In Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    for name, what, kind, values in samples:
        own = f"{name}_total" if kind == "counter" else name
        lines += [f"# HELP {own} {what}", f"# TYPE {own} {kind}"]
        for pairs, value in values:
            labels = ",".join(f'{label}="{_quoted(text)}"' for label, text in pairs)
            lines.append(f"{own}{{{labels}}} {value!r}" if labels else f"{own} {value!r}")
    return "\n".join(lines) + "\n"


def _labels(fit: Fit) -> tuple[tuple[str, str], ...]:
    return ("fit", fit.name), *((label, fit.texts[label]) for label in ("data", "loss", "solver"))


def _values(fit: Fit, now: float) -> dict[str, float]:
    return {
        "dgd_fit_running": float(fit.runs),
        "dgd_fit_pass": fit.count("passes"),
        "dgd_fit_loss": fit.count("loss_now"),
        "dgd_fit_gradient_norm": fit.count("grad_norm"),
        "dgd_fit_chunks_done": fit.count("chunks"),
        "dgd_fit_chunks_total": fit.count("of"),
        "dgd_fit_rows": fit.sizes["rows"],
        "dgd_fit_bytes_read": fit.count("bytes_read"),
        "dgd_fit_elapsed_seconds": fit.count("elapsed") + (now - fit.heard if fit.runs else 0.0),
        "dgd_fit_seconds_since_moved": now - fit.moved if fit.runs else 0.0,
    }


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
