"""Where a fit's checkpoints go and how often: checked, with room for them, before the first pass."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from dgd.data.folders import try_room
from dgd.errors import CheckpointError, ConfigurationError
from dgd.errors.checks import checked_number
from dgd.errors.words import shown
from dgd.errors.writing import writing
from dgd.fitting.checkpoint.encoding import encoded
from dgd.fitting.checkpoint.file import before, read_checkpoint
from dgd.fitting.checkpoint.identity import Place, header_of
from dgd.fitting.checkpoint.lock import CheckpointLock
from dgd.fitting.checkpoint.reached import EVERY_PASS, Checkpoints
from dgd.fitting.null_model import NullModel
from dgd.fitting.run import Task

SPARE = 2**18
"""Bytes of a checkpoint besides its vectors: a thousand passes take a third of it."""
VECTORS = 16


@dataclass(frozen=True)
class Keeping:
    """A file for the checkpoints of a task, the seconds between them or "pass", and where the data are found again."""

    lock: CheckpointLock
    every: float | str
    task: Task
    places: dict[str, Place]
    reading: Mapping[str, Any]

    @classmethod
    def new(
        cls, lock: CheckpointLock, every: Any, task: Task, data: Mapping[str, Any], reading: Mapping[str, Any]
    ) -> Self:
        """For a fit that begins; `data` are its arguments, `reading` says how they are read.

        Raises ConfigurationError where something is in the way, WriteError where nothing can be written.
        """
        _make_free(lock.path)
        method = task.method
        try:
            encoded(method.solver.init(np.zeros(method.n_parameters)), {})
        except TypeError as error:
            raise ConfigurationError(
                f"`fit(checkpoint=...)` cannot store the state of solver {method.solver.name!r}: {error}; its "
                f"State must be a dataclass of numbers and arrays"
            ) from error
        need = method.need(task.dataset, task.precision, task.split)
        try_room(lock.path, 8 * VECTORS * method.n_parameters + 2 * need.hessian_bytes + SPARE)
        return cls(
            lock, checked_every(every), task, {name: _place(name, value) for name, value in data.items()}, reading
        )

    def checkpoints(self, null: NullModel | None) -> Checkpoints:
        """What writes them."""
        return Checkpoints(
            lock=self.lock, every=self.every, header=header_of(self.task, self.places, self.reading, null)
        )


def checked_path(checkpoint: Any, call: str = "fit") -> Path:
    """A local path."""
    if not isinstance(checkpoint, (str, os.PathLike)) or "://" in os.fspath(checkpoint) or not os.fspath(checkpoint):
        raise ConfigurationError(f"`{call}(checkpoint=...)` must be a local path, got {shown(checkpoint)}")
    return Path(os.path.abspath(os.path.expanduser(checkpoint)))


def checked_every(every: Any) -> float | str:
    """The seconds between two checkpoints, or "pass"."""
    if isinstance(every, str) and every == EVERY_PASS:
        return every
    if isinstance(every, str):
        raise ConfigurationError(f"`fit(checkpoint_every=...)` must be seconds or 'pass', got {shown(every)}")
    return checked_number("fit(checkpoint_every", every, above=0)


def _make_free(path: Path) -> None:
    """Refuse to replace the checkpoint of a fit that has not finished, and what is no checkpoint."""
    if not path.parent.is_dir():
        raise ConfigurationError(f"`fit(checkpoint=...)`: there is no folder {path.parent}; make it first")
    for each in (before(path), path):
        if os.path.lexists(each):
            _check_replaceable(each, finished=each == path)
    with writing(path):
        before(path).unlink(missing_ok=True)


def _check_replaceable(path: Path, *, finished: bool) -> None:
    try:
        document, _ = read_checkpoint(path)
        has_finished, passes = document["finished"], document["passes"]
    except (CheckpointError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} exists and is not a checkpoint of dgd that can be read; remove it, or give another path"
        ) from error
    if finished and not has_finished:
        raise ConfigurationError(
            f"{path} is the checkpoint of a fit that has not finished, after pass {passes}; go on with "
            f"`dgd.resume({str(path)!r})`, or remove it to fit anew"
        )


def _place(name: str, value: Any) -> Place:
    """An absolute path, a URL or an array's name; a list of them for several stores.

    None for an array, and for a URL that may hold a password.
    """
    if isinstance(value, list):
        found = [_place(name, each) for each in value]
        return [each for each in found if isinstance(each, str)] if all(isinstance(e, str) for e in found) else None
    if not isinstance(value, (str, os.PathLike)):
        return None
    text = os.fspath(value)
    if "://" in text:
        return None if "@" in text else text
    return os.path.abspath(os.path.expanduser(text)) if name in ("data", "validation") else text
