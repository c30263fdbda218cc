"""`dgd.report`: what a fit or a model leaves, as one HTML file that needs nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, Unpack

from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError, DatasetNotFoundError
from dgd.errors.words import shown, without_secrets
from dgd.errors.writing import writing
from dgd.fitting.callbacks.reading import EventFile, read_events
from dgd.fitting.record import Record
from dgd.fitting.report import sections
from dgd.fitting.report.page import page
from dgd.fitting.result import Result
from dgd.models.diagnose import diagnose
from dgd.models.model import load_model
from dgd.models.predictor import Predictor
from dgd.models.scoring.diagnosis import Diagnosis
from dgd.passes.execution import Execution, execution_of

OF_MODEL = (
    "dataset", "rows", "loss", "penalty", "solver", "status", "passes", "loss_value", "rows_left_out", "rows_held_out",
    "weight", "offset", "split", "dgd", "numpy", "fingerprint",
)  # fmt: skip
OF_START = (
    "data", "rows", "columns", "outputs", "target", "loss", "penalty", "solver", "because", "precision", "chunks",
    "executor", "processes", "threads", "dgd",
)  # fmt: skip


@dataclass(frozen=True)
class Story:
    """What is known of a fit: facts, passes with the seconds at the end of each, and the model."""

    facts: list[tuple[str, Any]] = field(default_factory=list)
    records: Sequence[Record] = ()
    elapsed: Sequence[float] = ()
    model: Predictor | None = None


def report(
    source: Any,
    data: Any = None,
    y: Any = None,
    *,
    out: str | os.PathLike[str],
    run: str | os.PathLike[str] | None = None,
    weight: Any = None,
    offset: Any = None,
    title: str | None = None,
    overwrite: bool = False,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Path:
    """Write a report of a fit or a model as one HTML file; returns its path.

    source: a `Result`, a model or the path of a saved one, or the path of an event file (`dgd.callbacks.Events`).
    data, y, weight, offset, reading: rows to look at, as for `dgd.score`; needs a model.
    out: the file, which needs no network and no script; run: an event file beside a model, for its passes.

    With passes: loss and gradient by pass and by second, and the time they took. With a model: its coefficients, with
    intervals where it has a covariance (`result.inference().model`). With data, in one pass whose memory is planned:
    the score, residuals or calibration and ROC curves, and the loss of each chunk, which finds bad files.

    Raises ConfigurationError where the source is none of these, WriteError where the file cannot be written.
    """
    target = _checked(out, overwrite=overwrite)
    story = _story(source, run)
    found = None
    if data is not None:
        if story.model is None:
            raise ConfigurationError(
                f"`report(data=...)` looks at the rows by a model, and {shown(source)} is an event file; give the "
                f"model, and the event file as `run=`"
            )
        where = execution_of(execution, client, threads)
        found = diagnose(story.model, data, y, weight=weight, offset=offset, execution=where, reading=reading)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    name = title or "Report of a linear model"
    text = page(name, _subtitle(story), _sections(story, found), made)
    _write(target, text)
    return target


def _sections(story: Story, found: Diagnosis | None) -> list[tuple[str, str]]:
    made = [sections.facts(story.facts)]
    if story.records:
        made += [sections.passes(story.records, story.elapsed), sections.pass_times(story.records, story.elapsed)]
    if story.model is not None:
        made.append(sections.coefficients(story.model))
    if found is not None:
        made += [sections.quality(found), sections.chunks(found), sections.this_pass(found)]
    return made


def _story(source: Any, run: Any) -> Story:
    """What the source says, and the event file beside it."""
    if isinstance(source, Result):
        elapsed = list(accumulate(record.seconds for record in source.history))
        told = [("status", source.message), ("seconds in passes", f"{source.seconds:.3f}")]
        told += [("solver, why", source.explain())] if source.choice else []
        of_result = Story(told + _of_model(source.model), source.history, elapsed, source.model)
        return of_result if run is None else _with_passes(of_result, read_events(run))
    if isinstance(source, Predictor):
        of_model = Story(_of_model(source), model=source)
    elif isinstance(source, (str, os.PathLike)):
        if not os.path.lexists(source):
            raise DatasetNotFoundError(f"nothing is at {source}; give a saved model, or the event file of a fit")
        if not Path(source).is_dir():
            if run is not None:
                raise ConfigurationError("`report(run=...)` goes with a model; the source is an event file itself")
            return _of_events(read_events(source))
        found = load_model(source)
        of_model = Story(_of_model(found), model=found)
    else:
        raise ConfigurationError(
            f"`report` takes a result, a model, its path, or that of an event file, got {shown(source)}"
        )
    return of_model if run is None else _with_passes(of_model, read_events(run))


def _with_passes(story: Story, found: EventFile) -> Story:
    told = _of_events(found)
    return Story(story.facts, told.records, told.elapsed, story.model)


def _of_events(found: EventFile) -> Story:
    told = [(name, _written(found.start[name])) for name in OF_START if _tells(found.start.get(name))]
    end = found.end
    how = ("status", "not ended: it still runs, or was killed") if end is None else ("status", end["message"])
    waits = [("waited", line.get("message", "")) for line in found.waits[-5:]]
    return Story([how, ("passes", len(found.passes)), *told, *waits], found.passes, found.elapsed)


def _of_model(model: Predictor) -> list[tuple[str, Any]]:
    """Its provenance, in words."""
    told = [(name.replace("_", " "), model.provenance[name]) for name in OF_MODEL if _tells(model.provenance.get(name))]
    told = [(name, without_secrets(_written(value))) for name, value in told]
    classes = [("classes", ", ".join(map(str, model.classes[:20])))] if model.classes else []
    target = [("target", model.target_name)] if model.target_name else []
    return [*target, ("columns", f"{model.n_features:,}"), *classes, *told]


def _tells(value: Any) -> bool:
    return value not in (None, "", 0, "NoPenalty()")


def _written(value: Any) -> str:
    """As a person reads it."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.8g}" if isinstance(value, float) else str(value)


def _subtitle(story: Story) -> str:
    known = dict(story.facts)
    loss = known.get("loss", story.model.loss if story.model else "")
    return f"{known.get('rows', '?')} rows × {known.get('columns', '?')} columns, {loss} loss"


def _checked(out: str | os.PathLike[str], *, overwrite: bool) -> Path:
    target = Path(out)
    with writing(target):
        if "://" in os.fspath(out):
            raise ConfigurationError(f"{out} is a URL, and reports are written to local files; give a path")
        if target.is_dir():
            raise ConfigurationError(f"{target} is a folder, and a report is a file; give a path such as report.html")
        if target.exists() and not overwrite:
            raise ConfigurationError(
                f"{target} exists; give another path, or `report(overwrite=True)` to replace the file"
            )
    return target


def _write(target: Path, text: str) -> None:
    """In one step: whoever has the older report open keeps it whole."""
    with writing(target):
        handle, draft = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="xmlcharrefreplace") as file:
                file.write(text)
            os.chmod(draft, 0o644)
            os.replace(draft, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
