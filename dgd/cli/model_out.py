"""Where a fit's model goes: checked before the fit, and somewhere else if it cannot be saved there in the end."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dgd.cli.output import note, print_json, say
from dgd.errors import ConfigurationError, WriteError
from dgd.solvers.base import Status

SPARE = 2**16
"""Bytes of a model besides its numbers and names."""


def check_place(out: str, *, overwrite: bool, document: str = "model.json", noun: str = "model") -> None:
    """Refuse a place where the model, or what else has that document, could not be saved, before the fit."""
    plural = "summaries" if noun == "summary" else f"{noun}s"
    if "://" in out:
        raise ConfigurationError(f"{out} is a URL, and {plural} are saved to local folders; give another --out")
    _check_folder(Path(out), document, noun, plural, overwrite=overwrite)


def _check_folder(out: Path, document: str, noun: str, plural: str, *, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise ConfigurationError(f"{out} exists; give another --out, or --overwrite to replace it")
    if out.exists() and not (out / document).is_file():
        raise ConfigurationError(f"{out} exists and is not a dgd {noun}; --overwrite replaces only {plural}")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigurationError(f"nothing can be written into {folder}; give another --out")


def try_model_room(out: Path, n_parameters: int, names: Sequence[str] | None) -> None:
    """Raise WriteError, before the fit, where there is no room for its model."""
    from dgd.data.folders import try_room

    try_room(
        out, 8 * n_parameters + sum(len(name.encode("utf-8", "surrogatepass")) + 8 for name in names or ()) + SPARE
    )


def deliver(
    result: Any, inference: Any, out: str | None, *, overwrite: bool, as_json: bool, text: Callable[[], str]
) -> None:
    """Save the model, there or somewhere else, and print the result; all of it where the model cannot be saved.

    inference: None, or what is printed besides; its model is the one that is saved. text: what is printed.
    """
    saved, model = None, result.model if inference is None else inference.model
    if result.status is Status.NO_OPTIMUM:
        note(result.message)
    try:
        if out is not None and result.status is Status.DIVERGED:
            note(f"diverged: no model is saved to {out}")
        elif out is not None and result.stopped_before_its_first_pass:
            note(f"no pass was finished: no model is saved to {out}")
        elif out is not None:
            saved = _saved(model, Path(out), overwrite=overwrite)
            if Path(saved) != Path(out):
                raise WriteError(f"the model is not at {out} but at {saved}; make room and move it", path=out)
    except WriteError:
        as_json = as_json or saved is None
        raise
    finally:
        if as_json:
            plan = None if result.plan is None else result.plan.as_json()
            found = {} if inference is None else {"inference": inference.as_json()}
            print_json({**result.as_json(), "plan": plan, "model": saved, **found})
        else:
            say(text())
    if saved is not None:
        _tell_saved(result, saved)


def save_so_far(result: Any, out: str, *, overwrite: bool) -> None:
    """Save the model of a fit that an error has ended, or else print it: the error is told by others."""
    try:
        _tell_saved(result, _saved(result.model, Path(out), overwrite=overwrite))
    except WriteError:
        print_json(result.as_json())


def _tell_saved(result: Any, saved: str) -> None:
    reached = "" if result.converged else f", as far as it was reached ({result.status.label})"
    note(f"model saved to {saved}{reached}")


def _saved(model: Any, out: Path, *, overwrite: bool) -> str:
    """Save the model at `out`, or where that fails in the working folder or that of temporary files; say where."""
    try:
        model.save(out, overwrite=overwrite)
    except WriteError as error:
        note(f"error: {error}")
        for folder in (os.getcwd(), tempfile.gettempdir()):
            other = Path(folder, f"{out.stem}-{uuid.uuid4().hex[:8]}{out.suffix}")
            try:
                model.save(other)
            except WriteError:
                continue
            return str(other)
        raise
    return str(out)
